// The explorer: by name, attribute, tag and time, with suggestions, by keyboard alone, and what comes meanwhile.
import { check, equal, until } from "../site.mjs";
import { nowNs, span, voiceSpans } from "../otlp.mjs";

const HOUR = 3_600_000_000_000n;

async function filter(page, ...steps) {
  const box = page.getByRole("combobox", { name: /filter/i });
  await box.click();
  for (const text of steps) {
    await box.fill(text);
    await page.keyboard.press("Enter");
    // Taken, or refused with a sentence.
    await until(async () => await box.inputValue() === "" || await page.locator("#filter-problem").isVisible(), `the step ${text}`);
  }
}

export default async function (site) {
  const empty = await site.page("/traces");
  await empty.getByText("No traces in this time.").waitFor();

  const call = await site.call({ externalId: "linked-1" });
  const first = await site.send(voiceSpans({ turns: 5 }), { resource: { "roark.external_id": "linked-1", "roark.project.tag.env": "prod" } });
  await site.linked(first);
  await site.send(voiceSpans({ model: "gpt-5", failing: 1 }), { resource: { "roark.project.tag.env": "staging" } });
  await site.send([span("nightly_batch", { ms: 30, values: { "batch.size": 250, empty: "" } })], { resource: { "service.name": "batch" }, start: nowNs() - 5n * HOUR });
  await site.send([span("child", { parent: "00000000000000aa", ms: 41_000 })], { resource: { "service.name": "orphan" }, start: nowNs() - 3n * HOUR });

  const page = await site.page("/traces");
  const rows = () => page.locator(".results tbody tr:not(.more)");
  await until(async () => await rows().count() === 4, "four traces");
  await page.getByText("4 traces, 1 with errors").waitFor();
  check((await page.locator(".results").textContent()).includes("Root not received"), "a root that did not come is said");
  // Each row says which call it belongs to, or why to none.
  const texts = await until(async () => {
    const all = await rows().allTextContents();
    return all.filter((one) => one.includes("none: no key on any span")).length === 2 && all.some((one) => one.includes("none: root not ended")) && all;
  }, "the reasons");
  check(texts.some((one) => /env prod.*\d\d:\d\d:\d\d API, its call/.test(one)), `tags, and the call with its source: ${texts}`);
  await site.look(page, "traces");

  // By name, as typed.
  await filter(page, "name", "contains", "llm");
  await page.waitForURL("**/traces?name=llm");
  await until(async () => await rows().count() === 2, "two with an LLM");
  await page.locator(".results").getByText("2 more matching spans").first().waitFor();
  await site.look(page, "traces-matched");
  // By attribute, with what is offered: the value is chosen with the arrow keys.
  const box = page.getByRole("combobox", { name: /filter/i });
  await box.fill("request.model");
  await page.getByRole("option", { name: "gen_ai.request.model attribute", exact: true }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.keyboard.type("is");
  await page.keyboard.press("Enter");
  await page.getByRole("combobox", { name: "Value of the filter gen_ai.request.model is" }).waitFor();
  await page.getByRole("option", { name: "gpt-5" }).waitFor();
  await site.look(page, "traces-suggest");
  await box.focus();
  await page.getByRole("option", { name: "gpt-5" }).click();
  await until(async () => await rows().count() === 1, "one with that model");
  check(new URL(page.url()).search === "?name=llm&attr=gen_ai.request.model%3Agpt-5", `the address has the API's names: ${page.url()}`);
  check(((await page.locator(".results .more").textContent()) ?? "").includes("gpt-5"), "the span that matched says by what");
  // The same address is an API call.
  const listed = await site.ask("GET", `/v1/traces${new URL(page.url()).search}`);
  equal(listed.data.length, 1, "the address is an API call");
  // Backspace takes the last chip back, part by part.
  await box.focus();
  await page.keyboard.press("Backspace");
  equal(await box.inputValue(), "gpt-5", "the value comes back");
  await box.fill("");
  for (let i = 0; i < 3; i++) await page.keyboard.press("Backspace");
  await page.waitForURL("**/traces?name=llm");
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  await until(async () => await rows().count() === 4, "all again");

  // By tag.
  await filter(page, "env", "is");
  await page.getByRole("combobox", { name: "Value of the filter tag env is" }).waitFor();
  await page.getByRole("option", { name: "prod" }).click();
  await until(async () => await rows().count() === 1, "one in production");
  check(page.url().endsWith("?tag=env%3Aprod"), page.url());
  await page.getByRole("button", { name: "Remove the filter tag env is prod" }).click();
  // By number, with a wrong one first: nothing is sent, the chip stays open.
  await filter(page, "batch.size", "above", "many");
  await page.getByRole("alert").getByText("The value must be a number").waitFor();
  check(!page.url().includes("attr"), "nothing was sent");
  await box.fill("200");
  await page.keyboard.press("Enter");
  await until(async () => await rows().count() === 1, "one large batch");
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  await filter(page, "duration", "at least", "2");
  await page.getByRole("alert").getByText("Duration must be a number with a unit, such as 250 ms or 2 s.").waitFor();
  await box.fill("15 s");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/traces?minDurationMs=15000");
  await until(async () => await rows().count() === 2, "two long ones");

  // By time: the two fields do what dragging does.
  await page.goto(`${site.base}/traces?span=24h`);
  await until(async () => await rows().count() === 4, "four in a day");
  await page.getByRole("button", { name: "Table of counts" }).click();
  await site.look(page, "traces-counts");
  const local = (ms) => new Date(ms + 3_600_000).toISOString().slice(0, 19); // Berlin in November
  await page.getByLabel("From", { exact: true }).fill(local(Date.now() - 6 * 3_600_000));
  await page.getByLabel("To", { exact: true }).fill(local(Date.now() - 2 * 3_600_000));
  await page.getByRole("button", { name: "Show this time" }).click();
  await until(async () => await rows().count() === 2, "two in those hours");
  check(/from=.*Z&to=.*Z/.test(decodeURIComponent(page.url())), `times are absolute: ${page.url()}`);
  await page.goBack();
  await until(async () => await rows().count() === 4, "back");
  const chart = await page.locator(".histogram .u-over").boundingBox();
  await page.mouse.move(chart.x + chart.width * 0.7, chart.y + 30);
  await page.mouse.down();
  await page.mouse.move(chart.x + chart.width * 0.85, chart.y + 30, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL("**from=*");
  await until(async () => await rows().count() === 1, "one in the dragged hours: the batch of five hours ago");

  // An address with a bad filter opens its chip with the server's sentence.
  site.allow(/status of 400/);
  await page.goto(`${site.base}/traces?attr=batch.size%3Emany&name=llm`);
  await page.getByRole("alert").getByText("needs a number behind < or >").waitFor();
  equal(await box.inputValue(), "many", "the bad value is there to be mended");
  await site.look(page, "traces-refused");
  await box.fill("1");
  await page.keyboard.press("Enter");
  await page.getByText("No trace matches these 2 filters together. 4 traces lie in this time.").waitFor();
  await page.goto(`${site.base}/traces?service=agnet&name=llm`);
  await page.getByText('4 traces lie in this time; "service is agnet" alone matches none.').waitFor();

  // While the counts load, their room is kept: the rows stand where they will stand.
  let release;
  const gate = new Promise((done) => { release = done; });
  const slow = await site.page("/traces", { before: (opened) => opened.route(/\/histogram/, async (route) => { await gate; await route.continue(); }) });
  const topOfRows = async () => (await slow.locator(".results").boundingBox()).y;
  await slow.locator(".results tbody tr").first().waitFor();
  const top = await topOfRows();
  release();
  await slow.locator(".histogram canvas").first().waitFor();
  check(Math.abs(await topOfRows() - top) <= 2, `the rows stay where they are: ${top}, ${await topOfRows()}`);
  await slow.unrouteAll({ behavior: "ignoreErrors" });
  await slow.context().close();

  // A matching span leads to the trace at that span, with the words.
  await page.goto(`${site.base}/traces?name=tts&tag=env%3Aprod`);
  await page.locator(".matched a").first().click();
  await page.waitForURL(/\/traces\/[0-9a-f]{32}\?span=[0-9a-f]{16}&q=tts/);
  await page.goBack();
  check(/from=/.test(page.url()), `who comes back sees the same time: ${page.url()}`);

  // What comes meanwhile is counted, and comes with a click.
  await page.goto(`${site.base}/traces`);
  await until(async () => await rows().count() === 4, "four");
  await site.send(voiceSpans());
  await page.getByText("1 newer trace", { exact: true }).waitFor();
  equal(await rows().count(), 4, "the rows stand still");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await until(async () => await rows().count() === 5, "five");
  await page.getByText("5 traces, 1 with errors").waitFor();
  await page.locator(".results").getByText("none: no key on any span").first().waitFor();
  await page.getByRole("link", { name: /^\d\d:\d\d:\d\d API ?, its call$/ }).click();
  await page.waitForURL(`**/calls/${call.id}*`);
}
