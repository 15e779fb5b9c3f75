// By keyboard alone, from the list of calls to what made the slow turn slow; and from the explorer to a matching span.
import { check } from "../site.mjs";
import { livekitSpans, nowNs } from "../otlp.mjs";

const MS = 1_000_000n;

/** Presses a key until the focus is where it should be. */
async function pressUntil(page, key, isThere, what, most = 60) {
  for (let i = 0; i < most; i++) {
    if (await page.evaluate(isThere)) return;
    await page.keyboard.press(key);
  }
  const on = await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 200));
  throw new Error(`${what} is not reached with ${key}; the focus is on ${on}`);
}

/** From the page's begin, as after its loading. */
async function begin(page) {
  await page.evaluate(() => { document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute("tabindex"); });
}

export default async function (site) {
  const start = nowNs() - 180_000n * MS;
  const call = await site.call({ livekitRoomId: "RM_4tQ8mZw1eFgH", startedAt: new Date(Number(start / MS)).toISOString(), endedAt: new Date(Number(start / MS) + 169_000).toISOString() });
  await site.call({ externalId: "another" });
  const trace = await site.send(livekitSpans(), { start, resource: { "telemetry.sdk.language": "python", "livekit.room.id": "RM_4tQ8mZw1eFgH" } });
  await site.linked(trace);

  const page = await site.page("/calls");
  await page.getByRole("row").filter({ hasText: "RM_4tQ8mZw1eFgH" }).waitFor();
  await begin(page);
  await pressUntil(page, "Tab", () => document.activeElement.textContent === "Skip to the rows", "the way past the bar and the filters", 5);
  await page.keyboard.press("Enter");
  await pressUntil(page, "Tab", () => document.activeElement.closest("tr")?.textContent.includes("RM_4tQ8mZw1eFgH") ?? false, "the call's row", 8);
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/calls/${call.id}*`);
  await page.locator(".strip .slowest").waitFor();
  await pressUntil(page, "Tab", () => document.activeElement.classList.contains("slowest"), "the slowest turn");
  check((await page.evaluate(() => document.activeElement.getAttribute("aria-label"))).startsWith("Turn 12, 3."), "it says its number and time");
  await page.keyboard.press("Enter");
  await page.waitForURL(/[?&]turn=12(&|$)/);
  await page.goBack();
  await page.waitForURL(/\/calls\?.*from=/);

  // The explorer: a filter by typing, and Enter on a matching span opens the trace at it.
  await page.goto(`${site.base}/traces`);
  await page.locator(".results tbody tr").first().waitFor();
  await begin(page);
  await pressUntil(page, "Tab", () => document.activeElement.textContent === "Skip to the filters", "the way past the bar", 5);
  await page.keyboard.press("Enter");
  await pressUntil(page, "Tab", () => document.activeElement.id === "filter-input", "the filter", 3);
  for (const step of ["name", "is"]) {
    await page.keyboard.type(step);
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement.value === "");
  }
  await page.keyboard.type("function_tool");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/traces?nameIs=function_tool");
  await page.locator(".matched a").first().waitFor();
  await pressUntil(page, "Tab", () => document.activeElement.closest(".matched") !== null, "the matching span", 20);
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(`/traces/${trace}\\?span=[0-9a-f]{16}&q=function_tool`));
  await page.getByRole("heading", { level: 1, name: "agent_session" }).waitFor();
}
