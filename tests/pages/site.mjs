// A site under test: its API as a program uses it, and its pages in Chromium.
import { chromium } from "playwright-core";
import { createRequire } from "node:module";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { exportOf, newTraceId, nowNs } from "./otlp.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
// For root and a machine without a network.
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--disable-dev-shm-usage"];
const WIDTHS = [1440, 1024, 390];

export function check(isTrue, what) {
  if (!isTrue) throw new Error(what);
}

export function equal(got, wanted, what) {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) throw new Error(`${what}: got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
}

export async function until(ask, what, ms = 10_000) {
  const end = Date.now() + ms;
  let last;
  for (;;) {
    try {
      last = await ask();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}; last: ${last}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

export class Site {
  constructor(options, browser) {
    Object.assign(this, options); // base, key, project, chromium, shots
    this.browser = browser;
    this.troubles = [];
    this.allowed = [];
  }

  static async open(options) {
    const browser = await chromium.launch({ executablePath: options.chromium, args: FLAGS });
    const site = new Site(options, browser);
    site.api = await (await browser.newContext({ ignoreHTTPSErrors: true })).request;
    return site;
  }

  async close() {
    await this.browser.close();
    await this.larger?.close();
    check(this.troubles.length === 0, `the pages complained:\n${this.troubles.join("\n")}`);
  }

  // --- the API ---

  async ask(method, path, body, key = this.key) {
    const answer = await this.api.fetch(this.base + path, { method, headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { data: JSON.stringify(body) }) });
    const text = await answer.text();
    check(answer.ok(), `${method} ${path}: ${answer.status()} ${text}`);
    return text ? JSON.parse(text) : {};
  }

  /** Sends spans and waits until they can be read. */
  async send(spans, { resource = {}, traceId = newTraceId(), start = nowNs(), key, scope } = {}) {
    await this.ask("POST", "/v1/traces", exportOf(traceId, start, resource, spans, scope), key);
    await until(async () => (await this.api.fetch(`${this.base}/v1/traces/${traceId}`, { headers: { Authorization: `Bearer ${this.key}` } })).ok(), "the trace to be read");
    return traceId;
  }

  async call(fields = {}) {
    return (await this.ask("POST", "/v1/call", { startedAt: new Date().toISOString(), ...fields })).data;
  }

  async linked(traceId) {
    await until(async () => (await this.ask("GET", `/v1/links?trace=${traceId}`)).data.length > 0, "the link");
  }

  // --- the pages ---

  /** What the console says fails the test; `allow` names what a scenario provokes. */
  allow(pattern) {
    this.allowed.push(pattern);
  }

  #watch(page) {
    const trouble = (text) => { if (!this.allowed.some((pattern) => pattern.test(text))) this.troubles.push(text); };
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") trouble(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
    page.on("pageerror", (error) => trouble(`uncaught: ${error.stack ?? error}`));
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(this.base) && !/^(data|blob):/.test(url)) trouble(`a request to another host: ${url}`);
    });
    page.on("dialog", (dialog) => { trouble(`a dialog: ${dialog.message()}`); void dialog.dismiss(); });
  }

  /** A page of a reader's own, at an address, signed in or not. `before` gets it before its first request; `isLarge` is
   * in a browser whose reader chose text of twice the size. */
  async page(path, { key = this.key, width = 1440, zone = "Europe/Berlin", isTouched = false, isLarge = false, before = async () => {} } = {}) {
    if (isLarge) this.larger ??= await chromium.launch({ executablePath: this.chromium, args: [...FLAGS, "--blink-settings=defaultFontSize=32"] });
    const context = await (isLarge ? this.larger : this.browser).newContext({ ignoreHTTPSErrors: true, viewport: { width, height: 900 }, timezoneId: zone, locale: "en-GB", hasTouch: isTouched, isMobile: isTouched,
      permissions: ["clipboard-read", "clipboard-write"] });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    this.#watch(page);
    if (key) {
      const answer = await context.request.post(`${this.base}/v1/session`, { headers: { Authorization: `Bearer ${key}` } });
      check(answer.ok(), `sign in: ${answer.status()}`);
    }
    await before(page);
    await page.goto(this.base + path);
    return page;
  }

  /** No violation that axe-core knows of, in both themes, wide and narrow, and a picture of each for people. */
  async look(page, name) {
    await mkdir(this.shots, { recursive: true });
    const axe = await readFile(AXE, "utf8");
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        await page.evaluate(() => scrollTo(0, 0));
        await page.waitForTimeout(150);
        await page.screenshot({ path: join(this.shots, `${name}-${scheme}-${width}.png`), fullPage: true });
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        check(overflow <= 0, `${name} at ${width} is ${overflow} px wider than its window`);
        if (width !== 1024) await this.#axe(page, axe, `${name}, ${scheme}, ${width}`);
      }
    }
    await page.setViewportSize({ width: 320, height: 900 });
    await page.waitForTimeout(100);
    check(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), `${name} is wider than 320 px`);
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 1440, height: 900 });
  }

  async #axe(page, source, where) {
    // The second document of axe would need a frame, which the policy forbids; there is none to look into.
    await page.evaluate(`${source}; undefined`);
    const violations = await page.evaluate(async () => {
      const result = await globalThis.axe.run(document, { iframes: false, resultTypes: ["violations"] });
      return result.violations.map((one) => `${one.id}: ${one.help}\n    ${one.nodes.slice(0, 4).map((node) => `${node.target.join(" ")} ${node.any.concat(node.all, node.none).map((c) => c.message).join("; ")}`).join("\n    ")}`);
    });
    check(violations.length === 0, `axe-core, ${where}:\n${violations.join("\n")}`);
  }
}
