// One span as OTLP JSON gives it, made plain. Pure.
import { elementsOf } from "../base/json";

/** A value over the bound is not sent: its size, and where it lies. */
export interface Elsewhere { characters: number; bytes: number; address: string }
export interface AnyValue {
  stringValue?: string | Elsewhere; boolValue?: boolean; intValue?: string | number; doubleValue?: number | string | null; bytesValue?: string | Elsewhere;
  arrayValue?: { values?: AnyValue[] }; kvlistValue?: { values?: KeyValue[] };
}
export interface KeyValue { key: string; value?: AnyValue }
export interface SpanEvent { timeUnixNano?: string; name?: string; attributes?: KeyValue[] }
export interface SpanLink { traceId?: string; spanId?: string; attributes?: KeyValue[] }
export interface Span {
  traceId: string; spanId: string; parentSpanId?: string; name?: string; kind?: number; startTimeUnixNano?: string; endTimeUnixNano?: string;
  attributes?: KeyValue[]; events?: SpanEvent[]; links?: SpanLink[]; status?: { code?: number; message?: string };
}
export interface SpanDocument { span: Span; resource: KeyValue[]; scope: { name?: string; version?: string; attributes?: KeyValue[] } }

const record = (value: unknown): Record<string, unknown> | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : null;

export type Plain = { type: string; text: string; length?: number; href?: string };

const textAt = (text: string | Elsewhere): Omit<Plain, "type"> => typeof text === "string" ? { text } : { text: "", length: text.bytes, href: text.address };

/** A value as text, with its type's name. */
export function plain(value: AnyValue | undefined): Plain {
  if (!value || Object.keys(value).length === 0) return { type: "empty", text: "" };
  if (value.stringValue !== undefined) return { type: "text", ...textAt(value.stringValue) };
  if (value.boolValue !== undefined) return { type: "boolean", text: String(value.boolValue) };
  if (value.intValue !== undefined) return { type: "integer", text: String(value.intValue) };
  if (value.doubleValue !== undefined) return { type: "double", text: String(value.doubleValue) };
  if (value.bytesValue !== undefined) return { type: "bytes, base64", ...textAt(value.bytesValue) };
  return { type: value.arrayValue ? "list" : "map", text: JSON.stringify(simple(value)) };
}

/** Lists and maps as JSON values; deep nesting is cut, the wire bounds it at 32. */
export function simple(value: AnyValue | undefined, depth = 0): unknown {
  if (!value) return null;
  if (depth > 40) return "\u2026";
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.intValue !== undefined) return Number.isSafeInteger(Number(value.intValue)) ? Number(value.intValue) : String(value.intValue);
  if (value.doubleValue !== undefined) return value.doubleValue;
  if (value.bytesValue !== undefined) return value.bytesValue;
  if (value.arrayValue) return (value.arrayValue.values ?? []).map((one) => simple(one, depth + 1));
  if (value.kvlistValue) return Object.fromEntries((value.kvlistValue.values ?? []).map((one) => [one.key, simple(one.value, depth + 1)]));
  return null;
}

/** The first of these attributes that the span has. */
export const attribute = (span: Span, ...keys: string[]): Plain & { key: string } | null => {
  for (const key of keys) {
    const found = span.attributes?.find((one) => one.key === key);
    if (found) return { ...plain(found.value), key };
  }
  return null;
};

export const isSensitive = (key: string): boolean => key.split(".").includes("pii");

const BLANK = { stringValue: "hidden" };

/** OTLP JSON whose sensitive values are blank, at whatever depth they stand. */
export function blanked(text: string): string {
  return JSON.stringify(JSON.parse(text, (_, value: unknown) => {
    const it = record(value);
    return it && typeof it["key"] === "string" && isSensitive(it["key"]) && "value" in it ? { ...it, value: BLANK } : value;
  }), null, 2);
}

/** A document of one span as the server gives it. */
export function documentOf(text: string): SpanDocument | null {
  const document = JSON.parse(text) as { resourceSpans?: { resource?: { attributes?: KeyValue[] }; scopeSpans: { scope?: SpanDocument["scope"]; spans: Span[] }[] }[] };
  for (const resource of document.resourceSpans ?? []) {
    for (const scope of resource.scopeSpans) {
      const span = scope.spans[0];
      if (span) return { span, resource: resource.resource?.attributes ?? [], scope: scope.scope ?? {} };
    }
  }
  return null;
}

// --- prompts and answers as a conversation --------------------------------------------------------------

export interface Message { role: string; parts: Part[]; source?: string | undefined } // `source`: its JSON as it came
export interface Part { kind: "text" | "call" | "result" | "other"; text: string; id?: string; name?: string }

