// The selected row in full: what failed, what was said, every attribute, and the raw span.
import { useState } from "preact/hooks";
import { ask } from "../base/api";
import { clockTime, duration, exactTime, nsOf, offset } from "../base/format";
import { CopyButton, Loading, Problem, useLoaded } from "../base/parts";
import { Icon, Outside } from "../base/text";
import { Value } from "../base/value";
import type { Row } from "./rows";
import { attribute, conversationOf, isSensitive, plain, type KeyValue, type Message, type Part, type Span, type SpanDocument } from "./span";
import type { WaterfallState } from "./state";
import { outcomeWord } from "./strip";
import { ERROR, hasFlag, letter, responseNs, ROLE_NAMES, roleOf, spanName, STAGE_NAMES, STAGES } from "./timeline";

interface OtlpDocument { resourceSpans: { resource?: { attributes?: KeyValue[] }; scopeSpans: { scope?: SpanDocument["scope"]; spans: Span[] }[] }[] }

async function loadSpan(trace: string, span: string, abort: AbortSignal): Promise<{ document: SpanDocument; raw: string }> {
  const response = await ask<OtlpDocument>(`/v1/traces/${trace}/spans/${span}`, { signal: abort });
  for (const resource of response.resourceSpans ?? []) {
    for (const scope of resource.scopeSpans) {
      const found = scope.spans[0];
      if (found) return { document: { span: found, resource: resource.resource?.attributes ?? [], scope: scope.scope ?? {} }, raw: JSON.stringify(response, null, 2) };
    }
  }
  throw new Error("The span is not there any more.");
}

let lastTab = "Summary"; // the last used stays
const hideSensitive = { value: false };

