// Hostile text everywhere: nothing runs, nothing is lost, the pages stay usable.
import { check, equal, until } from "../site.mjs";
import { span, voiceSpans } from "../otlp.mjs";

const SCRIPT = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>';
const TURNED = "abc\u202edcba\u2066x\u2069\u200f";
const CONTROLS = "bell\u0007 escape\u001b[31m null-like\u0001 delete\u007f";
const BROKEN = '{"a": [1, 2, {"b": }';
const URL = "javascript:window.ran=1";
const HUGE = `${"x".repeat(500_000)}<script>window.ran=1</script>${"y".repeat(500_000)}`;
const HOSTILE = { SCRIPT, TURNED, CONTROLS, BROKEN, URL };

export default async function (site) {
  const spans = voiceSpans();
  Object.entries(HOSTILE).forEach(([name, text], i) => spans.push(span(text, { at: 100 * i, parent: spans[0].id, values: { [text]: text, [`odd.${name}`]: text } })));
  spans.push(span("huge", { parent: spans[0].id, values: { "huge.value": HUGE, "gen_ai.input.messages": BROKEN } }));
  const resource = { "service.name": SCRIPT, "roark.project.tag.odd": SCRIPT, "roark.external_id": SCRIPT.slice(0, 200) };
  const trace = await site.send(spans, { resource });
  const lonely = await site.send([span(TURNED, { values: { "roark.externalId": CONTROLS } })], { resource: { "service.name": TURNED } });
  const call = await site.call({ externalId: SCRIPT.slice(0, 200), agent: { name: SCRIPT, customId: "a1" },
    transcript: [{ role: "AGENT", text: SCRIPT, startOffsetMs: 0, endOffsetMs: 900 }, { role: "CUSTOMER", text: `${TURNED} ${CONTROLS}`, startOffsetMs: 1000, endOffsetMs: 1500 }] });
  await site.linked(trace);

  const calm = async (page, where) => {
    equal(await page.evaluate(() => globalThis.ran ?? null), null, `nothing ran on ${where}`);
    equal(await page.locator("img, script:not([src])").count(), 0, `no element of theirs on ${where}`);
  };
  const page = await site.page("/traces");
  await page.locator(".results").getByText("agent_session").waitFor();
  check((await page.locator(".results").textContent()).includes('<script>window.ran=1</script>'.slice(0, 8)), "the service is shown as text");
  await calm(page, "the explorer");
  await site.look(page, "hostile-traces");
  for (const text of Object.values(HOSTILE)) {
    await page.goto(`${site.base}/traces?${new URLSearchParams({ name: text })}`);
    await page.locator(".matched a").first().waitFor();
    await calm(page, "a search");
  }
  // Marks for what cannot be seen.
  await page.goto(`${site.base}/traces?${new URLSearchParams({ attr: `odd.CONTROLS:${CONTROLS}` })}`);
  await page.locator(".matched .mark").first().waitFor();
  check((await page.locator(".matched .mark").allTextContents()).includes("U+0007"), "a bell is a mark");
  await page.goto(`${site.base}/traces?${new URLSearchParams({ attr: "huge.value" })}`);
  await page.locator(".matched a").first().waitFor();
  check((await page.content()).length < 300_000, "a huge value is not in the page");
  await calm(page, "the huge value");
  // The suggestions are text as well.
  const box = page.getByRole("combobox", { name: /filter/i });
  await box.click();
  await box.fill("service");
  await page.keyboard.press("Enter");
  await page.getByRole("option", { name: "is", exact: true }).click();
  await page.getByRole("option").filter({ hasText: "<img" }).waitFor();
  await calm(page, "the suggestions");
  await page.goto(`${site.base}/traces?by=service`);
  await page.locator("table.list").getByText("<img").first().waitFor();
  await calm(page, "the groups");

  await page.goto(`${site.base}/unmatched`);
  await page.locator(".unmatched-row").first().waitFor();
  equal(await page.locator(".unmatched-row").count(), 1, "one is unmatched");
  check((await page.locator(".unmatched-row .mark").count()) > 0, "marks in the cure");
  await site.look(page, "hostile-unmatched");
  await calm(page, "unmatched");
  await page.goto(`${site.base}/calls`);
  await page.getByRole("row").filter({ hasText: "<img" }).waitFor();
  await calm(page, "the calls");
  await site.look(page, "hostile-calls");
  for (const path of [`/calls/${call.id}`, `/calls/${call.id}/transcript`, `/calls/${call.id}/details`, `/traces/${trace}`, `/traces/${lonely}`]) {
    await page.goto(site.base + path);
    await page.getByRole("heading").first().waitFor();
    await page.waitForTimeout(300);
    await calm(page, path);
  }
  // What came is what is kept.
  const stored = await site.ask("GET", `/v1/traces/${trace}`);
  const texts = stored.resourceSpans.flatMap((r) => r.scopeSpans).flatMap((s) => s.spans).flatMap((s) => s.attributes ?? []).map((a) => a.value.stringValue);
  for (const text of [HUGE, ...Object.values(HOSTILE)]) check(texts.includes(text), `kept as it came: ${text.slice(0, 40)}`);
  // Addresses are hostile, too.
  for (const path of [`/traces?name=${encodeURIComponent(SCRIPT)}&by=${encodeURIComponent(`tag:${SCRIPT}`)}`, `/unmatched?reason=%3Cimg%3E`, `/traces?from=%22%3E&span=%07`, "/sign-in?next=//evil.example", "/setup/%3Cscript%3E"]) {
    site.allow(/status of 400/);
    await page.goto(site.base + path);
    await page.getByRole("heading").first().waitFor();
    await until(async () => { await calm(page, path); return true; }, path);
  }
}