const textOf = (value: unknown): string => typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value);

function partOf(value: unknown): Part {
  const it = record(value);
  if (!it) return { kind: "text", text: textOf(value) };
  const type = textOf(it["type"]);
  if (type === "tool_call" || type === "function_call" || it["function"]) {
    const call = record(it["function"]) ?? it;
    return { kind: "call", id: textOf(it["id"] ?? it["call_id"]), name: textOf(call["name"]), text: textOf(call["arguments"]) };
  }
  if (type === "tool_call_response" || type === "function_call_output") return { kind: "result", id: textOf(it["id"] ?? it["call_id"]), text: textOf(it["response"] ?? it["result"] ?? it["output"]) };
  if (type === "text" || type === "output_text" || type === "input_text" || it["content"] !== undefined || it["text"] !== undefined) return { kind: "text", text: textOf(it["content"] ?? it["text"]) };
  return { kind: "other", text: JSON.stringify(it) };
}

function messageOf(value: unknown): Message | null {
  const it = record(value);
  if (!it) return null;
  const type = textOf(it["type"]);
  if (type === "function_call" || type === "function_call_output") return { role: type === "function_call" ? "assistant" : "tool", parts: [partOf(it)] };
  if (it["role"] === undefined) return null;
  const parts: Part[] = [];
  const content = it["parts"] ?? it["content"];
  if (Array.isArray(content)) parts.push(...content.map(partOf));
  else if (content !== undefined && content !== null) parts.push(it["role"] === "tool" ? { kind: "result", id: textOf(it["tool_call_id"]), text: textOf(content) } : { kind: "text", text: textOf(content) });
  if (Array.isArray(it["tool_calls"])) parts.push(...it["tool_calls"].map((call) => partOf({ ...record(call), type: "tool_call" })));
  return { role: textOf(it["role"]), parts };
}

const LISTS = ["items", "messages"];

/** Messages of a JSON text: a list of them, or an object that holds one (LiveKit's context has `items`). */
export function messagesOf(text: string): Message[] | null {
  let value: unknown;
  try { value = JSON.parse(text); } catch { return null; }
  const holder = record(value);
  const list = Array.isArray(value) ? value : holder?.["items"] ?? holder?.["messages"];
  if (!Array.isArray(list)) return null;
  const sources = elementsOf(text, LISTS);
  const messages = list.flatMap((one, index) => {
    const message = messageOf(one);
    return message ? [{ ...message, source: sources.length === list.length ? sources[index] : undefined }] : [];
  });
  return messages.length ? messages : null;
}

/** Where a request departs from the one before it; null: it does not begin as that one, or is no longer. */
export function departure(before: Message[], now: Message[]): number | null {
  const text = (message: Message): string => JSON.stringify([message.role, message.parts]);
  let same = 0;
  while (same < before.length && same < now.length && text(before[same]!) === text(now[same]!)) same++;
  return same > 0 && same < now.length ? same : null;
}

const PROMPTS = ["gen_ai.input.messages", "lk.pii.chat_ctx", "lk.chat_ctx", "input"];
const SYSTEM = ["gen_ai.system_instructions", "lk.pii.instructions", "lk.instructions"];
const ANSWERS = ["gen_ai.output.messages", "lk.pii.response.text", "lk.response.text", "output"];

export interface Conversation { messages: Message[]; answer: Message[]; isDelta: boolean; sources: string[] }

/** What an LLM span was given and gave; null when it holds neither. */
export function conversationOf(span: Span): Conversation | null {
  const sources: string[] = [];
  const read = (keys: string[], role: string): Message[] => {
    for (const key of keys) {
      const value = attribute(span, key);
      if (value?.text) {
        sources.push(key);
        return messagesOf(value.text) ?? [{ role, parts: [{ kind: "text", text: value.text }] }];
      }
    }
    return [];
  };
  const messages = [...read(SYSTEM, "system"), ...read(PROMPTS, "user")];
  const answer = read(ANSWERS, "assistant");
  for (const event of span.events ?? []) {
    const role = /^gen_ai\.(system|user|assistant|tool)\.message$/.exec(event.name ?? "")?.[1];
    const field = (key: string): string => plain(event.attributes?.find((one) => one.key === key)?.value).text;
    if (role) messages.push({ role, parts: [{ kind: role === "tool" ? "result" : "text", text: field("content"), id: field("id") }] });
    if (event.name === "gen_ai.choice") answer.push({ role: "assistant", parts: [{ kind: "text", text: field("content") || field("message") }] });
  }
  if (messages.length + answer.length === 0) return null;
  return { messages, answer, isDelta: attribute(span, "lk.input.delta", "lk.input.base_span_id") !== null, sources };
}
