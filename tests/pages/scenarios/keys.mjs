// Keys: made, shown once, used, revoked.
import { check, equal } from "../site.mjs";

export default async function (site) {
  const page = await site.page("/keys");
  await page.getByRole("cell", { name: "tests" }).waitFor();
  await page.getByLabel("Name").fill('<img src=x onerror=alert(1)> \u202e"');
  await page.getByLabel("manage keys").uncheck();
  await page.getByRole("button", { name: "Make key" }).click();
  const secret = await page.locator(".made-key .secret").textContent();
  check(/^ct_live_[\w-]{43}$/.test(secret), `a key: ${secret}`);
  await site.look(page, "keys");
  await page.getByRole("button", { name: "Copy the key" }).click();
  equal(await page.evaluate(() => navigator.clipboard.readText()), secret, "copied");
  equal((await site.ask("GET", "/v1/me", undefined, secret)).data.defaultProject.name, site.project, "the key works");
  await page.reload();
  await page.getByRole("cell", { name: "tests" }).waitFor();
  check(!(await page.content()).includes(secret), "it is shown once");
  const row = page.getByRole("row").filter({ hasText: "<img src=x" });
  await row.getByRole("button", { name: "Revoke" }).click();
  await row.getByText("What uses it will be refused.").waitFor();
  await row.getByRole("button", { name: "Keep it" }).click();
  await row.getByRole("button", { name: "Revoke" }).click();
  await row.getByRole("button", { name: "Revoke it" }).click();
  await row.getByText("revoked").waitFor();
  await page.getByRole("row").filter({ hasText: "yours" }).getByRole("button", { name: "Revoke" }).click();
  await page.getByText("This is your own key: you will be signed out.").waitFor();

  const reader = (await site.ask("POST", "/v1/keys", { name: "reader", scopes: ["read"] })).data;
  site.allow(/status of 403/);
  const other = await site.page("/keys", { key: reader.key });
  await other.getByText("This key may not manage keys; it lacks manage.").waitFor();
}
