// The selected row in full: what failed, what was said, every attribute, and the raw span.
import { useEffect, useRef, useState } from "preact/hooks";
import { askText } from "../base/api";
import { clockTime, count, duration, exactTime, offset, plural, zone } from "../base/format";
import { CopyButton, Loading, Problem, Time, useLoaded } from "../base/parts";
import { hidesSensitive } from "../base/settings";
import { Icon, Outside } from "../base/text";
import { Value } from "../base/value";
import { Attributes, Events, HideSensitive, Links } from "./attributes";
import { figureText, isBeforeParent } from "./bars";
import { ConversationTab } from "./conversation";
import { clockSentence } from "./notes";
import type { Row } from "./rows";
import { shiftOf } from "./shift";
import { attribute, blanked, conversationOf, documentOf, isSensitive, plain, type Span, type SpanDocument } from "./span";
import type { Hit, WaterfallState } from "./state";
import { ERROR, hasFlag, letter, responseNs, ROLE_NAMES, roleOf, spanName, STAGE_NAMES, STAGES } from "./timeline";

interface LoadedSpan { document: SpanDocument; raw: string }

async function loadSpan(trace: string, span: string, abort: AbortSignal): Promise<LoadedSpan> {
  const raw = await askText(`/v1/traces/${trace}/spans/${span}`, { signal: abort });
  const document = documentOf(raw);
  if (!document) throw new Error("The span is not there any more.");
  return { document, raw };
}

let lastTab = "Summary"; // the last used stays

function Facts({ facts }: { facts: [string, preact.ComponentChildren][] }) {
  return <dl class="facts">{facts.map(([name, value]) => <div key={name} class="fact"><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

const STACK_LINES = 8;

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
      {stack ? <section><h3>Stack, {plural(stack.split("\n").length, "line")}</h3><Value text={stack} name="the stack" lines={STACK_LINES} /></section> : null}
    </div>
  );
}

/** Facts at first sight; those in seconds are told as durations. */
const SECONDS = new Set(["First token", "First byte"]);
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
    if (!found) return [];
    const isTime = SECONDS.has(name) && found.text !== "" && Number.isFinite(Number(found.text));
    return [[name, <span title={found.key}>{isTime ? duration(Number(found.text) * 1e9) : <Outside text={found.text} most={200} />}</span>]];
  });
  return (
    <div class="stack">
      {isError ? <ErrorBox span={span} /> : null}
      {facts.length ? <Facts facts={facts} /> : null}
      {LONG.map(([name, keys]) => {
        const found = attribute(span, ...keys);
        if (!found) return null;
        return <section key={name}><h3>{name}</h3>{hidesSensitive.value && isSensitive(found.key) ? <p class="quiet">hidden</p> : <Value text={found.text} name={name} href={found.href} length={found.length} reading />}</section>;
      })}
      {!isError && facts.length === 0 && !LONG.some(([, keys]) => attribute(span, ...keys)) ? <p class="note">This span carries none of the facts that calltrace knows. Its attributes tell more.</p> : null}
    </div>
  );
}

export const Downloads = ({ trace }: { trace: string }) => (
  <span class="row">
    <a class="button small" href={`/v1/traces/${trace}`} download={`${trace}.json`}><Icon name="download" />Trace as JSON</a>
    <a class="button small" href={`/v1/traces/${trace}?format=protobuf`} download={`${trace}.pb`}><Icon name="download" />Trace as protobuf</a>
  </span>
);

function Raw({ trace, raw }: { trace: string; raw: string }) {
  return <div class="stack"><div class="row"><Downloads trace={trace} /><HideSensitive /></div><Value text={hidesSensitive.value ? blanked(raw) : raw} name="the raw span" /></div>;
}

type Tab = [name: string, text: string, draw: () => preact.ComponentChildren];

function tabsOf({ document, raw }: LoadedSpan, state: WaterfallState, row: Row, hit: Hit | undefined): Tab[] {
  const { span } = document;
  const tabs: Tab[] = [["Summary", "Summary", () => <Summary span={span} state={state} row={row} />]];
  if (conversationOf(span)) tabs.push(["Conversation", "Conversation", () => <ConversationTab span={span} state={state} row={row} />]);
  tabs.push(["Attributes", `Attributes ${count(span.attributes?.length ?? 0)}`, () => <Attributes document={document} sought={hit?.place === "attribute" ? hit.key : null} />]);
  if (span.events?.length) tabs.push(["Events", `Events ${count(span.events.length)}`, () => <Events span={span} sought={hit?.place === "event" ? hit.key : null} />]);
  if (span.links?.length) tabs.push(["Links", `Links ${count(span.links.length)}`, () => <Links span={span} state={state} />]);
  tabs.push(["Raw", "Raw", () => <Raw trace={state.timeline.value.traces[row.trace]!.id} raw={raw} />]);
  return tabs;
}

