// The call page for other eyes: 100 turns in one view, twice the size, 320 px, the system's own colours, fingers.
import { check, equal, until } from "../site.mjs";
import { livekitSpans, nowNs } from "../otlp.mjs";

const MS = 1_000_000n;
const rowNamed = (page, text) => page.getByRole("treegrid").getByRole("row").filter({ hasText: text });
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
const boxes = (page, selector) => page.locator(selector).evaluateAll((list) => list.map((one) => { const { width, height } = one.getBoundingClientRect(); return { width, height, name: one.getAttribute("aria-label") ?? one.textContent }; }));

/** Every control that is seen is at least 24 px either way; the columns of the strip have their own rule. */
async function targets(page, least, what) {
  const small = (await boxes(page, "main :is(button, input, select):not(.column):not([aria-hidden])")).filter((one) => one.width > 1 && (one.width < least || one.height < least));
  const odd = small.filter((one) => !(one.width === 13 || one.width === 16)); // a check box: its label is the target
  equal(odd, [], `${what}: targets of at least ${least} px`);
}

export default async function (site) {
  const start = nowNs() - 1_000_000n * MS;
  const call = await site.call({ livekitRoomId: "RM_eyes", startedAt: new Date(Number(start / MS)).toISOString() });
  await site.linked(await site.send(livekitSpans({ turns: 100, slow: 96 }), { start, resource: { "telemetry.sdk.language": "python", "livekit.room.id": "RM_eyes" } }));
  const page = await site.page(`/calls/${call.id}`);
  await page.locator(".column.slowest").waitFor();

  // A hundred turns beside each other: the slow one is seen without scrolling, and is named.
  const columns = await boxes(page, ".column");
  equal(columns.length, 100, "a column for each turn");
  check(columns.every((one) => one.width >= 8 && one.width <= 40), `8 to 40 px wide: ${columns[0].width}`);
  check(await page.locator(".strip-body").evaluate((body) => body.scrollWidth <= body.clientWidth), "the strip does not scroll");
  check(await page.locator(".column.slowest").evaluate((one) => one.getBoundingClientRect().right <= innerWidth), "the slowest is in view");
  const numbers = (await page.locator(".column-number").allTextContents()).filter(Boolean);
  equal(numbers, ["10", "20", "30", "40", "50", "60", "70", "80", "90", "96", "100"], "every tenth number, and the slowest one's");
  await targets(page, 24, "mouse");
  check(await page.locator(".rows-area *").count() < 1500, "however many rows there are, few are in the page");
  await page.setViewportSize({ width: 1440, height: 700 });
  check(await page.locator(".slowest-sentence").evaluate((one) => one.getBoundingClientRect().bottom < 700), "the sentence is seen before anyone scrolls");

  // The table: sorted by any column, its foot has the ranks of each.
  await page.getByRole("button", { name: "Show as table" }).click();
  const first = () => page.locator(".strip tbody tr").first().getByRole("button").textContent();
  await page.getByRole("button", { name: "Tools", exact: true }).click();
  equal(await first(), "96", "the slow tool first");
  equal(await page.getByRole("columnheader", { name: "Tools", exact: true }).getAttribute("aria-sort"), "descending", "and said so");
  await page.getByRole("button", { name: "Starts" }).click();
  equal(await first(), "1", "by start");
  equal(await page.locator(".strip tfoot th").allTextContents(), ["Median", "p95", "Slowest"], "three feet");
  check((await page.locator(".strip tfoot tr").nth(2).getByRole("cell").allTextContents()).includes("1.94 s"), "the slowest tool stands at its foot");
  check((await page.locator(".strip tbody td[title*='of it in the wait'], .strip tbody td[title*='lk.response']").count()) > 0, "a stage's own figure and its attribute are told");
  await site.look(page, "strip-table");
  await page.getByRole("button", { name: "Show as strip" }).click();
  await site.look(page, "strip-100");

  // Twice the size is half the width; 320 px is four times it. Nothing is lost, and nothing goes beside the page.
  for (const [width, height] of [[720, 450], [640, 450], [320, 256]]) {
    await page.setViewportSize({ width, height });
    await page.waitForTimeout(150);
    check(await overflow(page) <= 0, `${width} px: the page is not wider`);
    for (const seen of [page.locator(".slowest-sentence"), page.locator(".slowest"), page.getByRole("searchbox", { name: "Search spans and values" }), page.getByRole("button", { name: "Fit", exact: true }),
      page.getByRole("slider", { name: "Window begins" }), rowNamed(page, "Turn 1").first()]) {
      await seen.scrollIntoViewIfNeeded();
      check(await seen.isVisible(), `${width} px: ${seen} is there`);
    }
    const names = await boxes(page, ".wrow .cell-name");
    check(names.every((one) => one.width >= 150), `${width} px: names have room`);
  }
  // Medium: the panel docks below and takes height from the rows; the row that was chosen stays in view.
  await page.setViewportSize({ width: 1024, height: 900 });
  await page.locator(".waterfall").evaluate((element) => element.scrollTo(0, 0));
  await page.getByRole("complementary").waitFor({ state: "detached" });
  const last = page.locator(".wrow.turn").filter({ hasText: /Turn 1[78]/ }).first();
  await last.click();
  await page.getByRole("complementary").waitFor();
  await until(() => last.evaluate((row) => { const a = row.getBoundingClientRect(); const b = row.closest(".waterfall").getBoundingClientRect(); return a.top >= b.top && a.bottom <= b.bottom; }), "the chosen row is in view");
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.waitForTimeout(100);
  await page.locator(".waterfall").evaluate((element) => element.scrollTo(0, 0));
  await last.click();
  await page.setViewportSize({ width: 1024, height: 900 });
  await until(() => last.evaluate((row) => { const a = row.getBoundingClientRect(); const b = row.closest(".waterfall").getBoundingClientRect(); return b.height < 500 && a.top >= b.top && a.bottom <= b.bottom; }), "also when the window becomes narrower");
  await page.getByRole("button", { name: "Close" }).click();
  // Narrow: the panel is a sheet with Back, and the list keeps its place.
  await page.setViewportSize({ width: 390, height: 800 });
  await page.locator(".waterfall").evaluate((element) => element.scrollTo(0, 600));
  await page.waitForTimeout(150);
  const place = await page.locator(".waterfall").evaluate((element) => element.scrollTop);
  const turn = page.locator(".wrow.turn").filter({ hasText: /Turn 1[4-7]/ }).first();
  await turn.click();
  const sheet = page.getByRole("complementary");
  await sheet.waitFor();
  equal(await sheet.evaluate((one) => { const box = one.getBoundingClientRect(); return [box.left, box.top, box.width, box.height]; }), [0, 0, 390, 800], "it covers the page");
  await sheet.getByRole("button", { name: "Back" }).click();
  await sheet.waitFor({ state: "detached" });
  equal(await page.locator(".waterfall").evaluate((element) => element.scrollTop), place, "the list is where it was");
  check(await turn.evaluate((row) => row === document.activeElement), "and so is the focus");

  // A reader whose browser sets text twice as large: all of it is, nothing is cut off, and nothing goes beside the page.
  const big = await site.page(`/calls/${call.id}?turn=96`, { isLarge: true, width: 1280 });
  await big.getByRole("complementary", { name: "About Turn 96" }).waitFor();
  equal(await big.evaluate(() => getComputedStyle(document.body).fontSize), "26px", "text is twice as large");
  check(await big.locator(".wrow.turn").first().evaluate((row) => row.offsetHeight) >= 64, "and rows are twice as high");
  const cramped = () => big.evaluate(() => [...document.querySelectorAll(".wrow .name, .cell-duration, .button, .tab, .select, .column-number, .tick, .chip, th, h1, h2, dt")]
    .filter((one) => one.offsetParent && (one.scrollHeight > one.clientHeight + 4 && getComputedStyle(one).overflowY !== "visible")).map((one) => one.textContent.slice(0, 40)));
  for (const path of [`/calls/${call.id}?turn=96`, `/calls/${call.id}/transcript`, `/calls/${call.id}/details`, "/calls", "/traces", "/unmatched", "/keys", "/setup"]) {
    await big.goto(site.base + path);
    await big.locator("h1").waitFor();
    for (const width of [1280, 640]) {
      await big.setViewportSize({ width, height: 900 });
      await big.waitForTimeout(150);
      check(await overflow(big) <= 0, `${path} at ${width} with large text is not wider than its window: ${await overflow(big)} px`);
      equal(await cramped(), [], `${path} at ${width}: nothing is cut off`);
    }
  }
  await big.context().close();

  // The system's colours: every shape has an edge, what is selected is seen, and nothing is told by colour alone.
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(`${site.base}/calls/${call.id}?turn=96`);
  await page.getByRole("complementary", { name: "About Turn 96" }).waitFor();
  await page.emulateMedia({ forcedColors: "active" });
  const edge = (selector) => page.locator(selector).first().evaluate((one) => getComputedStyle(one).borderTopWidth);
  for (const selector of [".bar", ".split", ".stack-part", ".swatch", ".shape"]) equal(await edge(selector), "1px", `${selector} has an edge`);
  check(await page.locator(".wrow.selected").first().evaluate((row) => getComputedStyle(row).outlineStyle === "solid"), "the selected row has one, too");
  await site.look(page, "call-forced-colors");
  await page.emulateMedia({ forcedColors: "none" });
  await page.emulateMedia({ contrast: "more" });
  equal(await page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue("--text-3").trim()), await page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue("--text").trim()), "more contrast has no grey text");
  await page.close();

  // Fingers: rows and targets are higher, columns wide enough, and the slow one is scrolled to.
  const touched = await site.page(`/calls/${call.id}`, { isTouched: true, width: 1024 });
  await touched.locator(".column.slowest").waitFor();
  const wide = await boxes(touched, ".column");
  check(wide.every((one) => one.width >= 24), `a finger's column is 24 px wide: ${wide[0].width}`);
  await until(() => touched.locator(".column.slowest").evaluate((one) => { const a = one.getBoundingClientRect(); const b = one.closest(".strip-body").getBoundingClientRect(); return a.left >= b.left && a.right <= b.right; }), "the slowest is in view");
  equal(await touched.locator(".wrow.span").first().evaluate((row) => row.getBoundingClientRect().height), 44, "a row is 44 px high");
  // Two real fingers on the rows zoom, one scrolls.
  const box = await touched.locator(".ruler-time").boundingBox();
  const y = box.y + 100;
  const cdp = await touched.context().newCDPSession(touched);
  const touch = (type, ...points) => cdp.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([id, x, at = y]) => ({ id, x: box.x + x * box.width, y: at })) });
  await touch("touchStart", [0, 0.4], [1, 0.6]);
  for (const apart of [0.12, 0.16, 0.2]) await touch("touchMove", [0, 0.5 - apart], [1, 0.5 + apart]);
  await touch("touchEnd");
  const win = await until(() => new URL(touched.url()).searchParams.get("win"), "two fingers zoom");
  const [from, to] = win.split("-").map(Number);
  check(Math.abs((to - from) - 700_000 * 1.02 / 2) < 60_000, `to half: ${win}`);
  await touch("touchStart", [0, 0.5, y + 200]);
  for (const at of [150, 100, 50, 0]) await touch("touchMove", [0, 0.5, y + at]);
  await touch("touchEnd");
  await until(() => touched.locator(".waterfall").evaluate((element) => element.scrollTop > 0), "one finger scrolls");
  equal(new URL(touched.url()).searchParams.get("win"), win, "and does not zoom");
  await touched.close();
}
