// A trace that is watched while its spans arrive: what came below the view is a button, and Follow keeps the end in view.
import { check, equal, until } from "../site.mjs";
import { newTraceId, nowNs, span } from "../otlp.mjs";

const rowNamed = (page, text) => page.getByRole("treegrid").getByRole("row").filter({ hasText: text });
const scrolled = (page) => page.locator(".waterfall").evaluate((element) => element.scrollTop);
const isAtEnd = (page) => page.locator(".waterfall").evaluate((element) => element.scrollHeight - element.clientHeight - element.scrollTop < 2);

export default async function (site) {
  const start = nowNs() - 30_000_000_000n;
  const traceId = newTraceId();
  const root = span("import_all", { ms: null });
  const steps = (from, to) => Array.from({ length: to - from }, (_, i) => span(`step ${from + i}`, { at: 10 * (from + i), ms: 8, parent: root.id }));
  const send = (spans) => site.send(spans, { traceId, start });
  await send([root, ...steps(0, 50)]);
  const asked = [];
  const page = await site.page(`/traces/${traceId}`, { before: (one) => one.on("request", (request) => { if (/\/timeline/.test(request.url())) asked.push(request.url()); }) });
  await rowNamed(page, "step 0").first().waitFor();
  equal(await page.getByRole("button", { name: /new span/ }).count(), 0, "nothing is new at first");
  check(/, open/.test(await rowNamed(page, "import_all").locator(".cell-time").textContent()), "the root is open");

  await send(steps(50, 64));
  const below = page.getByRole("button", { name: "14 new spans below" });
  await below.waitFor();
  equal(await scrolled(page), 0, "the rows stay");
  await site.look(page, "trace-live");
  await page.getByRole("button", { name: /^14 new spans below$/ }).click();
  await rowNamed(page, "step 50").waitFor();
  await until(async () => await page.getByRole("button", { name: /new span/ }).count() === 0, "seen, they are no longer new");

  // Follow, until the reader scrolls.
  const follow = page.getByRole("button", { name: "Follow" });
  await follow.click();
  equal(await follow.getAttribute("aria-pressed"), "true", "it follows");
  await send(steps(64, 100));
  await rowNamed(page, "step 99").waitFor();
  await until(() => isAtEnd(page), "the end is in view");
  equal(await page.getByRole("button", { name: /new span/ }).count(), 0, "nothing is below it");
  await page.locator(".waterfall").hover();
  await page.mouse.wheel(0, -900);
  await until(async () => await follow.getAttribute("aria-pressed") === "false", "scrolling ends it");
  const place = await scrolled(page);
  await send(steps(100, 103));
  await page.getByRole("button", { name: "3 new spans below" }).waitFor();
  equal(await scrolled(page), place, "the rows stay again");
  await until(async () => /\d+ spans added/.test(await page.locator('[aria-live="polite"]').textContent()), "and it is said");
  check(asked.length > 3 && asked.slice(1).every((url) => /\?since=\d+$/.test(url)), `after the first only what changed is read: ${asked.join(" ")}`);
}
