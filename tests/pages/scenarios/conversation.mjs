// What an LLM was asked: long prompts folded, what is new in a request, tool calls with their spans, and all of it blank while a screen is shared.
import { check, equal, until } from "../site.mjs";
import { newSpanId, newTraceId, nowNs, span } from "../otlp.mjs";

const rowNamed = (page, text) => page.getByRole("treegrid").getByRole("row").filter({ hasText: text });
const SYSTEM = Array.from({ length: 12 }, (_, i) => `Rule ${i + 1}: be brief.`).join("\n");
const said = (n) => Array.from({ length: n }, (_, i) => ({ role: i % 2 ? "assistant" : "user", content: `sentence ${i + 1}` }));
const CALL = { role: "assistant", tool_calls: [{ id: "call_77", function: { name: "lookup_order", arguments: '{"id": 12345678901234567890, "broken": }' } }] };
const LOST = { role: "assistant", tool_calls: [{ id: "call_78", function: { name: "refund", arguments: "{}" } }] };

export default async function (site) {
  const start = nowNs() - 60_000_000_000n;
  const traceId = newTraceId();
  const root = span("agent_session", { ms: 20_000 });
  const llm = (at, messages) => span("llm_node", { at, ms: 500, parent: root.id, values: { "gen_ai.request.model": "gpt-4o", "lk.pii.chat_ctx": JSON.stringify({ items: messages }), "lk.pii.response.text": "Your order is on its way." } });
  const first = llm(1000, [{ role: "system", content: SYSTEM }, ...said(9)]);
  const second = llm(6000, [{ role: "system", content: SYSTEM }, ...said(9), CALL, { role: "tool", tool_call_id: "call_77", content: "shipped" }, LOST]);
  const tool = span("function_tool", { at: 4000, ms: 1940, parent: root.id, values: { "lk.function_tool.name": "lookup_order", "lk.function_tool.id": "call_77", "lk.pii.function_tool.output": "shipped to Secret Street" } });
  const other = span("function_tool", { at: 4100, ms: 10, parent: root.id, values: { "lk.function_tool.name": "other", "lk.function_tool.id": "call_770" } });
  const elsewhere = await site.send([span("retry_of", { ms: 10 })], { start });
  const linked = span("linked", { at: 8000, ms: 10, parent: root.id, links: [{ traceId, spanId: first.id }, { traceId: elsewhere, spanId: newSpanId() }], values: { "deep.value": "a needle in it" },
    events: [{ name: "cache miss", at: 8001, values: { "cache.key": "the other needle" } }] });
  await site.send([root, first, second, tool, other, linked, ...Array.from({ length: 40 }, (_, i) => span(`step ${i}`, { at: 9000 + i, ms: 1, parent: root.id }))], { start, traceId, resource: { "telemetry.sdk.language": "python" } });

  const page = await site.page(`/traces/${traceId}?span=${second.id}`);
  const panel = page.getByRole("complementary", { name: "About llm_node" });
  await panel.getByRole("tab", { name: "Conversation" }).click();
  const system = panel.locator(".message.role-system");
  await system.waitFor();
  equal((await system.locator("pre").textContent()).split("\n").length, 3, "system text is folded to three lines");
  await system.getByRole("button", { name: /^Show all \d+ characters$/ }).click();
  await system.getByText("Rule 12: be brief.").waitFor();
  await panel.getByRole("button", { name: "Show 7 earlier messages" }).waitFor();
  check(!(await panel.textContent()).includes("sentence 5"), "what is between is not in the page");
  await panel.getByText("new in this request").waitFor();
  const order = await panel.locator(".messages").first().evaluate((list) => [...list.children].map((one) => one.className || "more"));
  check(order.indexOf("new-rule") === order.indexOf("more") + 1, `the rule stands where it departs: ${order}`);
  await panel.getByRole("button", { name: "Show 7 earlier messages" }).click();
  await panel.getByText("sentence 5", { exact: true }).waitFor();
  // Tool calls: one with its result and its span, one with neither; broken JSON says where.
  const card = panel.locator(".tool-card").filter({ hasText: "lookup_order" });
  await card.getByText("shipped").waitFor();
  await card.getByText("Not valid JSON at character").waitFor();
  await card.getByText("12345678901234567890").waitFor();
  await card.getByText("1.94 s").waitFor();
  await panel.locator(".tool-card").filter({ hasText: "refund" }).getByText("No result in this request").waitFor();
  equal(await panel.locator(".tool-card").filter({ hasText: "refund" }).getByRole("button", { name: "Open span" }).count(), 0, "no span carries that id");
  // One message as it came.
  await system.getByRole("button", { name: "JSON" }).click();
  await system.getByText('"role": "system"').waitFor();
  await system.getByRole("button", { name: "JSON" }).click();
  await site.look(page, "conversation");
  await card.getByRole("button", { name: "Open span" }).click();
  await until(() => page.url().includes(`span=${tool.id}`), "the call leads to its span, not to one whose id is longer");

  // While a screen is shared: blank in every tab, and so it stays.
  const toolPanel = page.getByRole("complementary", { name: "About function_tool" });
  await toolPanel.getByText("Secret Street").waitFor();
  await toolPanel.getByRole("tab", { name: /^Attributes/ }).click();
  await toolPanel.getByText("sensitive", { exact: true }).first().waitFor();
  await toolPanel.getByLabel("Hide sensitive").check();
  for (const tab of ["Attributes 3", "Summary", "Raw"]) {
    await toolPanel.getByRole("tab", { name: tab }).click();
    if (tab === "Raw") await toolPanel.getByRole("button", { name: /^Show all/ }).click();
    await toolPanel.getByText("hidden").first().waitFor();
    check(!(await toolPanel.textContent()).includes("Secret Street"), `nothing of it in ${tab}`);
    check((await toolPanel.textContent()).includes("lookup_order"), `the rest is there in ${tab}`);
  }
  await page.reload();
  await toolPanel.getByText("hidden").first().waitFor();
  await rowNamed(page, "llm_node").first().click();
  await panel.getByRole("tab", { name: "Conversation" }).click();
  await panel.getByText("hidden", { exact: true }).waitFor();
  check(!(await panel.textContent()).includes("sentence"), "the conversation is blank as well");
  await panel.getByRole("tab", { name: /^Attributes/ }).click();
  await panel.getByLabel("Hide sensitive").uncheck();
  await panel.getByText("sentence 1").first().waitFor();

  // A search leads to the key that holds it, in the tab where it stands.
  const box = page.getByRole("searchbox", { name: "Search spans and values" });
  await box.fill("needle in");
  await until(async () => await page.locator(".toolbar").getByRole("status").first().textContent() === "0 of 1", "found by its value");
  await box.press("Enter");
  const found = page.getByRole("complementary", { name: "About linked" });
  await found.locator(".attribute.sought").getByText("deep.value").waitFor();
  check(await found.locator(".attribute.sought").evaluate((one) => { const a = one.getBoundingClientRect(); const b = one.closest(".panel").getBoundingClientRect(); return a.top >= b.top && a.bottom <= b.bottom; }), "it is in view");
  await box.fill("other needle");
  await until(async () => await page.locator(".toolbar").getByRole("status").first().textContent() === "1 of 1", "an event's value");
  await found.getByRole("tab", { name: "Events 1", selected: true }).waitFor();
  await found.locator(".attribute.sought").getByText("cache.key").waitFor();
  await box.fill("");

  // Links between spans: into this trace, and into another.
  await found.getByRole("tab", { name: "Links 2" }).click();
  equal(await found.getByRole("link", { name: "Open trace" }).getAttribute("href").then((href) => href.includes(elsewhere)), true, "the other trace");
  await found.getByRole("button", { name: "Open span" }).click();
  await until(() => page.url().includes(`span=${first.id}`), "the span that it names");
}
