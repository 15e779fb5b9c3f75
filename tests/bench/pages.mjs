// node pages.mjs < options.json: opens and scrolls the pages in Chromium as a reader does; figures go to stdout as JSON.
// Each run has a context of its own: an empty cache, nothing compiled.
import { text } from "node:stream/consumers";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { check, Site } from "../pages/site.mjs";

const options = JSON.parse(await text(process.stdin));
const ROWS_LEAST = 10; // of the waterfall, for it to be there
const SCROLL_PX_PER_S = 4000;
const TYPED = "gen_ai.request.model";

/** In the page: the time from the click to the end of the frame after so many elements came. */
function stopwatch([what, least]) {
  globalThis.interactive = new Promise((done) => {
    addEventListener("click", (click) => {
      const watch = new MutationObserver(() => {
        if (document.querySelectorAll(what).length < least) return;
        watch.disconnect();
        // A message that is sent within a frame arrives when the frame is done: laid out and painted.
        requestAnimationFrame(() => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => done(performance.now() - click.timeStamp);
          port2.postMessage(null);
        });
      });
      watch.observe(document.body, { childList: true, subtree: true });
    }, { capture: true, once: true });
  });
}

const rowCount = (page) => page.locator("[role=treegrid]").getAttribute("aria-rowcount").then(Number);

/** Runs `act` under Chromium's profiler when one is wanted. */
async function profiled(cdp, name, act) {
  if (!name) return await act();
  await cdp.send("Profiler.enable");
  await cdp.send("Profiler.start");
  const result = await act();
  const { profile } = await cdp.send("Profiler.stop");
  await writeFile(join(options.profile, `${name}.cpuprofile`), JSON.stringify(profile));
  return result;
}

/** From a list to a page with a waterfall, by a click on the row's link. */
async function open(site, list, target, profile) {
  const page = await site.page(list);
  const link = page.locator(`table.list a[href^="${target}"]`).first();
  await link.waitFor();
  // What the list itself still loads is no part of the opening.
  await page.waitForLoadState("load");
  await page.evaluate(stopwatch, [".waterfall .wrow", ROWS_LEAST]);
  const cdp = await page.context().newCDPSession(page);
  const interactiveMs = await profiled(cdp, profile, async () => {
    await link.click();
    return await page.evaluate(() => globalThis.interactive);
  });
  return { page, cdp, result: { interactiveMs, rows: await rowCount(page) } };
}

/** Turns the wheel over the waterfall at an even speed; the time stamp of every frame from its first move to its last. */
async function scroll(page, cdp, seconds, profile) {
  // In the processor's time of the main thread, which hardly depends on what else the machine does.
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  const used = async () => Object.fromEntries((await cdp.send("Performance.getMetrics")).metrics.map((one) => [one.name, one.value * 1000]));
  const box = await page.locator(".waterfall").boundingBox();
  await page.evaluate(() => {
    globalThis.frames = [];
    globalThis.moves = [];
    document.querySelector(".waterfall").addEventListener("scroll", () => globalThis.moves.push(performance.now()), { passive: true });
    globalThis.tasks = [0];
    new PerformanceObserver((list) => globalThis.tasks.push(...list.getEntries().map((one) => one.duration))).observe({ type: "longtask" });
    const step = (at) => { globalThis.frames.push(at); globalThis.stepping = requestAnimationFrame(step); };
    globalThis.stepping = requestAnimationFrame(step);
  });
  const before = await used();
  await profiled(cdp, profile, () => cdp.send("Input.synthesizeScrollGesture", {
    x: box.x + box.width / 2, y: Math.min(box.y + box.height / 2, 880), yDistance: -seconds * SCROLL_PX_PER_S, speed: SCROLL_PX_PER_S,
    gestureSourceType: "mouse", preventFling: true,
  }));
  const after = await used();
  const cpu = { allMs: after.TaskDuration - before.TaskDuration, scriptMs: after.ScriptDuration - before.ScriptDuration };
  const seen = await page.evaluate(() => {
    cancelAnimationFrame(globalThis.stepping);
    const [first, last] = [globalThis.moves[0], globalThis.moves.at(-1)];
    return { frames: globalThis.frames.filter((at) => at >= first && at <= last), pixels: document.querySelector(".waterfall").scrollTop,
      longestTaskMs: Math.max(...globalThis.tasks) };
  });
  return { ...seen, cpu, heapBytes: await heap(cdp) };
}

