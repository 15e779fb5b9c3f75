// A wrong key, the right key, a session that ends over a page, signing out.
import { check, equal, until } from "../site.mjs";

export default async function (site) {
  site.allow(/status of 401/);
  const page = await site.page("/traces?service=agent", { key: null });
  await page.waitForURL("**/sign-in?next=*");
  await site.look(page, "sign-in");
  await page.getByLabel("API key").fill("ct_live_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This key is not known here.").waitFor();
  await page.getByLabel("API key").fill(site.key);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/traces?service=agent");
  await page.getByRole("heading", { name: "Traces" }).waitFor();
  check(!(await page.evaluate(() => JSON.stringify(localStorage))).includes(site.key), "the key is in no storage");

  // Another key's session, which ends because the key does.
  const made = (await site.ask("POST", "/v1/keys", { name: "ends", scopes: ["read", "write"] })).data;
  const other = await site.page("/calls", { key: made.key });
  await other.getByText("No call").first().waitFor();
  await other.getByLabel("Search title, key, id").fill("kept");
  await other.waitForURL("**/calls?q=kept");
  await site.ask("DELETE", `/v1/keys/${made.id}`);
  await until(async () => (await other.context().request.get(`${site.base}/v1/me`)).status() === 401, "the session to end with its key");
  await other.getByLabel("State").selectOption("ENDED");
  const dialog = other.getByRole("dialog", { name: "Sign in" });
  await dialog.getByText("Your session has ended. Sign in to go on.").waitFor();
  check(other.url().includes("q=kept&state=ENDED"), `the address is kept: ${other.url()}`);
  equal(await other.getByLabel("Search title, key, id").inputValue(), "kept", "the input is kept");
  await site.look(other, "session-ended");
  await dialog.getByLabel("API key").fill(site.key);
  await dialog.getByRole("button", { name: "Sign in" }).click();
  await dialog.waitFor({ state: "detached" });

  await page.getByText("Menu", { exact: true }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL("**/sign-in*");
  equal(await page.evaluate(async () => (await fetch("/v1/me")).status), 401, "after signing out");

  const sender = (await site.ask("POST", "/v1/keys", { name: "sender", scopes: ["ingest"] })).data;
  site.allow(/status of 403/);
  const blind = await site.page("/calls", { key: sender.key });
  await blind.getByText("This key may send data but not read it.").first().waitFor();
}
