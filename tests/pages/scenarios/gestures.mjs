// The window in time by mouse, wheel, fingers and sliders; the rows, the panel and the strip by F6 and the arrow keys.
import { check, equal, until } from "../site.mjs";
import { livekitSpans, nowNs } from "../otlp.mjs";

const MS = 1_000_000n;
const rowNamed = (page, text) => page.getByRole("treegrid").getByRole("row").filter({ hasText: text });
const parameter = (page, name) => new URL(page.url()).searchParams.get(name);
const windowOf = (page) => parameter(page, "win")?.match(/^(-?\d+)-(-?\d+)$/).slice(1).map(Number) ?? null;
const near = (got, wanted, by) => Math.abs(got - wanted) <= by;
const widthOf = ([from, to]) => to - from;

async function whole(page) {
  await page.getByRole("button", { name: "Fit", exact: true }).click();
  await until(() => windowOf(page) === null, "the whole call");
}

/** The ruler's box, and the time of a share of it while all is shown: the axis has a hundredth on either side. */
async function timeline(page, length) {
  const box = await page.locator(".ruler-time").boundingBox();
  return { box, x: (share) => box.x + share * box.width, y: box.y + 60, time: (share) => -length / 100 + share * length * 1.02 };
}

async function drags(page, length) {
  const { x, y, time } = await timeline(page, length);
  await page.mouse.move(x(0.25), y);
  await page.mouse.down();
  await page.mouse.move(x(0.4), y);
  await page.mouse.move(x(0.5), y);
  check(await page.locator(".over-time .selection").count() === 1, "what is being selected is seen");
  check(/^\d:\d\d(\.\d)?, \d\d:\d\d:\d\d$/.test(await page.locator(".pointer-label").textContent()), `offset and clock follow the pointer: ${await page.locator(".pointer-label").textContent()}`);
  check(near((await page.locator(".pointer-line").boundingBox()).x, x(0.5), 2), "a line stands under it");
  await page.mouse.up();
  const dragged = await until(() => windowOf(page), "the window is what was dragged");
  check(near(dragged[0], time(0.25), length / 100) && near(dragged[1], time(0.5), length / 100), `from ${dragged}`);
  equal(await page.locator(".over-time .selection").count(), 0, "nothing is selected any more");
  equal([parameter(page, "span"), parameter(page, "turn"), await page.getByRole("complementary").count()], [null, null, 0], "the click that the drag ends in chooses no row");
  await page.locator(".ruler").dblclick({ position: { x: 500, y: 14 } });
  await until(() => windowOf(page) === null, "a double click on the ruler fits all");
  // Given up; too short to be one.
  await page.mouse.move(x(0.25), y);
  await page.mouse.down();
  await page.mouse.move(x(0.6), y);
  await page.keyboard.press("Escape");
  await page.mouse.up();
  await page.mouse.move(x(0.25), y);
  await page.mouse.down();
  await page.mouse.move(x(0.25) + 3, y);
  await page.mouse.up();
  await page.waitForTimeout(400);
  equal(windowOf(page), null, "Escape cancels, and 3 px are a click");
}

async function wheels(page, length) {
  const { x, y, time } = await timeline(page, length);
  await page.mouse.move(x(0.75), y);
  await page.keyboard.down("Control");
  for (let i = 0; i < 4; i++) await page.mouse.wheel(0, -100);
  await page.keyboard.up("Control");
  const zoomed = await until(() => windowOf(page), "nearer by the wheel");
  await until(() => near(widthOf(windowOf(page)), length * 1.02 / 1.2 ** 4, length / 50), `by 1.2 each: ${windowOf(page)}`);
  const now = windowOf(page);
  check(near(now[0] + widthOf(now) * 0.75, time(0.75), length / 50), `what is under the pointer stays: ${zoomed}`);
  await page.keyboard.down("Shift");
  await page.mouse.wheel(0, -200);
  await page.keyboard.up("Shift");
  await until(() => windowOf(page)[0] < now[0], "Shift and wheel move to the left");
  equal(await page.locator(".waterfall").evaluate((element) => element.scrollTop), 0, "the rows stay");
  check(await page.locator(".chevron.behind").count() > 0, "what leaves the window has a mark at its edge");
  await page.mouse.wheel(0, 150);
  await until(async () => await page.locator(".waterfall").evaluate((element) => element.scrollTop) > 0, "the wheel alone scrolls rows");
  await page.locator(".waterfall").evaluate((element) => element.scrollTo(0, 0));
  await whole(page);
  // Two fingers: what they hold apart grows. A page that is not touched by real ones is told of them.
  await page.locator(".waterfall").evaluate((element, [a, b, wide, y]) => {
    const finger = (type, id, clientX) => element.dispatchEvent(new PointerEvent(type, { pointerType: "touch", pointerId: id, clientX, clientY: y, bubbles: true }));
    finger("pointerdown", 1, a);
    finger("pointerdown", 2, b);
    finger("pointermove", 2, b + wide);
    finger("pointerup", 1, a);
    finger("pointerup", 2, b + wide);
    finger("pointerdown", 3, a);
    finger("pointermove", 3, b); // one alone does nothing
    finger("pointerup", 3, b);
  }, [x(0.4), x(0.5), x(0.5) - x(0.4), y]);
  const pinched = await until(() => windowOf(page), "two fingers zoom");
  check(near(widthOf(pinched), length * 1.02 / 2, length / 50), `to half: ${pinched}`);
  await whole(page);
}

