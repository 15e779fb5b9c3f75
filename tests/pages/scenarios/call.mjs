// A call with three traces: the slow turn is named before anyone scrolls, and the keyboard alone leads to its failing tool.
import { check, equal, until } from "../site.mjs";
import { livekitSpans, nowNs, span } from "../otlp.mjs";

const MS = 1_000_000n;
const PYTHON = { "telemetry.sdk.language": "python" };
const rowNamed = (page, text) => page.getByRole("treegrid").getByRole("row").filter({ hasText: text });
const focused = (page) => page.evaluate(() => document.activeElement === document.body ? "" : document.activeElement?.textContent ?? "");
const windowOf = (page) => new URL(page.url()).searchParams.get("win");

/** Presses a key until the focus is where it should be. */
async function pressUntil(page, key, isThere, what, most = 80) {
  for (let i = 0; i < most; i++) {
    if (await page.evaluate(isThere)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`${what} is not reached with ${key}; the focus is on ${await focused(page)}`);
}

async function make(site) {
  const start = nowNs() - 180_000n * MS;
  const call = await site.call({ externalId: "order-5521", livekitRoomId: "RM_4tQ8mZw1eFgH", interfaceType: "PHONE", callDirection: "INBOUND",
    startedAt: new Date(Number(start / MS)).toISOString(), endedAt: new Date(Number(start / MS) + 169_000).toISOString() });
  const spans = livekitSpans();
  const voice = await site.send(spans, { start, resource: { ...PYTHON, "livekit.room.id": "RM_4tQ8mZw1eFgH" } });
  const order = span("GET /orders", { at: 79_900, ms: 1900, error: "504" });
  const orders = await site.send([order, span("select", { at: 80_000, ms: 1700, parent: order.id, values: { "roark.external_id": "order-5521" } })], { start, resource: { "service.name": "orders" } });
  const mail = await site.send([span("send_mail", { at: 150_000, ms: 900 })], { start, resource: { "service.name": "mail", "roark.external_id": "order-5521" } });
  for (const trace of [voice, orders, mail]) await site.linked(trace);
  return { call, voice, orders, mail, tool: spans.find((one) => one.name === "function_tool").id };
}

async function sees(page, { call }) {
  // Three traces on one axis, each saying how it was linked. Folded, the first leaves room for the others.
  await rowNamed(page, "A agent_session").waitFor();
  await rowNamed(page, "A agent_session").locator(".fold").click();
  for (const [name, kind] of [["A agent_session", "livekit"], ["B GET /orders", "external"], ["C send_mail", "external"]]) {
    await rowNamed(page, name).waitFor();
    check((await rowNamed(page, name).textContent()).includes(kind), `${name} says that ${kind} matched`);
  }
  equal(await rowNamed(page, "B GET /orders").getAttribute("aria-expanded"), "true", "a trace with an error is open");
  check(/1 errors inside/.test(await rowNamed(page, "A agent_session").textContent()), "the folded one counts its error");
  const left = async (name) => (await rowNamed(page, name).locator(".extent").first().boundingBox()).x;
  check(await left("A agent_session") < await left("B GET /orders") && await left("B GET /orders") < await left("C send_mail"), "they stand on one axis");
  await rowNamed(page, "A agent_session").locator(".fold").click();
  await page.getByText(/3 traces, \d+ spans/).waitFor();
  check((await page.locator(".call-head").textContent()).includes("2 errors"), "the head counts the errors of all traces");
  equal(new URL(page.url()).pathname, `/calls/${call.id}`, "the address is the call's");
  // The strip names the slow turn; it stands open, the others are folded.
  await page.getByText(/Slowest: turn 12, 3\.\d\d s, of it tools 1\.94 s/).waitFor();
  equal(await page.locator(".strip-column").count(), 24, "a column for each turn");
  const turn = rowNamed(page, "Turn 12");
  await turn.waitFor();
  equal(await turn.getAttribute("aria-expanded"), "true", "the slowest turn is open");
  equal(await rowNamed(page, /^.?Turn 11/).getAttribute("aria-expanded"), "false", "another is folded");
  check((await turn.locator(".cell-duration").textContent()).startsWith("3."), "its response time stands in its row");
  check(/end of turn 400 ms, LLM \d+ ms, tools 1\.94 s/.test(await turn.locator(".cell-time").textContent()), `its split is told: ${await turn.locator(".cell-time").textContent()}`);
  check(await rowNamed(page, /^.?Turn 11/).locator(".split").count() >= 4, "its split is drawn");
  // The parts of the split sum to the response time.
  await page.getByRole("button", { name: "Show as table" }).click();
  const cells = await page.locator(".strip tbody tr").nth(11).getByRole("cell").allTextContents();
  check(cells.includes("1.94 s") && cells.includes("400 ms"), `the table has the parts: ${cells}`);
  await page.getByRole("button", { name: "Show as strip" }).click();
  // An error is a mark and a word.
  check(/\u2715 error/.test(await rowNamed(page, "function_tool").textContent()), "the failing tool is marked");
}

async function walksByKeys(page, { call, voice, tool }) {
  await page.goto(new URL(`/calls/${call.id}`, page.url()).href);
  await rowNamed(page, "Turn 12").waitFor();
  await page.evaluate(() => { document.activeElement.blur(); });
  await pressUntil(page, "Tab", () => document.activeElement.textContent === "Skip to the page", "the way past the bar");
  await page.keyboard.press("Enter");
  await pressUntil(page, "Tab", () => document.activeElement.classList.contains("slowest"), "the slowest turn's column");
  check((await page.evaluate(() => document.activeElement.getAttribute("aria-label"))).startsWith("Turn 12, 3."), "the column says its turn and time");
  await page.keyboard.press("Enter");
  await page.getByRole("complementary", { name: "About Turn 12" }).waitFor();
  await until(() => windowOf(page), "the window fits the turn");
  equal(await rowNamed(page, "Turn 12").getAttribute("aria-selected"), "true", "the turn is selected");
  await pressUntil(page, "Tab", () => document.activeElement.getAttribute("role") === "row", "the rows");
  check((await focused(page)).includes("Turn 12"), "the rows are entered at the turn");
  // e leads to the error below, with the focus.
  await page.keyboard.press("e");
  await until(async () => (await focused(page)).includes("function_tool"), "the failing tool has the focus");
  await until(() => page.url().includes(`span=${tool}`), "the address names it");
  const panel = page.getByRole("complementary", { name: "About function_tool" });
  await panel.getByRole("group", { name: "Error" }).getByText("TimeoutError", { exact: true }).waitFor();
  // Into the panel and through its tabs, and back to the row.
  await pressUntil(page, "Tab", () => document.activeElement.getAttribute("role") === "tab" && document.activeElement.textContent.startsWith("Attributes"), "the tab of the attributes");
  await page.keyboard.press("Enter");
  await panel.getByText("lk.function_tool.arguments", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "detached" });
  await until(async () => (await focused(page)).includes("function_tool"), "closing leads back to the row");
  // Folding and opening; a folded row tells of the error inside it.
  await page.keyboard.press("ArrowLeft");
  await until(async () => (await focused(page)).includes("agent_turn"), "the parent");
  await page.keyboard.press("ArrowLeft");
  await rowNamed(page, "function_tool").waitFor({ state: "detached" });
  check((await rowNamed(page, "agent_turn").first().textContent()).includes("1 errors inside"), "the folded row tells of the error");
  await page.keyboard.press("ArrowRight");
  await rowNamed(page, "function_tool").waitFor();
  // The end is said, not wrapped around.
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await page.getByRole("complementary", { name: "About Trace C" }).or(page.getByRole("complementary", { name: "About send_mail" })).waitFor();
  await page.keyboard.press("e");
  await page.getByText("Last error").waitFor();
  // Zoom and all of it again.
  await page.keyboard.press("0");
  await until(() => windowOf(page) === null, "the whole call");
  await page.keyboard.press("w");
  await until(() => windowOf(page) !== null, "nearer");
  await page.keyboard.press("0");
  await until(() => windowOf(page) === null, "the whole call again");
  // Many rows away: the focus goes along, so that the next key works, too.
  await page.keyboard.press("Home");
  await page.keyboard.press("]");
  await page.keyboard.press("]");
  await until(async () => Number(await page.getByRole("treegrid").getAttribute("aria-rowcount")) > 150, "everything is open");
  await page.keyboard.press("e");
  await until(async () => (await focused(page)).includes("function_tool"), "the first error has the focus");
  await page.keyboard.press("e");
  await until(async () => (await focused(page)).includes("GET /orders"), "so has the second");
  check(page.url().includes(voice) === false, "the address stays the call's");
}

