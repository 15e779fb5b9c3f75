// A trace by itself: from the explorer and back, what is selected in the address, and the call it belongs to.
import { readFile } from "node:fs/promises";
import { check, equal, until } from "../site.mjs";
import { nowNs, span } from "../otlp.mjs";

const rowNamed = (page, text) => page.getByRole("treegrid").getByRole("row").filter({ hasText: text });

export default async function (site) {
  const start = nowNs() - 60_000_000_000n;
  const call = await site.call({ externalId: "order-7", startedAt: new Date(Number(start / 1_000_000n)).toISOString() });
  const root = span("POST /checkout", { ms: 1200, values: { "http.request.method": "POST", "http.response.status_code": 500 } });
  const charge = span("charge_card", { at: 200, ms: 900, parent: root.id, error: "card declined", values: { "payment.provider": "cards", "retry.count": 2 } });
  const spans = [root, span("load_cart", { at: 20, ms: 150, parent: root.id, values: { "cart.dump": `${"x".repeat(300_000)}end`, "cart.log": `${"a line of the log\n".repeat(70_000)}end` } }), charge, span("POST api.cards", { at: 250, ms: 800, parent: charge.id }), span("lost", { at: 1100, ms: 50, parent: "00000000000000aa" })];
  const trace = await site.send(spans, { start, resource: { "service.name": "shop", "roark.external_id": "order-7" } });
  await site.linked(trace);
  const lonely = await site.send([span("nightly_batch", { ms: 30 })], { start, resource: { "service.name": "batch" } });

  // From the explorer's row, with its filters.
  const page = await site.page("/traces?service=shop&name=charge");
  await page.locator(".results tbody tr:not(.more)").first().waitFor();
  equal(await page.locator(".results tbody tr:not(.more)").count(), 1, "one trace matches");
  await page.locator(".matched a").first().click();
  await page.waitForURL(new RegExp(`/traces/${trace}\\?span=${charge.id}&q=charge`));
  await page.getByRole("complementary", { name: "About charge_card" }).getByText("card declined").first().waitFor();
  equal(await page.getByRole("treegrid").getAttribute("aria-rowcount"), "6", "five spans and a parent that never came");
  equal(await page.getByRole("searchbox", { name: "Search spans and values" }).inputValue(), "charge", "the explorer's words are searched");
  check(/\u2715 error/.test(await rowNamed(page, "charge_card").textContent()), "the error is a mark and a word");
  await rowNamed(page, "Parent not received").waitFor();
  equal(await rowNamed(page, "lost").getAttribute("aria-level"), "2", "the orphan stands below a row of its own");
  equal(await page.locator(".strip").count(), 0, "no response times without turns");
  await page.getByRole("heading", { name: "POST /checkout", level: 1 }).waitFor();
  equal(await page.title(), "charge_card - POST /checkout - calltrace", "the window is named by what is selected, then by the trace");
  await page.getByText(/Belongs to call (\d+ \w+ )?\d\d:\d\d:\d\d/).waitFor();
  check(/matched by roark.external_id order-7, linked/.test(await page.locator(".call-page > header").textContent()), "which call it belongs to, and by what");
  await site.look(page, "trace");

  // Another span is selected: the address follows and brings it back.
  await rowNamed(page, "load_cart").click();
  await until(() => page.url().includes(`span=${spans[1].id}`), "the address names the selected span");
  await page.reload();
  await page.getByRole("complementary", { name: "About load_cart" }).waitFor();
  equal(await rowNamed(page, "load_cart").getAttribute("aria-selected"), "true", "a reload shows the same");
  // A long value comes when it is looked at; only the lines in view are in the page. Of the largest the reader is asked.
  const panel = page.getByRole("complementary", { name: "About load_cart" });
  await panel.getByRole("tab", { name: "Attributes 2" }).click();
  const dump = panel.locator(".attribute").filter({ hasText: "cart.dump" });
  await dump.getByRole("button", { name: "Show all 300,003 characters" }).click();
  await dump.getByRole("group", { name: /^cart\.dump, [\d,]+ lines$/ }).waitFor();
  check(await dump.locator(".lines pre").count() < 60, "a few lines of it are in the page");
  check(!(await dump.textContent()).includes("end"), "the last is not");
  await dump.locator(".lines").evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await dump.getByText("end").waitFor();
  await dump.getByRole("button", { name: "Copy cart.dump", exact: true }).click();
  equal((await page.evaluate(() => navigator.clipboard.readText())).length, 300_003, "it is copied whole");
  await dump.getByText("Copied 300,003 characters").waitFor();
  const log = panel.locator(".attribute").filter({ hasText: "cart.log" });
  await log.getByText("This value is 1.3 MB. It is not loaded with the page.").waitFor();
  await log.getByRole("button", { name: "Load" }).click();
  await log.getByRole("button", { name: "Show all 1,260,003 characters" }).waitFor();
  check(await log.locator("pre").textContent().then((text) => text.split("\n").length) <= 20, "folded at twenty lines");
  // Choosing rows is no step in the history: back is the list with its filters.
  await page.goBack();
  await page.waitForURL(/\/traces\?/);
  await until(async () => await page.locator(".results tbody tr:not(.more)").count() === 1, "the same list");
  const query = new URL(page.url()).searchParams;
  equal([query.get("service"), query.get("name")], ["shop", "charge"], "with its filters");
  await page.getByRole("button", { name: "Remove the filter service is shop" }).waitFor();

  // Down to the call, and to the download.
  await page.goForward();
  await page.getByRole("treegrid").waitFor();
  for (const [name, suffix, first] of [["Trace as JSON", "json", "{"], ["Trace as protobuf", "pb", "\n"]]) {
    const coming = page.waitForEvent("download");
    await page.locator(".call-page > header").getByRole("link", { name }).click();
    const file = await coming;
    equal(file.suggestedFilename(), `${trace}.${suffix}`, "the download is named by its trace");
    const body = await readFile(await file.path());
    equal(String.fromCharCode(body[0]), first, `${name} begins as such`);
    check(body.length > 300_000 && body.includes("charge_card"), "and is whole");
  }
  await page.locator(".call-page > header").getByRole("link", { name: /^call / }).click();
  await page.waitForURL(`**/calls/${call.id}*`);
  await rowNamed(page, "POST /checkout").first().waitFor();

  await page.goto(`${site.base}/traces/${lonely}`);
  await rowNamed(page, "nightly_batch").waitFor();
  await page.getByText("Belongs to no call.").waitFor();
  await page.getByText(/No span carries/).waitFor();
  equal(await page.getByRole("link", { name: "How to mend" }).getAttribute("href").then((href) => new URL(href, site.base).searchParams.get("reason")), "no_key", "the link leads to the reason");
  await page.getByRole("link", { name: "How to mend" }).click();
  await page.locator(".unmatched-row").filter({ hasText: "nightly_batch" }).waitFor();
  const rootless = await site.send([span("orphan_step", { ms: 30, parent: "00000000000000bb" })], { start, resource: { "service.name": "batch" } });
  await page.goto(`${site.base}/traces/${rootless}`);
  await page.getByRole("heading", { name: "Root not received yet", level: 1 }).waitFor();
  await page.goto(`${site.base}/traces/${lonely}?span=${charge.id}`);
  await page.getByText(`Span ${charge.id.slice(0, 4)}.. is not in this trace yet.`).waitFor();
  site.allow(/status of 404/);
  await page.goto(`${site.base}/traces/${"0".repeat(31)}1`);
  await page.getByText("No trace 0000..0001 in this project. It may be older than what is kept, or belong to another project.").waitFor();
}