async function edges(page, length) {
  const box = await page.locator(".minimap canvas").boundingBox();
  const at = (share) => box.x + share * box.width;
  const y = box.y + 20;
  const drag = async (from, to) => {
    await page.mouse.move(at(from), y);
    await page.mouse.down();
    await page.mouse.move(at((from + to) / 2), y);
    await page.mouse.move(at(to), y);
    await page.mouse.up();
  };
  const is = (share, of) => near(of, share * length, length / 50);
  await drag(0.2, 0.4);
  await until(() => windowOf(page) && is(0.2, windowOf(page)[0]) && is(0.4, windowOf(page)[1]), "a drag in the minimap is the window");
  await drag(0.3, 0.5);
  await until(() => is(0.4, windowOf(page)[0]) && is(0.6, windowOf(page)[1]), "inside it moves the window");
  await drag(0.6, 0.8);
  await until(() => is(0.4, windowOf(page)[0]) && is(0.8, windowOf(page)[1]), "its edge resizes it");
  const slider = page.getByRole("slider", { name: "Window begins" });
  await slider.focus();
  const before = windowOf(page)[0];
  await page.keyboard.press("ArrowRight");
  await until(() => windowOf(page)[0] > before, "the slider moves the begin");
  check(/^\d:\d\d/.test(await slider.getAttribute("aria-valuetext")), "it says its offset");
  await page.keyboard.press("Home");
  await until(() => near(windowOf(page)[0], 0, 10), "Home is the begin of the call");
  const end = page.getByRole("slider", { name: "Window ends" });
  await end.focus();
  await page.keyboard.press("PageDown");
  await until(() => windowOf(page)[1] < length * 0.75, "the other one the end, in long steps");
  await whole(page);
  // The divider: by mouse and keys, within its bounds, and remembered.
  const divider = page.getByRole("separator", { name: "Width of the names" });
  const place = await divider.boundingBox();
  await page.mouse.move(place.x + 4, place.y + 10);
  await page.mouse.down();
  await page.mouse.move(place.x + 104, place.y + 10);
  await page.mouse.up();
  equal(Number(await divider.getAttribute("aria-valuenow")), 460, "dragged by a hundred");
  equal(windowOf(page), null, "and nothing else");
  await divider.focus();
  for (let i = 0; i < 20; i++) await page.keyboard.press("ArrowLeft");
  equal(await divider.getAttribute("aria-valuenow"), "200", "no narrower than 200");
  await page.reload();
  await rowNamed(page, "Turn 12").waitFor();
  equal(await page.getByRole("separator", { name: "Width of the names" }).getAttribute("aria-valuenow"), "200", "remembered");
}

const area = (page) => page.evaluate(() => ["strip", "minimap", "rows", "panel"].find((name) => document.activeElement.closest(`.${name}`)) ?? "");

async function keys(page) {
  // F6 goes through what there is.
  await rowNamed(page, "Turn 12").click();
  await page.getByRole("complementary", { name: "About Turn 12" }).waitFor();
  equal(await area(page), "rows", "the row has the focus");
  const round = [];
  for (let i = 0; i < 4; i++) {
    await page.keyboard.press("F6");
    round.push(await area(page));
  }
  equal(round, ["panel", "strip", "minimap", "rows"], "F6 goes round");
  await page.keyboard.press("Shift+F6");
  equal(await area(page), "minimap", "Shift+F6 goes back");
  await page.keyboard.press("Shift+F6");
  check(await page.evaluate(() => document.activeElement.classList.contains("slowest")), "the strip is entered at the slowest turn");
  await page.keyboard.press("ArrowLeft");
  check((await page.evaluate(() => document.activeElement.getAttribute("aria-label"))).startsWith("Turn 11,"), "arrows go along it");
  await page.keyboard.press("End");
  check((await page.evaluate(() => document.activeElement.getAttribute("aria-label"))).startsWith("Turn 24,"), "to its end");
  await page.keyboard.press("Enter");
  await page.getByRole("complementary", { name: "About Turn 24" }).waitFor();
  await page.getByRole("button", { name: "Close" }).click();
  await whole(page);
  // Into the cells and back; a cell says when and how long.
  await rowNamed(page, "Turn 12").click();
  await page.keyboard.press("ArrowRight");
  await until(async () => (await page.evaluate(() => document.activeElement.getAttribute("role"))) === "rowheader", "an open row's first cell");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  check((await page.evaluate(() => document.activeElement.textContent)).includes("response time 3."), "the last tells the times");
  await page.keyboard.press("ArrowDown");
  await until(async () => (await page.evaluate(() => document.activeElement.textContent)).includes("User speech, starts at"), "the same cell of the next row");
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowLeft");
  await until(async () => (await page.evaluate(() => document.activeElement.getAttribute("role"))) === "row", "back to the row");
  // Centred first, fitted then.
  const fill = async () => { const bar = await rowNamed(page, "function_tool").locator(".bar").boundingBox(); const box = await page.locator(".ruler-time").boundingBox(); return [(bar.x + bar.width / 2 - box.x) / box.width, bar.width / box.width]; };
  await page.keyboard.press("w");
  await page.keyboard.press("w");
  await page.keyboard.press("w");
  await until(() => windowOf(page) !== null, "nearer");
  await rowNamed(page, "function_tool").click();
  await page.keyboard.press("f");
  await until(async () => near((await fill())[0], 0.5, 0.02) && (await fill())[1] < 0.3, `centred: ${await fill()}`);
  await page.keyboard.press("f");
  await until(async () => (await fill())[1] > 0.8, "the second time it fills the window");
  await page.keyboard.press("0");
  await until(() => windowOf(page) === null, "0 is the whole call");
}