async function searches(page, { call, tool }) {
  await page.goto(new URL(`/calls/${call.id}`, page.url()).href);
  await rowNamed(page, "Turn 12").waitFor();
  equal(await rowNamed(page, "llm_node").count() > 0, true, "rows are there");
  const box = page.getByRole("searchbox", { name: "Search spans and values" });
  await box.fill("eou_det");
  const status = page.locator(".toolbar").getByRole("status").first();
  await until(async () => await status.textContent() === "0 of 24", "one in each turn");
  await box.press("Enter");
  await until(async () => await status.textContent() === "1 of 24", "the first");
  await page.getByRole("button", { name: "Next match" }).click();
  await until(async () => await status.textContent() === "2 of 24", "the second");
  equal(await page.locator('.wrow[aria-selected="true"] .hit').textContent(), "eou_detection", "it is selected and marked");
  await page.getByRole("button", { name: "Previous match" }).click();
  await until(async () => await status.textContent() === "1 of 24", "the first again");
  await page.getByLabel("Only matches").check();
  await until(async () => await rowNamed(page, "llm_node").count() === 0, "only matches");
  check(await rowNamed(page, "eou_detection").count() > 0, "the matches stay");
  await page.getByLabel("Only matches").uncheck();
  // A value that no name holds is found by the server.
  await box.fill("orders-7.internal");
  await until(async () => await status.textContent() === "0 of 1", "one by its value");
  await box.press("Enter");
  await until(() => page.url().includes(`span=${tool}`), "it is selected");
  // The address holds the search, the selection and the window.
  const other = await page.context().newPage();
  await other.goto(page.url());
  await until(async () => await other.getByRole("searchbox", { name: "Search spans and values" }).inputValue() === "orders-7.internal", "the copied address shows the same search");
  await other.getByRole("complementary", { name: "About function_tool" }).waitFor();
  await other.close();
  // Buttons do what the keys do.
  await box.fill("");
  await page.getByRole("button", { name: "Zoom in" }).click();
  await until(() => windowOf(page) !== null, "nearer");
  await page.getByRole("button", { name: "Fit", exact: true }).click();
  await until(() => windowOf(page) === null, "the whole call");
}