const TAB_OF: Partial<Record<Hit["place"], string>> = { attribute: "Attributes", event: "Events" };

function SpanTabs({ state, row }: { state: WaterfallState; row: Row }) {
  const timeline = state.timeline.value;
  const trace = timeline.traces[row.trace]!.id;
  const id = timeline.ids[row.span]!;
  const loaded = useLoaded(`${trace}/${id}`, (abort) => loadSpan(trace, id, abort));
  const [tab, setTab] = useState(lastTab);
  // A hit of the search is shown where it stands; that is no choice of the reader's, and the next span has the last one.
  const hit = state.query.value.trim() ? state.serverHits.value.get(id) : undefined;
  const sought = hit ? TAB_OF[hit.place] : undefined;
  useEffect(() => { if (sought) setTab(sought); }, [sought, hit?.key]);
  if (loaded.failure) return <Problem failure={loaded.failure} again={loaded.again} />;
  if (!loaded.data) return <Loading what="Loading the span" />;
  const tabs = tabsOf(loaded.data, state, row, hit);
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
      <Facts facts={[["Response time", ns === null ? turn.outcome : duration(ns)], ["Interrupted", turn.isInterrupted ? "yes" : "no"]]} />
      {turn.waits.map((wait, index) => (
        <section key={index}>
          <h3>{index === 0 ? "Where the time went" : "A later wait"}, {duration(wait.to - wait.from)}</h3>
          {wait.isOver ? <p>Stages overlap; they add up to {duration(wait.sumsNs)}</p> : (
            <table><tbody>{STAGES.filter((stage) => wait.parts[stage] > 0).map((stage) => (
              <tr key={stage}><td><span class={`swatch stage-${stage}`} aria-hidden="true" /> {STAGE_NAMES[stage]}</td><td class="number">{duration(wait.parts[stage])}</td>
                <td>{wait.stages.filter((one) => one.stage === stage).map((one, n) => <div key={n}><span class="quiet">{figureText(one)}</span>
                  {one.span >= 0 ? <button type="button" class="button small plain" onClick={() => state.show(one.span)}>Open span</button> : null}</div>)}</td></tr>
            ))}</tbody></table>
          )}
        </section>
      ))}
      {[["User said", turn.said, "what the user said"], ["Agent said", turn.answer, "what the agent said"]].map(([name, text, what]) =>
        text ? <section key={name}><h3>{name}</h3>{hidesSensitive.value ? <p class="quiet">hidden</p> : <Value text={text} name={what!} reading />}</section> : null)}
    </div>
  );
}

function TraceSummary({ state, row }: { state: WaterfallState; row: Row }) {
  const timeline = state.timeline.value;
  const trace = timeline.traces[row.trace]!;
  return (
    <div class="stack">
      {timeline.clocks.filter((one) => one.trace === row.trace).map((note, index) => (
        <p key={index} class="row"><Outside text={clockSentence(note)} /><button type="button" class="button small" onClick={() => state.setShift(note, !state.isShifted(note))}>{state.isShifted(note) ? "Draw as received" : "Draw shifted"}</button></p>
      ))}
      <Facts facts={[
        ["Trace", <span class="row"><code>{trace.id}</code><CopyButton value={() => trace.id} label="Copy the trace id" /></span>],
        ["Matched by", trace.matches.length ? trace.matches.map((one) => <div><b>{one.kind}</b> <Outside text={one.value} />{one.foundOn ? <> on <Outside text={one.foundOn} /></> : null}, linked <Time at={one.linkedAt} /></div>) : "nothing"],
        ["Root", trace.hasRoot ? <Outside text={trace.rootName ?? ""} /> : "root not received yet"], ["State", trace.isOpen ? "open" : "complete so far"],
        ["Service", trace.service === null ? "none" : <Outside text={trace.service} most={100} />],
        ["Last received", <Time at={trace.lastSeen} />], ["Spans", count(trace.spanCount)], ["Errors", count(trace.errorCount)],
      ]} />
      <a href={`/traces/${trace.id}`}>Open the trace alone</a><Downloads trace={trace.id} />
    </div>
  );
}

