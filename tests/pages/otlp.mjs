// OTLP/JSON as an exporter sends it.
import { randomBytes } from "node:crypto";

export const newTraceId = () => randomBytes(16).toString("hex");
export const newSpanId = () => randomBytes(8).toString("hex");
const MS = 1_000_000n;
export const nowNs = () => BigInt(Date.now()) * MS;

const any = (value) => typeof value === "string" ? { stringValue: value } : typeof value === "boolean" ? { boolValue: value }
  : Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
const attributes = (values) => Object.entries(values).map(([key, value]) => ({ key, value: any(value) }));

/** A span; `at` in milliseconds from the trace's start, `ms` long; `ms: null` has not ended. Events are { name, at, values },
 * links { traceId, spanId }. */
export const span = (name, { at = 0, ms = 100, parent, id = newSpanId(), values = {}, error, events = [], links = [] } = {}) => ({ name, at, ms, parent, id, values, error, events, links });

/** The body of an export: one resource, one scope, spans of one trace. */
export function exportOf(traceId, startNs, resource, spans, scope = "tests") {
  return { resourceSpans: [{
    resource: { attributes: attributes({ "service.name": "agent", ...resource }) },
    scopeSpans: [{ scope: { name: scope }, spans: spans.map((one) => ({
      traceId, spanId: one.id, ...(one.parent ? { parentSpanId: one.parent } : {}), name: one.name, kind: 1,
      startTimeUnixNano: String(startNs + BigInt(one.at) * MS), endTimeUnixNano: one.ms === null ? "0" : String(startNs + BigInt(one.at + one.ms) * MS),
      attributes: attributes(one.values), events: one.events.map((event) => ({ name: event.name, timeUnixNano: String(startNs + BigInt(event.at) * MS), attributes: attributes(event.values) })),
      ...(one.links.length ? { links: one.links } : {}), ...(one.error ? { status: { code: 2, message: one.error } } : {}),
    })) }],
  }] };
}

/** A voice call's trace: session, turns, each with its LLM and TTS. */
export function voiceSpans({ turns = 3, model = "gpt-4o", failing = 0 } = {}) {
  const root = span("agent_session", { ms: turns * 4000 });
  const spans = [root];
  for (let turn = 0; turn < turns; turn++) {
    const at = turn * 4000;
    const agent = span("agent_turn", { at: at + 1500, ms: 2000, parent: root.id });
    spans.push(span("user_turn", { at, ms: 1500, parent: root.id, values: { "lk.user_transcript": `question ${turn + 1}` } }), agent,
      span("llm_node", { at: at + 1500, ms: 600, parent: agent.id, values: { "gen_ai.request.model": model, "gen_ai.usage.input_tokens": 100 * (turn + 1) },
        ...(turn < failing ? { error: "timeout" } : {}) }),
      span("tts_node", { at: at + 2100, ms: 500, parent: agent.id, values: { "lk.response.text": `answer ${turn + 1}` } }));
  }
  return spans;
}

const SAID = ["hello, I have a question about an order", "what about the refund?", "and when does it come?", "no, the other address", "can you say that again?",
  "yes, that is right", "how much is it in all?", "please send it by mail", "is there a cheaper one?", "thank you, one more thing"];
const SYSTEM = "You are the voice of a shop. Answer in one or two short sentences. Never read an address aloud without being asked. ".repeat(30);
const STACK = ["TimeoutError: no answer from the order service", ...Array.from({ length: 12 }, (_, i) => `    at step${i} (orders.js:${100 + i}:7)`)].join("\n");

/** One turn as LiveKit tells it: what the user said, and the answer with its LLM, TTS and, when it is slow, a tool that fails. */
export function spokenTurn(root, number, { at, isSlow = false, said = SAID[(number - 1) % SAID.length], model = "gpt-4o" }) {
  const user = span("user_turn", { at, ms: 2000, parent: root, values: { "lk.user_transcript": said, "lk.end_of_turn_delay": 0.4 } });
  const heard = at + 2000;
  const ttft = 260 + number * 137 % 330;
  const tool = isSlow ? 1940 : 0;
  const voice = heard + ttft + 90 + number * 71 % 80 + (isSlow ? 400 + tool : 0);
  const agent = span("agent_turn", { at: heard, ms: voice + 2400 - heard, parent: root, values: { "lk.speech_id": `speech_${number}`, "lk.response.text": `Answer ${number}: I have noted it.` } });
  const messages = [{ role: "system", content: SYSTEM }, { role: "user", content: said },
    ...(isSlow ? [{ role: "assistant", tool_calls: [{ id: "c1", function: { name: "lookup_order", arguments: '{"id": "5521"}' } }] }, { role: "tool", tool_call_id: "c1", content: "timeout" }] : [])];
  const llm = (from, ms, wait) => span("llm_node", { at: from, ms, parent: agent.id, values: { "gen_ai.request.model": model, "lk.response.ttft": wait / 1000,
    "gen_ai.usage.input_tokens": 900 + 40 * number, "gen_ai.usage.output_tokens": 32, "gen_ai.input.messages": JSON.stringify(messages), "lk.response.text": `Answer ${number}: I have noted it.` } });
  const spans = [user, span("user_speaking", { at, ms: 1600, parent: user.id }), span("eou_detection", { at: at + 1600, ms: 400, parent: user.id }), agent];
  if (isSlow) {
    spans.push(llm(heard, 400, 300),
      span("function_tool", { at: heard + 400, ms: tool, parent: agent.id, error: "no answer from the order service", values: { "lk.function_tool.name": "lookup_order",
        "lk.function_tool.arguments": '{"id": "5521"}', "lk.function_tool.output": JSON.stringify({ tried: Array.from({ length: 80 }, (_, i) => ({ host: `orders-${i}.internal`, waited: 24 })) }) },
        events: [{ name: "exception", at: heard + 400 + tool, values: { "exception.type": "TimeoutError", "exception.message": "no answer from the order service", "exception.stacktrace": STACK } }] }));
  }
  const asked = heard + (isSlow ? 400 + tool : 0);
  spans.push(llm(asked, ttft + 200, ttft), span("tts_node", { at: asked + ttft, ms: 1500, parent: agent.id, values: { "lk.response.ttfb": 0.18 } }),
    span("agent_speaking", { at: voice + 180, ms: 2200, parent: agent.id }));
  return spans;
}

/** A call of many turns as LiveKit tells it; `slow` is the number of the turn whose tool fails. */
export function livekitSpans({ turns = 24, slow = 12, gap = 7000 } = {}) {
  const root = span("agent_session", { ms: turns * gap });
  const list = [root];
  for (let number = 1; number <= turns; number++) list.push(...spokenTurn(root.id, number, { at: (number - 1) * gap + 500, isSlow: number === slow }));
  return list;
}
