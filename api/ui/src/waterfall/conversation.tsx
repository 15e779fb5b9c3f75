// What an LLM was given and gave, as people read it: messages in order, tool calls with their results.
import { useMemo, useState } from "preact/hooks";
import { Fragment } from "preact";
import { askText, get, withQuery } from "../base/api";
import { duration, plural } from "../base/format";
import { useLoaded } from "../base/parts";
import { hidesSensitive } from "../base/settings";
import { Outside } from "../base/text";
import { Value } from "../base/value";
import type { Row } from "./rows";
import { conversationOf, departure, documentOf, isSensitive, type Message, type Part, type Span } from "./span";
import type { WaterfallState } from "./state";
import { hasFlag, INNER, roleOf, type Timeline } from "./timeline";

const ENDS = 3; // messages shown at either end
const SYSTEM_LINES = 3;
const SYSTEM_CHARACTERS = 160; // about three lines of the panel

interface Found { spans: { spanId: string; place: string; key: string | null; before: string; after: string }[] }

const CALL_IDS = new Set(["gen_ai.tool.call.id", "lk.function_tool.id"]);

/** The span that ran a tool's call: the one that carries its id. */
function ToolSpan({ id, state, trace }: { id: string; state: WaterfallState; trace: number }) {
  const timeline = state.timeline.value;
  const path = withQuery(`/v1/traces/${timeline.traces[trace]!.id}/search`, { q: id });
  const found = useLoaded(path, (abort) => get<Found>(path, abort));
  const hit = found.data?.spans.find((one) => one.place === "attribute" && one.key !== null && CALL_IDS.has(one.key) && one.before === "" && one.after === "");
  const span = hit ? timeline.ids.indexOf(hit.spanId) : -1;
  if (span < 0) return null;
  return <span class="row"><span>{duration(timeline.length[span]!)}</span><button type="button" class="button small" onClick={() => state.show(span)}>Open span</button></span>;
}

function PartView({ part, result, isSystem, state, trace }: { part: Part; result: Part | undefined; isSystem: boolean; state: WaterfallState; trace: number }) {
  if (part.kind === "call") {
    return (
      <div class="card tool-card"><div class="row spread"><b>{"\u25c6"} <Outside text={part.name || "tool call"} /></b>{part.id ? <ToolSpan id={part.id} state={state} trace={trace} /> : null}</div>
        <Value text={part.text} name="the arguments" />
        {result ? <><h3>Result</h3><Value text={result.text} name="the result" /></> : <p class="note">No result in this request</p>}</div>
    );
  }
  return isSystem ? <Value text={part.text} name="the text" reading lines={SYSTEM_LINES} characters={SYSTEM_CHARACTERS} /> : <Value text={part.text} name="the text" reading />;
}

function MessageView({ message, parts, results, state, trace }: { message: Message; parts: Part[]; results: ReadonlyMap<string, Part>; state: WaterfallState; trace: number }) {
  const [isJson, setJson] = useState(false);
  return (
    <li class={`message role-${message.role}`}>
      <div class="row spread"><h3><Outside text={message.role} most={40} /></h3>
        {message.source === undefined ? null : <button type="button" class="button small plain" aria-pressed={isJson} onClick={() => setJson(!isJson)}>JSON</button>}</div>
      {isJson ? <Value text={message.source!} name="the message" />
        : parts.map((part, n) => <PartView key={n} part={part} result={part.id ? results.get(part.id) : undefined} isSystem={message.role === "system" || message.role === "developer"} state={state} trace={trace} />)}
    </li>
  );
}

/** The first and last of many; `from` is where this request departs from the one before it. */
function Messages({ messages, from = null, state, trace }: { messages: Message[]; from?: number | null; state: WaterfallState; trace: number }) {
  const [isAll, setAll] = useState(false);
  const parts = messages.flatMap((one) => one.parts);
  const results = new Map(parts.filter((part) => part.kind === "result" && part.id).map((part) => [part.id!, part]));
  const calls = new Set(parts.filter((part) => part.kind === "call" && part.id).map((part) => part.id!));
  const hidden = isAll ? 0 : Math.max(0, messages.length - 2 * ENDS);
  const isShown = (index: number): boolean => hidden === 0 || index < ENDS || index >= messages.length - ENDS;
  const rule = from === null ? -1 : messages.findIndex((_, index) => index >= from && isShown(index));
  return (
    <ol class="messages">
      {messages.map((message, index) => {
        if (!isShown(index)) return index === ENDS ? <li key="more"><button type="button" class="button small" onClick={() => setAll(true)}>Show {plural(hidden, "earlier message")}</button></li> : null;
        // A result stands in the card of its call.
        const own = message.parts.filter((part) => !(part.kind === "result" && part.id && calls.has(part.id)));
        return (
          <Fragment key={index}>
            {index === rule ? <li class="new-rule">new in this request</li> : null}
            {own.length ? <MessageView message={message} parts={own} results={results} state={state} trace={trace} /> : null}
          </Fragment>
        );
      })}
    </ol>
  );
}

/** The LLM span before this one in its trace. */
export function requestBefore(timeline: Timeline, span: number): number {
  let best = -1;
  for (let one = 0; one < timeline.ids.length; one++) {
    const isRequest = roleOf(timeline, one) === "llm" && timeline.trace[one] === timeline.trace[span] && timeline.name[one] === timeline.name[span] &&
      hasFlag(timeline, one, INNER) === hasFlag(timeline, span, INNER);
    if (isRequest && timeline.start[one]! < timeline.start[span]! && (best < 0 || timeline.start[one]! > timeline.start[best]!)) best = one;
  }
  return best;
}

function useDeparture(state: WaterfallState, row: Row, messages: Message[]): number | null {
  const timeline = state.timeline.value;
  const before = useMemo(() => messages.length > 1 ? requestBefore(timeline, row.span) : -1, [timeline, row.span]);
  const path = before < 0 ? "" : `/v1/traces/${timeline.traces[row.trace]!.id}/spans/${timeline.ids[before]!}`;
  const loaded = useLoaded(path, async (abort) => path ? documentOf(await askText(path, { signal: abort })) : null);
  const old = loaded.data ? conversationOf(loaded.data.span) : null;
  return old && !old.isDelta ? departure(old.messages, messages) : null;
}

export function ConversationTab({ span, state, row }: { span: Span; state: WaterfallState; row: Row }) {
  const conversation = conversationOf(span)!;
  const from = useDeparture(state, row, conversation.messages);
  if (hidesSensitive.value && conversation.sources.some(isSensitive)) return <p class="quiet">hidden</p>;
  return (
    <div class="stack reading">
      {conversation.isDelta ? <p class="note">This span holds only what is new in its request; the rest stands in the span that it is linked to.</p> : null}
      <Messages messages={conversation.messages} from={from} state={state} trace={row.trace} />
      {conversation.answer.length ? <section><h3>Answer</h3><Messages messages={conversation.answer} state={state} trace={row.trace} /></section> : null}
      <p class="quiet">From {conversation.sources.join(", ") || "events"}</p>
    </div>
  );
}
