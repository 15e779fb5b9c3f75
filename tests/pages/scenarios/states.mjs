// The waterfall while it loads, when it fails, when it is cut, and when a clock makes sums exceed their wait.
import { check, equal, until } from "../site.mjs";
import { livekitSpans, nowNs, newSpanId, span } from "../otlp.mjs";

const MS = 1_000_000n;
const rowNamed = (page, text) => page.getByRole("treegrid").getByRole("row").filter({ hasText: text });
const TIMELINE = /\/timeline(\?|$)/;

export default async function (site) {
  const start = nowNs() - 120_000n * MS;
  const call = await site.call({ livekitRoomId: "RM_states", startedAt: new Date(Number(start / MS)).toISOString() });
  const spans = livekitSpans({ turns: 4, slow: 3 });
  const trace = await site.send(spans, { start, resource: { "telemetry.sdk.language": "python", "livekit.room.id": "RM_states" } });
  await site.linked(trace);

  // Slow: grey rows, then a sentence that says how much there is.
  let release;
  const gate = new Promise((done) => { release = done; });
  const slow = await site.page(`/calls/${call.id}`, { before: (page) => page.route(TIMELINE, async (route) => { await gate; await route.continue(); }) });
  await slow.getByRole("status", { name: "Loading the spans" }).waitFor();
  await slow.getByText("Still loading. The call has 36 spans.").or(slow.getByText(/^Still loading\. The call has \d+ spans\.$/)).waitFor();
  release();
  await rowNamed(slow, "Turn 3").waitFor();
  await slow.close();

  // A trace that was seen in a list is known by its size, too.
  const listed = await site.page("/traces", { before: (page) => page.route(TIMELINE, async () => undefined) }); // never answered
  await listed.locator(".results tbody a").first().click();
  await listed.getByText(`Still loading. The trace has ${spans.length} spans.`).waitFor();
  await listed.unrouteAll({ behavior: "ignoreErrors" });
  await listed.close();

  // Busy: the reason and a way out; it is tried again by itself.
  site.allow(/status of 503/);
  let refusals = 0;
  const busy = await site.page(`/traces/${trace}`, { before: (page) => page.route(TIMELINE, async (route) => {
    if (refusals++ < 2) await route.fulfill({ status: 503, contentType: "application/json", body: JSON.stringify({ code: "busy", message: "The server is busy." }) });
    else await route.continue();
  }) });
  const problem = busy.getByRole("alert").filter({ hasText: "The server is busy." });
  await problem.first().waitFor();
  check(await problem.first().getByRole("button", { name: "Try again" }).count() === 1, "with a button");
  await problem.first().getByText("busy", { exact: true }).waitFor();
  await rowNamed(busy, "agent_session").waitFor();
  equal(await busy.getByRole("alert").count(), 0, "the reason goes when it works");
  check(refusals >= 3, "it was tried again");
  await busy.close();

  // Cut, and sums that exceed their wait: told, with a way to all of it.
  const cut = await site.page(`/calls/${call.id}`, { before: (page) => page.route(TIMELINE, async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    body.data.isCut = true;
    body.data.spanTotal = 131_204;
    Object.assign(body.data.turns[1].waits[0], { segments: [], overlapNs: 1_340_000_000 });
    await route.fulfill({ response: answer, json: body });
  }) });
  await cut.getByText(/^Showing \d+ of 131,204 spans, the first by start\./).waitFor();
  equal(await cut.getByRole("link", { name: "Download all" }).getAttribute("href"), `/v1/traces/${trace}`, "all of it");
  equal(await cut.locator(".column").nth(1).locator(".stack-part").count(), 1, "one plain bar");
  equal(await rowNamed(cut, /^.?Turn 2/).locator(".split").count(), 1, "in its row as well");
  await cut.getByRole("button", { name: "Show as table" }).click();
  await cut.getByText("Stages overlap; they add up to 1.34 s").waitFor();
  await cut.close();

  // A span that has not come yet: said, and shown when it comes.
  const late = span("late_span", { at: 1000, ms: 50, parent: spans[1].id, id: newSpanId() });
  const page = await site.page(`/traces/${trace}?span=${late.id}`);
  await page.getByText(`Span ${late.id.slice(0, 4)}.. is not in this trace yet.`).waitFor();
  equal(await page.getByRole("complementary").count(), 0, "there is nothing to show of it");
  await site.send([late], { traceId: trace, start, resource: { "telemetry.sdk.language": "python", "livekit.room.id": "RM_states" } });
  await page.getByRole("complementary", { name: "About late_span" }).waitFor();
  await until(async () => await rowNamed(page, "late_span").getAttribute("aria-selected") === "true", "its row is selected");

  // A call that no trace belongs to says why, and leads to the cure.
  const alone = await site.call({ externalId: "nobody-sends-this" });
  await page.goto(`${site.base}/calls/${alone.id}`);
  await page.getByText("No trace is linked.").waitFor();
  check((await page.locator(".empty").textContent()).includes("nobody-sends-this"), "its own key");
  const way = page.locator(".empty").getByRole("link", { name: "Open in Unmatched" });
  await way.waitFor();
  equal(new URL(await way.getAttribute("href"), site.base).searchParams.get("reason"), "no_trace", "the doctor's reason");
  await way.click();
  await page.locator(".unmatched-row").first().waitFor();
}