async function folds(page) {
  await rowNamed(page, "function_tool").click();
  const panel = page.getByRole("complementary", { name: "About function_tool" });
  await panel.waitFor();
  await rowNamed(page, "agent_turn").first().locator(".fold").click();
  await rowNamed(page, "function_tool").waitFor({ state: "detached" });
  check((await rowNamed(page, "agent_turn").first().textContent()).includes("selected inside"), "the row that hides it says so");
  await panel.getByText("TimeoutError", { exact: true }).waitFor();
  check(parameter(page, "span") !== null, "the selection stays in the address");
  await panel.getByRole("button", { name: "Parent" }).click();
  await page.getByRole("complementary", { name: "About agent_turn" }).waitFor();
  equal(await page.getByText("selected inside").count(), 0, "now the row itself is selected");
  // What a search finds in folded rows is counted on them; only matches shows them all the same.
  const box = page.getByRole("searchbox", { name: "Search spans and values" });
  await box.fill("function_tool");
  await until(async () => /1 matches inside/.test(await rowNamed(page, "agent_turn").first().textContent()), "the folded row counts its match");
  await page.getByLabel("Only matches").check();
  await rowNamed(page, "function_tool").waitFor();
  await box.fill("agent"); // the service
  await until(async () => Number(await page.getByRole("treegrid").getAttribute("aria-rowcount")) > 100, "a service is found as well");
  await box.fill("");
  // As sent: no made rows, and none of them counted as a span.
  await page.getByLabel("Grouping").selectOption("sent");
  await until(() => parameter(page, "raw") === "1", "the address says so");
  equal(await rowNamed(page, /^.?Turn \d/).count(), 0, "no turns");
  await page.locator(".column").nth(11).click();
  await page.getByRole("complementary", { name: "About user_turn" }).waitFor();
  await page.reload();
  await rowNamed(page, "user_turn").first().waitFor();
  equal(await page.getByLabel("Grouping").inputValue(), "sent", "a reload keeps it");
  await page.getByLabel("Grouping").selectOption("turn");
  await rowNamed(page, "Turn 12").waitFor();
  // Folding is kept while the pages live: by another way back to the call it is as it was.
  const key = await rowNamed(page, "user_turn").first().getAttribute("data-key");
  await page.locator(`.wrow[data-key="${key}"] .fold`).click();
  await until(() => parameter(page, "fold")?.includes(key.slice(0, 8)), "the address holds what is folded");
  const here = new URL(page.url()).pathname;
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Calls" }).click();
  await page.locator(`a[href^="${here}"]`).first().click();
  await page.locator(".column.slowest").waitFor();
  await until(() => parameter(page, "fold")?.includes(key.slice(0, 8)), "it is folded as before");
}

export default async function (site) {
  const start = nowNs() - 300_000n * MS;
  const length = 168_000;
  const call = await site.call({ livekitRoomId: "RM_gestures", startedAt: new Date(Number(start / MS)).toISOString(), endedAt: new Date(Number(start / MS) + length).toISOString() });
  const trace = await site.send(livekitSpans(), { start, resource: { "telemetry.sdk.language": "python", "livekit.room.id": "RM_gestures" } });
  await site.linked(trace);
  const page = await site.page(`/calls/${call.id}`);
  await rowNamed(page, "Turn 12").waitFor();
  await drags(page, length);
  await wheels(page, length);
  await edges(page, length);
  await keys(page);
  await folds(page);
}