async function panels(site, page, { call, voice, tool }) {
  await page.goto(new URL(`/calls/${call.id}?span=${tool}`, page.url()).href);
  const panel = page.getByRole("complementary", { name: "About function_tool" });
  await panel.getByRole("group", { name: "Error" }).getByText("TimeoutError", { exact: true }).waitFor();
  check(/1\.94 s at 1:19\.9/.test(await panel.textContent()), `its length and place: ${(await panel.textContent()).slice(0, 120)}`);
  await panel.getByText("Stack, 13 lines").waitFor();
  await page.goto(new URL(`/calls/${call.id}?span=${tool}&win=77000-88000`, page.url()).href);
  await panel.getByRole("group", { name: "Error" }).getByText("TimeoutError", { exact: true }).waitFor();
  check(Number((await rowNamed(page, "function_tool").locator(".bar").boundingBox()).width) > 50, "the window of the address is shown");
  await site.look(page, "call-span");
  // A long value is folded and not in the page; copying takes all of it.
  const result = panel.locator("section").filter({ has: page.getByRole("heading", { name: "Result" }) });
  check(!(await result.textContent()).includes("orders-79.internal"), "the end of a long value is not in the page");
  await result.getByRole("button", { name: "Copy Result" }).click();
  check((await page.evaluate(() => navigator.clipboard.readText())).includes("orders-79.internal"), "it is copied whole");
  await result.getByRole("button", { name: /^Show all [\d,]+ characters$/ }).click();
  await result.getByText("orders-79.internal").waitFor();
  await panel.getByRole("tab", { name: /^Attributes 3$/ }).click();
  await panel.getByText("lk.function_tool.name", { exact: true }).waitFor();
  check((await panel.textContent()).includes("livekit.room.id"), "the resource's attributes stand below");
  await panel.getByRole("button", { name: "Copy lk.function_tool.name", exact: true }).click();
  equal(await page.evaluate(() => navigator.clipboard.readText()), "lookup_order", "a value is copied");
  await panel.getByRole("tab", { name: "Events 1" }).click();
  await panel.getByText("exception.stacktrace", { exact: true }).waitFor();
  await panel.getByRole("tab", { name: "Raw" }).click();
  await panel.getByText('"resourceSpans"').first().waitFor();
  const coming = page.waitForEvent("download");
  await panel.getByRole("link", { name: "Trace as JSON" }).click();
  const file = await coming;
  equal(file.suggestedFilename(), `${voice}.json`, "the download is named by its trace");
  // The LLM before it: the conversation, the tool's call with its result.
  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "detached" });
  await rowNamed(page, "llm_node").last().click();
  const llm = page.getByRole("complementary", { name: "About llm_node" });
  await llm.getByRole("tab", { name: "Conversation" }).click();
  for (const role of ["system", "user", "assistant"]) await llm.getByRole("heading", { name: role, exact: true }).first().waitFor();
  await llm.locator(".tool-card").getByText("lookup_order").waitFor();
  check((await llm.locator(".tool-card").textContent()).includes("timeout"), "the result stands with its call");
  await llm.getByRole("button", { name: /^Show all [\d,]+ characters$/ }).first().waitFor();
  await site.look(page, "call-conversation");
  // How a trace was linked, and by which span.
  await page.locator(".waterfall").evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await rowNamed(page, "B GET /orders").click();
  const trace = page.getByRole("complementary", { name: "About Trace B" });
  check(/external order-5521 on .*select/.test(await trace.textContent()), `the panel says what matched and where: ${await trace.textContent()}`);
}

export default async function (site) {
  const made = await make(site);
  const page = await site.page(`/calls/${made.call.id}`);
  await sees(page, made);
  await site.look(page, "call");
  await walksByKeys(page, made);
  await searches(page, made);
  await panels(site, page, made);
  await page.goto(`${site.base}/calls/${made.call.id}/details`);
  await until(async () => await page.locator("table.links tbody tr").count() === 3, "three links");
  // Each says on what its key was found.
  const links = page.locator("table.links");
  for (const [root, place] of [["agent_session", "livekit.room.id, on the resource"], ["GET /orders", "roark.external_id, on select"], ["send_mail", "roark.external_id, on the resource"]]) {
    await links.getByRole("row").filter({ hasText: root }).getByText(place).waitFor();
  }
  check(/^about .*, by its spans; no end was told$/.test(await page.locator(".fact").filter({ hasText: "Ended" }).locator("dd").textContent()), "no end was told, and that is said");
  await site.look(page, "call-details");
}