/** Doubts about the times of a span, each as a sentence; nothing is moved for them. */
function Doubts({ state, row }: { state: WaterfallState; row: Row }) {
  const timeline = state.timeline.value;
  const { span } = row;
  if (row.kind !== "span") return null;
  const shift = shiftOf(state.received.value, state.shifts.value, span);
  return (
    <>
      {row.end < row.start ? <p class="note">It ends {duration(row.start - row.end)} before it starts. Times are shown as received.</p> : null}
      {isBeforeParent(timeline, span) ? <p class="note">It starts {duration(timeline.start[timeline.parent[span]!]! - row.start)} before its parent: their clocks differ, or the parent was begun late.</p> : null}
      {shift !== 0 ? <p class="note">It is drawn {duration(Math.abs(shift))} {shift < 0 ? "earlier" : "later"} than received.</p> : null}
    </>
  );
}

function titleOf(state: WaterfallState, row: Row): string {
  const timeline = state.timeline.value;
  if (row.kind === "turn") return timeline.turns[row.turn]!.number === 0 ? "Agent opens" : `Turn ${timeline.turns[row.turn]!.number}`;
  return row.kind === "trace" ? `Trace ${letter(row.trace)}` : row.kind === "missing" ? "Parent not received" : spanName(timeline, row.span);
}

/** What the window's title says of the view: the selected row. */
export const selectionTitle = (state: WaterfallState): string => state.selectedRow.value ? titleOf(state, state.selectedRow.value) : "";

function Head({ state, row, title, close, copyLink }: { state: WaterfallState; row: Row; title: string; close: () => void; copyLink: () => string }) {
  void zone.value;
  const timeline = state.timeline.value;
  const { nodes, tops } = state.tree.value;
  const parent = nodes[row.node]!.parent;
  const siblings = parent < 0 ? tops : nodes[parent]!.children;
  const next = siblings[siblings.indexOf(row.node) + 1];
  const shift = row.span >= 0 ? shiftOf(state.received.value, state.shifts.value, row.span) : 0;
  const start = timeline.zeroNs + BigInt(Math.round(row.start - shift));
  return (
    <header class="stack">
      <div class="row spread"><h2>{row.kind === "span" ? <span class={`shape role-${roleOf(timeline, row.span)}`} aria-hidden="true" /> : null} <Outside text={title} most={200} /></h2>
        <button type="button" class="button plain small" onClick={close}><span class="back-word">Back</span><span class="close-word hidden-text">Close</span><Icon name="x" /></button></div>
      <p class="note">{row.kind === "span" ? `${ROLE_NAMES[roleOf(timeline, row.span)]}, ` : ""}{duration(row.end - row.start)} at {offset(row.start, 1e8)}, <time dateTime={exactTime(start)} title={exactTime(start)}>{clockTime(Number(start / 1_000_000n))}</time></p>
      <Doubts state={state} row={row} />
      <div class="row"><CopyButton value={copyLink} label="Copy link to this view" /><CopyButton value={() => exactTime(start)} label="Copy the start" icon="clock" />
        {parent >= 0 ? <button type="button" class="button small" onClick={() => state.showNode(parent)}>Parent</button> : null}
        {next !== undefined ? <button type="button" class="button small" onClick={() => state.showNode(next)}>Next</button> : null}</div>
    </header>
  );
}

export function Panel({ state, copyLink }: { state: WaterfallState; copyLink: () => string }) {
  const row = state.selectedRow.value;
  const panel = useRef<HTMLElement>(null);
  useEffect(() => { if (panel.current) panel.current.scrollTop = 0; }, [row?.key]);
  if (!state.isPanelOpen.value || !row) return null;
  const close = (): void => {
    state.isPanelOpen.value = false;
    // A row that is folded away is told by the one that hides it, which has the rows' tab stop.
    (document.querySelector<HTMLElement>(`[data-key="${CSS.escape(row.key)}"]`) ?? document.querySelector<HTMLElement>('.wrow[tabindex="0"]'))?.focus();
  };
  const title = titleOf(state, row);
  return (
    <aside ref={panel} class="panel" aria-label={`About ${title}`} onKeyDown={(event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } }}>
      <Head state={state} row={row} title={title} close={close} copyLink={copyLink} />
      {row.kind === "turn" ? <TurnSummary state={state} row={row} /> : row.kind === "trace" ? <TraceSummary state={state} row={row} />
        : row.kind === "missing" ? <p>{plural(row.spansBelow, "span names", "spans name")} the parent <code>{row.missing}</code>, which was not received. When it comes, it takes this row's place.</p>
          : <SpanTabs key={row.key} state={state} row={row} />}
      {row.kind === "turn" && row.span >= 0 ? <SpanTabs key={row.key} state={state} row={row} /> : null}
    </aside>
  );
}
