// A call that is watched while its spans arrive: rows come by themselves, and what the reader looks at stays where it is.
import { check, equal, until } from "../site.mjs";
import { newSpanId, newTraceId, nowNs, span, spokenTurn } from "../otlp.mjs";

const MS = 1_000_000n;
const rowNamed = (page, text) => page.getByRole("treegrid").getByRole("row").filter({ hasText: text });
const scrolled = (page) => page.locator(".waterfall").evaluate((element) => element.scrollTop);
const topOf = async (page, text) => (await rowNamed(page, text).boundingBox()).y;
const rowCount = async (page) => Number(await page.getByRole("treegrid").getAttribute("aria-rowcount"));

export default async function (site) {
  const start = nowNs() - 120_000n * MS;
  const traceId = newTraceId();
  const resource = { "livekit.room.id": "RM_live", "telemetry.sdk.language": "python" };
  const call = await site.call({ livekitRoomId: "RM_live", externalId: "live-1", startedAt: new Date(Number(start / MS)).toISOString() });
  const page = await site.page(`/calls/${call.id}`);
  await page.getByText("No trace is linked.").or(page.getByText("No spans yet.")).waitFor();

  // The root is still open; turns 1 to 3 and 5 to 20 have come, the fourth is late.
  const root = span("agent_session", { ms: null });
  const turn = (number) => spokenTurn(root.id, number, { at: (number - 1) * 5000, isSlow: number === 15 });
  const numbers = Array.from({ length: 20 }, (_, i) => i + 1);
  const send = (spans) => site.send(spans, { traceId, start, resource });
  await page.evaluate(() => { globalThis.isSamePage = true; });
  await send([root, ...numbers.filter((number) => number !== 4).flatMap(turn)]);
  const session = page.getByRole("row").filter({ has: page.locator(".name", { hasText: "agent_session" }) }).first();
  await session.waitFor();
  check(/^> 2 min/.test(await session.locator(".cell-duration").textContent()), `the root has not ended, and runs to now: ${await session.textContent()}`);
  check(/, open/.test(await session.locator(".cell-time").textContent()), "and says so in a word");
  check(await session.locator(".bar.open").count() === 1, "and in its bar");
  await site.look(page, "call-live");

  // Far down, a span is selected; the late turn comes above it, and the later ones are numbered anew. A turn that the
  // reader opened stays open under its new number.
  await rowNamed(page, /Turn 5[^0-9]/).locator(".fold").click();
  await until(async () => await rowNamed(page, /Turn 5[^0-9]/).getAttribute("aria-expanded") === "true", "turn 5 is open");
  const tool = rowNamed(page, "function_tool");
  await page.locator(".waterfall").evaluate((element) => element.scrollTo(0, 200));
  await tool.waitFor();
  await tool.click();
  await page.getByRole("complementary", { name: "About function_tool" }).waitFor();
  await page.locator(".waterfall").evaluate((element) => element.scrollTo(0, 200));
  await until(async () => await scrolled(page) === 200, "the place in the list");
  check(await tool.evaluate((row) => row === document.activeElement), "the row has the focus");
  await until(() => new URL(page.url()).searchParams.has("span"), "the address names it");
  const before = { count: await rowCount(page), top: await topOf(page, "function_tool"), url: page.url() };
  await send(turn(4));
  await until(async () => await rowCount(page) > before.count, "the late turn is there without a reload");
  await until(async () => await topOf(page, "function_tool") === before.top, "the row stays where it is");
  equal(await scrolled(page) - 200, 32, "the list went on by the new turn's height");
  equal(await rowNamed(page, /Turn 6[^0-9]/).getAttribute("aria-expanded"), "true", "the turn that was opened is open");
  equal(await tool.getAttribute("aria-selected"), "true", "it is still selected");
  check(await tool.evaluate((row) => row === document.activeElement), "it still has the focus");
  equal(await page.getByRole("complementary", { name: "About function_tool" }).count(), 1, "its panel is still open");
  equal(new URL(page.url()).searchParams.get("span"), new URL(before.url).searchParams.get("span"), "so is its address");

  // Nor does the axis move: there is room for what comes until a round time.
  const places = async () => JSON.stringify(await page.locator(".tick").evaluateAll((list) => list.map((one) => [one.textContent, one.style.left])));
  const axis = await places();
  const known = await rowCount(page);
  await send([span("late_check", { at: 118_000, ms: 6000, parent: root.id })]);
  await until(async () => await rowCount(page) > known, "a span that ends later than all before it");
  equal(await places(), axis, "the marks of the axis stand still");

  // A second trace is linked while the page is open; its parent comes last.
  const parent = newSpanId();
  const second = newTraceId();
  const child = span("charge_card", { at: 70_000, ms: 800, parent });
  await site.send([child], { traceId: second, start, resource: { "service.name": "billing", "roark.external_id": "live-1" } });
  await page.getByText("2 traces").waitFor();
  await page.locator(".waterfall").evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await rowNamed(page, "billing, root not received yet").waitFor();
  const missing = rowNamed(page, "Parent not received");
  await missing.waitFor();
  check(await missing.locator(".extent.dashed").count() === 1, "what is made up is dashed");
  equal(await rowNamed(page, "charge_card").getAttribute("aria-level"), String(Number(await missing.getAttribute("aria-level")) + 1), "the orphan stands below it");
  await missing.click();
  await page.getByRole("complementary", { name: "About Parent not received" }).getByText(parent).waitFor();
  await site.send([span("checkout", { at: 69_900, ms: 1000, id: parent })], { traceId: second, start, resource: { "service.name": "billing", "roark.external_id": "live-1" } });
  await missing.waitFor({ state: "detached" });
  const checkout = page.locator(`.wrow[data-key="${parent}"]`);
  await checkout.filter({ hasText: "checkout" }).waitFor();
  equal(await checkout.getAttribute("aria-selected"), "true", "the parent takes the place of its row, selected as it was");
  await page.getByRole("complementary", { name: "About checkout" }).waitFor();

  // The root ends.
  await page.locator(".waterfall").evaluate((element) => element.scrollTo(0, 0));
  const ended = page.locator(`.wrow[data-key="${root.id}"]`);
  await ended.waitFor();
  check((await ended.locator(".cell-duration").textContent()).startsWith("> "), "the root is still open");
  await send([{ ...root, ms: 100_000 }]);
  await until(async () => await ended.locator(".cell-duration").textContent() === "1 min 40 s", "it has its length");
  check(!/open/.test(await ended.locator(".cell-time").textContent()) && await ended.locator(".bar.open").count() === 0, "the open mark is gone");
  check(await page.evaluate(() => globalThis.isSamePage === true), "all this without a reload");

  // What came piece by piece is what a reader who comes now sees.
  const rows = async (of) => {
    await of.locator(".waterfall").evaluate((element) => element.scrollTo(0, 0));
    await of.getByLabel("Grouping").focus();
    const told = [];
    for (let seen = -1; seen !== told.length;) {
      seen = told.length;
      for (const [key, text] of await of.locator(".wrow").evaluateAll((list) => list.map((row) => [row.getAttribute("aria-rowindex"), row.textContent]))) if (!told.some(([one]) => one === key)) told.push([key, text]);
      await of.locator(".waterfall").evaluate((element) => element.scrollBy(0, 300));
      await of.waitForTimeout(60);
    }
    return told.sort(([a], [b]) => a - b).map(([, text]) => text);
  };
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.getByRole("treegrid").waitFor();
  await until(async () => await rowCount(other) === await rowCount(page), "as many rows");
  const [mine, theirs] = [await rows(page), await rows(other)];
  check(mine.length > 20, "there are rows to compare");
  equal(mine.map((text) => text.replace(/> .*?[ms] /, "> ").replace("selected inside", "")), theirs.map((text) => text.replace(/> .*?[ms] /, "> ").replace("selected inside", "")), "the same rows");
}