/** A span with the longest conversation: from the click on its row until the panel shows it. */
async function panel(page) {
  const row = page.locator(".waterfall .wrow").filter({ hasText: "llm_node" }).last();
  await row.waitFor();
  await page.evaluate(stopwatch, ["[role=complementary] [role=tabpanel] dd, aside [role=tabpanel] dd", 1]);
  await row.click();
  return await page.evaluate(() => globalThis.interactive);
}

/** What the page holds once nobody needs what is gone, in bytes. */
async function heap(cdp) {
  await cdp.send("HeapProfiler.collectGarbage");
  return (await cdp.send("Runtime.getHeapUsage")).usedSize;
}

/** What came over the wire for each file that is no answer of the API; `sum` says so far. */
async function weigh(page) {
  const cdp = await page.context().newCDPSession(page);
  const paths = new Map();
  const files = [];
  await cdp.send("Network.enable");
  cdp.on("Network.requestWillBeSent", ({ requestId, request }) => { paths.set(requestId, new URL(request.url).pathname); });
  cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const path = paths.get(requestId);
    if (path && !path.startsWith("/v1/")) files.push({ path, bytes: encodedDataLength });
  });
  return () => ({ files: [...files], bytes: files.reduce((sum, one) => sum + one.bytes, 0) });
}

async function weight(site) {
  let sum;
  const page = await site.page(`/calls/${options.call}`, { before: async (fresh) => { sum = await weigh(fresh); } });
  await page.locator(".waterfall .wrow").first().waitFor();
  await page.waitForTimeout(1000);
  const call = sum();
  await page.getByRole("link", { name: "Traces", exact: true }).click();
  await page.locator("table.results tbody tr").first().waitFor();
  await page.waitForTimeout(1000);
  const both = sum();
  check(call.files.length > 0 && both.files.length > call.files.length, "the explorer brings files of its own");
  await page.context().close();
  return { call, both };
}

/** Types into the explorer's filter: the time of each key from its press to the end of the frame that shows it. */
async function typed(site) {
  const page = await site.page("/traces");
  await page.locator("table.results tbody tr").first().waitFor();
  const box = page.getByRole("combobox", { name: "Add a filter" });
  await box.click();
  await page.evaluate(() => {
    globalThis.keys = [];
    addEventListener("keydown", (press) => requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => globalThis.keys.push(performance.now() - press.timeStamp);
      port2.postMessage(null);
    }), { capture: true });
  });
  await box.pressSequentially(TYPED, { delay: 120 }); // suggestions come in between
  await page.waitForTimeout(500);
  const keys = await page.evaluate(() => globalThis.keys);
  check(keys.length === TYPED.length, `each key is counted: ${keys.length}`);
  await page.context().close();
  return keys;
}

/** Both pages once; with `profile` the openings and the scrolling go into a profile each. */
async function once(site, profile) {
  const call = await open(site, "/calls", `/calls/${options.call}`, profile && "call-open");
  const panelMs = await panel(call.page);
  await call.page.context().close();
  const trace = await open(site, "/traces", `/traces/${options.trace}`, profile && "trace-open");
  const scrolled = await scroll(trace.page, trace.cdp, options.scrollSeconds, profile && "trace-scroll");
  check(scrolled.frames.length > 1, "the waterfall scrolls");
  await trace.page.context().close();
  return { keys: await typed(site), call: { ...call.result, panelMs }, trace: { ...trace.result, scroll: scrolled } };
}

const site = await Site.open(options);
try {
  const runs = [];
  for (let run = 0; run < options.runs; run++) runs.push(await once(site, false));
  const weighed = await weight(site);
  // The profiler costs time: its run does not count.
  if (options.profile) await once(site, true);
  console.log(JSON.stringify({ call: runs.map((one) => one.call), trace: runs.map((one) => one.trace), keys: runs.flatMap((one) => one.keys), weight: weighed, browser: site.browser.version() }));
} catch (error) {
  console.error(error.stack ?? error);
  if (site.troubles.length) console.error(site.troubles.join("\n"));
  await site.browser.close();
  process.exit(1);
}
await site.close();
