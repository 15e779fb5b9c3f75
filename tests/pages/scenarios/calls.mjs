// Calls: the list, its filters in the address, and a call that comes while it is open.
import { check, equal, until } from "../site.mjs";
import { voiceSpans } from "../otlp.mjs";

export default async function (site) {
  const empty = await site.page("/calls?span=all");
  await empty.getByText("No calls yet.").waitFor();
  await site.look(empty, "calls-empty");

  const good = await site.call({ externalId: "order-1", interfaceType: "PHONE", callDirection: "INBOUND" });
  const bad = await site.call({ externalId: "order-2" });
  await site.call({ externalId: "order-3" });
  const first = await site.send(voiceSpans(), { resource: { "roark.external_id": "order-1" } });
  const failing = await site.send(voiceSpans({ failing: 1 }), { resource: { "roark.external_id": "order-2" } });
  await site.linked(first);
  await site.linked(failing);

  const page = await site.page("/");
  await page.waitForURL("**/calls");
  const row = (text) => page.getByRole("row").filter({ hasText: text });
  await row("order-1").waitFor();
  equal(await page.locator("tbody tr").count(), 3, "three calls");
  check((await row("order-1").textContent()).includes("external"), "matched by");
  check((await row("order-3").textContent()).includes("why?"), "the call without a trace asks why");
  check(/\u2715 1/.test(await row("order-2").textContent()), "the error is counted");
  // Neither of them was told an end: the spans say how long they lasted; what is being counted says so.
  check(/^about 12\.\d s$/.test(await row("order-1").getByTitle("To the end of its last span; no end was told").textContent()), "about as long as its spans");
  check((await row("order-3").textContent()).includes("unknown"), "without spans nothing is known");
  check((await row("order-1").getByRole("cell").nth(6).textContent()).startsWith("1 open"), "a span came just now");
  equal(await row("order-1").getByText("counting").count() > 0 || /\d/.test(await row("order-1").getByRole("cell").nth(3).textContent()), true, "turns are counted, or said to be");
  await site.look(page, "calls");
  // By Tab alone: over the bar to the rows, and from there into a call.
  await page.goto(`${site.base}/calls`);
  await row("order-1").waitFor();
  await page.evaluate(() => { document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute("tabindex"); });
  for (let i = 0; i < 3; i++) await page.keyboard.press("Tab");
  equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the rows", "the third stop");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  equal(await page.evaluate(() => document.activeElement.closest("tr")?.textContent.includes("order-3")), true, "the first row");
  check(/^"\d{4}-\d\d-\d\dT.*\.\d{9}Z"$/.test(await page.evaluate(() => getComputedStyle(document.activeElement.querySelector("time"), "::after").content)), "the exact time stands at the row that the keys came to");
  // A click anywhere in a row opens it; who comes back sees the same time.
  await row("order-2").getByText("API", { exact: true }).last().click({ force: true }); // the link lies over it
  await page.waitForURL(`**/calls/${bad.id}*`);
  await page.goBack();
  await row("order-2").waitFor();
  check(/from=.*Z&to=.*Z/.test(decodeURIComponent(page.url())), `absolute times: ${page.url()}`);
  await page.goto(`${site.base}/calls`);
  // Narrow, the filters fold behind a button that counts them.
  await page.setViewportSize({ width: 390, height: 900 });
  equal(await page.getByLabel("Has errors").isVisible(), false, "folded");
  await page.getByRole("button", { name: "Filters" }).click();
  await page.getByLabel("Has errors").check();
  await page.getByRole("button", { name: "Filters 1" }).click();
  equal(await page.getByLabel("Has errors").isVisible(), false, "folded again");
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(`${site.base}/calls`);
  await row("order-1").waitFor();

  await page.getByLabel("Has errors").check();
  await page.waitForURL("**/calls?errors=true");
  await row("order-1").waitFor({ state: "detached" });
  await until(async () => await page.locator("tbody tr").count() === 1, "one with errors");
  await page.goBack();
  await row("order-1").waitFor();
  await page.getByLabel("No trace").check();
  await row("order-2").waitFor({ state: "detached" });
  await row("order-3").waitFor();
  await page.getByLabel("No trace").uncheck();
  await page.getByLabel("Search title, key, id").fill("order-2");
  await row("order-1").waitFor({ state: "detached" });
  await row("order-2").waitFor();
  await page.waitForURL("**/calls?q=order-2");
  const same = await site.page(page.url().slice(site.base.length));
  await same.getByRole("row").filter({ hasText: "order-2" }).waitFor();
  equal(await same.locator("tbody tr").count(), 1, "the address is the view");
  await page.getByLabel("Search title, key, id").fill("nothing like it");
  await page.getByText("No call matches this filter in the last 24 hours.").waitFor();
  await page.getByRole("button", { name: "Clear filters" }).click();
  await row("order-1").waitFor();

  // One that comes while the page is open pushes nothing down.
  const before = await page.locator("tbody").textContent();
  await site.call({ externalId: "order-4" });
  await page.getByText("1 newer call", { exact: true }).waitFor();
  equal(await page.locator("tbody").textContent(), before, "the rows stand still");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await row("order-4").waitFor();
  equal(await page.locator("tbody tr").count(), 4, "four calls");
  await row("order-1").getByRole("link").first().click();
  await page.waitForURL(`**/calls/${good.id}*`);
  await page.goto(`${site.base}/calls/${bad.id}`);
}