function Facts({ facts }: { facts: [string, preact.ComponentChildren][] }) {
  return <dl class="facts">{facts.map(([name, value]) => <div key={name} class="fact"><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

function ErrorBox({ span }: { span: Span }) {
  const exception = span.events?.find((one) => one.name === "exception");
  const field = (key: string): string => plain(exception?.attributes?.find((one) => one.key === key)?.value).text || attribute(span, key)?.text || "";
  const type = field("exception.type") || attribute(span, "error.type")?.text || "";
  const message = field("exception.message") || span.status?.message || "";
  const stack = field("exception.stacktrace");
  return (
    <div class="problem-box stack" role="group" aria-label="Error">
      <b>{type ? <Outside text={type} /> : "error"}</b>
      {message ? <Value text={message} name="the message" /> : null}
      {stack ? <details><summary>Stack, {stack.split("\n").length} lines</summary><Value text={stack} name="the stack" /></details> : null}
    </div>
  );
}

const FIRST: [string, string[]][] = [
  ["Model", ["gen_ai.response.model", "gen_ai.request.model"]], ["Provider", ["gen_ai.provider.name", "gen_ai.system"]],
  ["Tokens in", ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"]], ["Tokens out", ["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"]],
  ["Cached", ["gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.input_cached_tokens"]], ["Reasoning", ["gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"]],
  ["First token", ["gen_ai.response.time_to_first_chunk", "lk.response.ttft"]], ["First byte", ["lk.response.ttfb", "metrics.ttfb"]],
  ["Tool", ["gen_ai.tool.name", "lk.function_tool.name"]],
];
const LONG: [string, string[]][] = [
  ["Arguments", ["gen_ai.tool.call.arguments", "lk.pii.function_tool.arguments", "lk.function_tool.arguments"]],
  ["Result", ["gen_ai.tool.call.result", "lk.pii.function_tool.output", "lk.function_tool.output"]],
  ["User said", ["lk.pii.user_transcript", "lk.user_transcript", "lk.pii.user_input", "transcript"]],
  ["Agent said", ["lk.pii.response.text", "lk.response.text", "lk.pii.input_text", "text"]],
];

function Summary({ span, state, row }: { span: Span; state: WaterfallState; row: Row }) {
  const timeline = state.timeline.value;
  const isError = hasFlag(timeline, row.span, ERROR);
  const facts = FIRST.flatMap(([name, keys]): [string, preact.ComponentChildren][] => {
    const found = attribute(span, ...keys);
    return found ? [[name, <Outside text={found.text} most={200} />]] : [];
  });
  return (
    <div class="stack">
      {isError ? <ErrorBox span={span} /> : null}
      {facts.length ? <Facts facts={facts} /> : null}
      {LONG.map(([name, keys]) => {
        const found = attribute(span, ...keys);
        return found ? <section key={name}><h3>{name}</h3><Value text={found.text} name={name} href={found.href} length={found.length} reading /></section> : null;
      })}
      {!isError && facts.length === 0 && !LONG.some(([, keys]) => attribute(span, ...keys)) ? <p class="note">This span carries none of the facts that calltrace knows. Its attributes tell more.</p> : null}
    </div>
  );
}

function PartView({ part, result }: { part: Part; result: Part | undefined }) {
  if (part.kind === "call") {
    return (
      <div class="card tool-card"><b>{"\u25c6"} <Outside text={part.name || "tool call"} /></b><Value text={part.text} name="the arguments" />
        {result ? <><h3>Result</h3><Value text={result.text} name="the result" /></> : <p class="note">No result in this request</p>}</div>
    );
  }
  return <Value text={part.text} name="the text" reading />;
}

function Messages({ messages }: { messages: Message[] }) {
  const [isAll, setAll] = useState(false);
  const results = new Map(messages.flatMap((one) => one.parts).filter((part) => part.kind === "result" && part.id).map((part) => [part.id!, part]));
  const calls = new Set(messages.flatMap((one) => one.parts).filter((part) => part.kind === "call" && part.id).map((part) => part.id!));
  const hidden = isAll || messages.length <= 6 ? 0 : messages.length - 6;
  const shown = hidden ? [...messages.slice(0, 3), ...messages.slice(-3)] : messages;
  return (
    <ol class="messages">
      {shown.map((message, index) => {
        const parts = message.parts.filter((part) => !(part.kind === "result" && part.id && calls.has(part.id)));
        return (
          <>
            {hidden && index === 3 ? <li><button type="button" class="button small" onClick={() => setAll(true)}>Show {hidden} more messages</button></li> : null}
            {parts.length ? <li class={`message role-${message.role}`}><h3><Outside text={message.role} most={40} /></h3>
              {parts.map((part, n) => <PartView key={n} part={part} result={part.id ? results.get(part.id) : undefined} />)}</li> : null}
          </>
        );
      })}
    </ol>
  );
}

function ConversationTab({ span }: { span: Span }) {
  const conversation = conversationOf(span)!;
  return (
    <div class="stack reading">
      {conversation.isDelta ? <p class="note">This span holds only what is new in its request; the rest stands in the span that it is linked to.</p> : null}
      <Messages messages={conversation.messages} />
      {conversation.answer.length ? <section><h3>Answer</h3><Messages messages={conversation.answer} /></section> : null}
      <p class="quiet">From {conversation.sources.join(", ") || "events"}</p>
    </div>
  );
}

function AttributeTable({ title, list, filter, hide, searchable }: { title: string; list: KeyValue[]; filter: string; hide: boolean; searchable: boolean }) {
  const shown = list.filter((one) => !filter || one.key.toLowerCase().includes(filter) || plain(one.value).text.toLowerCase().includes(filter));
  if (list.length === 0) return null;
  return (
    <section>
      <h3>{title} <span class="quiet">{shown.length === list.length ? list.length : `${shown.length} of ${list.length}`}</span></h3>
      <dl class="attributes">
        {shown.map((one, index) => {
          const value = plain(one.value);
          const isHidden = hide && isSensitive(one.key);
          return (
            <div key={index} class="attribute">
              <dt><Outside class="mono" text={one.key} most={255} />{value.type !== "text" ? <span class="tag">{value.type}</span> : null}{isSensitive(one.key) ? <span class="tag warn">sensitive</span> : null}</dt>
              <dd>{isHidden ? <span class="quiet">hidden</span> : <Value text={value.text} name={one.key} href={value.href} length={value.length} />}
                <span class="row">{value.href ? null : <CopyButton value={() => `${one.key}=${value.text}`} label={`Copy ${one.key}=value`} />}
                  {searchable && value.type !== "list" && value.type !== "map" && value.text.length <= 128 && !value.href ? <a href={`/traces?attr=${encodeURIComponent(`${one.key}:${value.text}`)}`}>Find traces with this</a> : null}</span></dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}

function Attributes({ document }: { document: SpanDocument }) {
  const [filter, setFilter] = useState("");
  const [hide, setHide] = useState(hideSensitive.value);
  const text = filter.toLowerCase();
  return (
    <div class="stack">
      <div class="row"><input class="input" type="search" aria-label="Filter attributes" placeholder="Filter attributes" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        <label class="row"><input type="checkbox" checked={hide} onChange={(event) => { hideSensitive.value = event.currentTarget.checked; setHide(hideSensitive.value); }} />Hide sensitive</label></div>
      <AttributeTable title="Span" list={document.span.attributes ?? []} filter={text} hide={hide} searchable />
      <AttributeTable title="Resource" list={document.resource} filter={text} hide={hide} searchable />
      <AttributeTable title="Scope" filter={text} hide={hide} searchable={false}
        list={[{ key: "name", value: { stringValue: document.scope.name ?? "" } }, { key: "version", value: { stringValue: document.scope.version ?? "" } }, ...document.scope.attributes ?? []]} />
    </div>
  );
}

function Events({ span }: { span: Span }) {
  return (
    <ol class="stack">
      {span.events!.map((event, index) => {
        const at = nsOf(event.timeUnixNano ?? "");
        const start = nsOf(span.startTimeUnixNano ?? "");
        return (
          <li key={index}><h3><Outside text={event.name ?? ""} /> <span class="quiet">{at !== null && start !== null ? `+${duration(Number(at - start))}` : ""}</span></h3>
            <AttributeTable title="Attributes" list={event.attributes ?? []} filter="" hide={hideSensitive.value} searchable={false} /></li>
        );
      })}
    </ol>
  );
}

function Links({ span, state }: { span: Span; state: WaterfallState }) {
  return (
    <ol class="stack">
      {span.links!.map((link, index) => {
        const here = state.timeline.value.ids.indexOf(link.spanId ?? "");
        return (
          <li key={index} class="row"><code>{link.traceId}</code><code>{link.spanId}</code>
            {here >= 0 ? <button type="button" class="button small" onClick={() => state.show(here)}>Open span</button> : <a href={`/traces/${encodeURIComponent(link.traceId ?? "")}?span=${encodeURIComponent(link.spanId ?? "")}`}>Open trace</a>}</li>
        );
      })}
    </ol>
  );
}

function SpanTabs({ state, row }: { state: WaterfallState; row: Row }) {
  const timeline = state.timeline.value;
  const trace = timeline.traces[row.trace]!.id;
  const id = timeline.ids[row.span]!;
  const loaded = useLoaded(`${trace}/${id}`, (abort) => loadSpan(trace, id, abort));
  const [tab, setTab] = useState(lastTab);
  if (loaded.failure) return <Problem failure={loaded.failure} again={loaded.again} />;
  if (!loaded.data) return <Loading what="Loading the span" />;
  const { document, raw } = loaded.data;
  const { span } = document;
  const tabs: [string, string, () => preact.ComponentChildren][] = [
    ["Summary", "Summary", () => <Summary span={span} state={state} row={row} />],
    ...(conversationOf(span) ? [["Conversation", "Conversation", () => <ConversationTab span={span} />] as [string, string, () => preact.ComponentChildren]] : []),
    ["Attributes", `Attributes ${span.attributes?.length ?? 0}`, () => <Attributes document={document} />],
    ...(span.events?.length ? [["Events", `Events ${span.events.length}`, () => <Events span={span} />] as [string, string, () => preact.ComponentChildren]] : []),
    ...(span.links?.length ? [["Links", `Links ${span.links.length}`, () => <Links span={span} state={state} />] as [string, string, () => preact.ComponentChildren]] : []),
    ["Raw", "Raw", () => <div class="stack"><span class="row"><a class="button small" href={`/v1/traces/${trace}`} download={`${trace}.json`}><Icon name="download" />Trace as JSON</a></span><Value text={raw} name="the raw span" /></div>],
  ];
  const now = tabs.find(([name]) => name === tab) ?? tabs[0]!;
  return (
    <>
      <div class="tabs row" role="tablist" aria-label="About the span">
        {tabs.map(([name, text]) => <button key={name} type="button" role="tab" aria-selected={name === now[0]} class="tab" onClick={() => { lastTab = name; setTab(name); }}>{text}</button>)}
      </div>
      <div role="tabpanel" aria-label={now[1]} tabIndex={0} class="tab-panel">{now[2]()}</div>
    </>
  );
}

function TurnSummary({ state, row }: { state: WaterfallState; row: Row }) {
  const turn = state.timeline.value.turns[row.turn]!;
  const ns = responseNs(turn);
  return (
    <div class="stack">
      <Facts facts={[["Response time", ns === null ? outcomeWord(turn) : duration(ns)], ["Interrupted", turn.isInterrupted ? "yes" : "no"]]} />
      {turn.waits.map((wait, index) => (
        <section key={index}>
          <h3>{index === 0 ? "Where the time went" : "A later wait"}, {duration(wait.to - wait.from)}</h3>
          {wait.isOver ? <p>Stages overlap; they add up to {duration(wait.sumsNs)}</p> : (
            <table><tbody>{STAGES.filter((stage) => wait.parts[stage] > 0).map((stage) => (
              <tr key={stage}><td><span class={`swatch stage-${stage}`} aria-hidden="true" /> {STAGE_NAMES[stage]}</td><td class="number">{duration(wait.parts[stage])}</td>
                <td>{wait.stages.filter((one) => one.stage === stage).map((one, n) => <div key={n}>{one.ownNs === null ? "" : `${duration(one.ownNs)} `}<code>{one.attribute ?? ""}</code>
                  {one.span >= 0 ? <button type="button" class="button small plain" onClick={() => state.show(one.span)}>Open span</button> : null}</div>)}</td></tr>
            ))}</tbody></table>
          )}
        </section>
      ))}
      {turn.said ? <section><h3>User said</h3><Value text={turn.said} name="what the user said" reading /></section> : null}
      {turn.answer ? <section><h3>Agent said</h3><Value text={turn.answer} name="what the agent said" reading /></section> : null}
    </div>
  );
}

function TraceSummary({ state, row }: { state: WaterfallState; row: Row }) {
  const trace = state.timeline.value.traces[row.trace]!;
  return (
    <div class="stack">
      <Facts facts={[
        ["Trace", <span class="row"><code>{trace.id}</code><CopyButton value={() => trace.id} label="Copy the trace id" /></span>],
        ["Matched by", trace.matches.length ? trace.matches.map((one) => <div><b>{one.kind}</b> <Outside text={one.value} />{one.foundOn ? <> on <Outside text={one.foundOn} /></> : null}, linked {clockTime(Date.parse(one.linkedAt))}</div>) : "nothing"],
        ["Root", trace.hasRoot ? <Outside text={trace.rootName ?? ""} /> : "root not received yet"], ["State", trace.isOpen ? "open" : "complete so far"],
        ["Spans", trace.spanCount], ["Errors", trace.errorCount],
      ]} />
      <span class="row"><a href={`/traces/${trace.id}`}>Open the trace alone</a><a href={`/v1/traces/${trace.id}`} download={`${trace.id}.json`}>Download OTLP JSON</a></span>
    </div>
  );
}

export function Panel({ state, copyLink }: { state: WaterfallState; copyLink: () => string }) {
  const row = state.rows.value.find((one) => one.key === state.selected.value);
  const timeline = state.timeline.value;
  if (!state.isPanelOpen.value || !row) return null;
  const close = (): void => {
    state.isPanelOpen.value = false;
    document.querySelector<HTMLElement>(`[data-key="${CSS.escape(row.key)}"]`)?.focus();
  };
  const title = row.kind === "turn" ? (timeline.turns[row.turn]!.number === 0 ? "Agent opens" : `Turn ${timeline.turns[row.turn]!.number}`)
    : row.kind === "trace" ? `Trace ${letter(row.trace)}` : row.kind === "missing" ? "Parent not received" : spanName(timeline, row.span);
  const parent = row.parent >= 0 ? state.rows.value[row.parent] : undefined;
  const sibling = state.rows.value.find((one, index) => index > state.rows.value.indexOf(row) && one.parent === row.parent);
  const start = timeline.zeroNs + BigInt(Math.round(row.start));
  return (
    <aside class="panel" aria-label={`About ${title}`} onKeyDown={(event) => { if (event.key === "Escape") close(); }}>
      <header class="stack">
        <div class="row spread"><h2>{row.span >= 0 && row.kind === "span" ? <span class={`shape role-${roleOf(timeline, row.span)}`} aria-hidden="true" /> : null} <Outside text={title} most={200} /></h2>
          <button type="button" class="button plain small" aria-label="Close" onClick={close}><Icon name="x" /></button></div>
        <p class="note">{row.kind === "span" ? `${ROLE_NAMES[roleOf(timeline, row.span)]}, ` : ""}{duration(Math.max(row.end, row.start) - row.start)} at {offset(row.start, 1e8)}, <time title={exactTime(start)}>{clockTime(Number(start / 1_000_000n))}</time></p>
        <div class="row"><CopyButton value={copyLink} label="Copy link to this view" />
          {parent ? <button type="button" class="button small" onClick={() => state.select(parent.key)}>Parent</button> : null}
          {sibling ? <button type="button" class="button small" onClick={() => state.select(sibling.key)}>Next</button> : null}</div>
      </header>
      {row.kind === "turn" ? <TurnSummary state={state} row={row} /> : row.kind === "trace" ? <TraceSummary state={state} row={row} />
        : row.kind === "missing" ? <p>{row.spansBelow} spans name the parent <code>{row.missing}</code>, which was not received. When it comes, it takes this row's place.</p>
          : <SpanTabs key={row.key} state={state} row={row} />}
      {row.kind === "turn" && row.span >= 0 ? <SpanTabs key={row.key} state={state} row={row} /> : null}
    </aside>
  );
}
