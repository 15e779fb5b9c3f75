// OTLP/JSON as an exporter sends it.
import { randomBytes } from "node:crypto";

export const newTraceId = () => randomBytes(16).toString("hex");
export const newSpanId = () => randomBytes(8).toString("hex");
const MS = 1_000_000n;
export const nowNs = () => BigInt(Date.now()) * MS;

const any = (value) => typeof value === "string" ? { stringValue: value } : typeof value === "boolean" ? { boolValue: value }
  : Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
const attributes = (values) => Object.entries(values).map(([key, value]) => ({ key, value: any(value) }));

/** A span; `at` in milliseconds from the trace's start, `ms` long. */
export const span = (name, { at = 0, ms = 100, parent, id = newSpanId(), values = {}, error } = {}) => ({ name, at, ms, parent, id, values, error });

/** The body of an export: one resource, one scope, spans of one trace. */
export function exportOf(traceId, startNs, resource, spans, scope = "tests") {
  return { resourceSpans: [{
    resource: { attributes: attributes({ "service.name": "agent", ...resource }) },
    scopeSpans: [{ scope: { name: scope }, spans: spans.map((one) => ({
      traceId, spanId: one.id, ...(one.parent ? { parentSpanId: one.parent } : {}), name: one.name, kind: 1,
      startTimeUnixNano: String(startNs + BigInt(one.at) * MS), endTimeUnixNano: String(startNs + BigInt(one.at + one.ms) * MS),
      attributes: attributes(one.values), ...(one.error ? { status: { code: 2, message: one.error } } : {}),
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
