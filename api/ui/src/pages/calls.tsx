// Calls and chats, newest first: which went wrong, were slow, have no trace; is one running.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { getPage, withQuery, type Page } from "../base/api";
import { bestKey, pathOf, sourceName, stateName, type Conversation } from "../base/conversations";
import { count, durationMs, plural } from "../base/format";
import { onLive } from "../base/live";
import { announce, FilterFold, Loading, Problem, Time, Title, useLoaded } from "../base/parts";
import { fixTime, rangeOf, SPANS, useQuery, type Query } from "../base/query";
import { Outside } from "../base/text";

const PAGE = 50;
const LONG = "30d";
const FILTERS = ["q", "span", "from", "to", "kind", "source", "state", "errors", "linked"];
const CHOICES: { name: string; label: string; options: [string, string][] }[] = [
  { name: "kind", label: "Kind", options: [["call", "Calls"], ["chat", "Chats"]] },
  { name: "source", label: "Source", options: [["api", "API"], ["livekit", "LiveKit"], ["livekit-sdk", "LiveKit observer"], ["vapi", "VAPI"], ["pipecat", "Pipecat"]] },
  { name: "state", label: "State", options: [["RINGING", "Ringing"], ["IN_PROGRESS", "In progress"], ["ENDED", "Ended"]] },
];

const addressOf = (query: Query, now: number, after?: string): string => withQuery("/v1/conversations", {
  q: query["q"], kind: query["kind"], source: query["source"], state: query["state"], errors: query["errors"], linked: query["linked"],
  ...rangeOf(query, "24h", now), limit: PAGE, after,
});

function Filters({ query, set }: { query: Query; set: ReturnType<typeof useQuery>[1] }) {
  const [text, setText] = useState(query["q"] ?? "");
  const [isOpen, setOpen] = useState(false);
  const used = FILTERS.filter((name) => query[name] && name !== "to").length;
  useEffect(() => setText(query["q"] ?? ""), [query["q"]]);
  useEffect(() => {
    const soon = setTimeout(() => { if (text !== (query["q"] ?? "")) set({ q: text || undefined }, true); }, 250);
    return () => clearTimeout(soon);
  }, [text]);
  return (
    <form class={`filters foldable${isOpen ? " unfolded" : ""}`} id="filters" tabIndex={-1} role="search" onSubmit={(event) => { event.preventDefault(); set({ q: text || undefined }); }}>
      <FilterFold used={used} isOpen={isOpen} onToggle={() => setOpen(!isOpen)} />
      <div class="row folds">
      <input class="input" type="search" aria-label="Search title, key, id" placeholder="Search title, key, id" value={text}
        onInput={(event) => setText(event.currentTarget.value)} />
      <select class="select" aria-label="Time" value={query["from"] || query["to"] ? "" : query["span"] ?? "24h"}
        onChange={(event) => set({ span: event.currentTarget.value, from: undefined, to: undefined })}>
        {query["from"] || query["to"] ? <option value="">As in the address</option> : null}
        {SPANS.map((span) => <option key={span.id} value={span.id}>{span.label}</option>)}
      </select>
      {CHOICES.map(({ name, label, options }) => (
        <select key={name} class="select" aria-label={label} value={query[name] ?? ""}
          onChange={(event) => set({ [name]: event.currentTarget.value || undefined })}>
          <option value="">{label}: any</option>
          {options.map(([value, shown]) => <option key={value} value={value}>{shown}</option>)}
        </select>
      ))}
      <label class="row"><input type="checkbox" checked={query["errors"] === "true"}
        onChange={(event) => set({ errors: event.currentTarget.checked ? "true" : undefined })} />Has errors</label>
      <label class="row"><input type="checkbox" checked={query["linked"] === "false"}
        onChange={(event) => set({ linked: event.currentTarget.checked ? "false" : undefined })} />No trace</label>
      </div>
    </form>
  );
}

function Errors({ row }: { row: Conversation }) {
  const errors = row.errorCount ?? row.errorTraceCount;
  return errors > 0 ? <span class="error-text">{"\u2715"} {count(errors)}<span class="hidden-text"> errors</span></span> : <span>0</span>;
}

function Traces({ row }: { row: Conversation }) {
  if (row.traceCount === 0) return <span class="quiet">none</span>;
  const open = row.openTraceCount === 0 ? "" : row.openTraceCount === row.traceCount ? " open" : `, ${count(row.openTraceCount)} open`;
  return <span>{count(row.traceCount)}{open}</span>;
}

/** What its spans tell is counted once they pause; until then that is said. */
function Counted({ row, children }: { row: Conversation; children: ComponentChildren }) {
  const isCounting = row.talliedAt === null && row.traceCount > 0;
  return isCounting ? <span class="quiet" title="Counted once no span came for half a minute">counting</span> : <>{children}</>;
}

function Length({ row }: { row: Conversation }) {
  if (row.startedAt && row.endedAt) return <span>{durationMs(Date.parse(row.endedAt) - Date.parse(row.startedAt))}</span>;
  // A call that was made by POST is told no end: then its spans say how long it lasted at least.
  if (row.startedAt && row.tracesEndedAt && row.state !== "IN_PROGRESS") {
    return <span title="To the end of its last span; no end was told">about {durationMs(Math.max(0, Date.parse(row.tracesEndedAt) - Date.parse(row.startedAt)))}</span>;
  }
  if (row.startedAt && row.state === "IN_PROGRESS") return <span>&gt; {durationMs(Math.max(0, Date.now() - Date.parse(row.startedAt)))}</span>;
  return <span class="quiet">unknown</span>;
}

/** One unit in the column. */
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

function KeyOf({ row }: { row: Conversation }) {
  const key = bestKey(row.keys);
  return key ? <Outside class="mono" text={key.value} most={40} /> : <span class="quiet">no key</span>;
}

function MatchedBy({ row }: { row: Conversation }) {
  return row.matchedKinds.length ? <>{row.matchedKinds.join(", ")}</> : <a href="/unmatched?side=calls">why?</a>;
}

interface RowsProps { rows: Conversation[]; opened: () => void }

function Table({ rows, opened }: RowsProps) {
  return (
    <div class="table-scroll">
      <table class="list row-links">
        <thead><tr>
          <th>Started</th><th>State</th><th class="number">Length</th><th class="number roomy-only">Turns</th><th class="number">Slowest turn</th>
          <th class="number">Errors</th><th class="number">Traces</th><th class="roomy-only">Matched by</th><th class="roomy-only">Source</th><th class="roomy-only">Key</th>
        </tr></thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td><a href={pathOf(row)} onClick={opened}><Time at={row.startedAt ?? row.createdAt} /></a>
                {row.title ? <div class="quiet"><Outside text={row.title} most={40} /></div> : null}
                <div class="tight-only"><KeyOf row={row} /> <span class="quiet">{sourceName(row.source)}</span></div></td>
              <td>{row.kind === "chat" ? "Chat" : stateName(row.state)}</td>
              <td class="number"><Length row={row} /></td>
              <td class="number roomy-only"><Counted row={row}>{row.turnCount ?? ""}</Counted></td>
              <td class="number"><Counted row={row}>{row.slowestTurnMs == null ? "" : seconds(row.slowestTurnMs)}</Counted></td>
              <td class="number"><Errors row={row} /></td>
              <td class="number"><Traces row={row} /><div class="tight-only quiet"><MatchedBy row={row} /></div></td>
              <td class="roomy-only"><MatchedBy row={row} /></td>
              <td class="roomy-only">{sourceName(row.source)}</td>
              <td class="roomy-only"><KeyOf row={row} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cards({ rows, opened }: RowsProps) {
  return (
    <ul class="cards">
      {rows.map((row) => (
        <li key={row.id}><a class="card" href={pathOf(row)} onClick={opened}>
          <span class="row spread"><b><Time at={row.startedAt ?? row.createdAt} /></b><span>{row.kind === "chat" ? "Chat" : stateName(row.state)}</span><Length row={row} /></span>
          <span class="row">{row.slowestTurnMs == null ? null : <span>slowest {seconds(row.slowestTurnMs)}</span>}{row.errorTraceCount > 0 ? <Errors row={row} /> : null}{row.title ? <Outside class="quiet" text={row.title} most={40} /> : null}</span>
          <span class="row"><span>{row.traceCount === 0 ? "no trace" : <><Traces row={row} /> {row.traceCount === 1 ? "trace" : "traces"}</>}</span><span>{row.matchedKinds.join(", ")}</span><KeyOf row={row} /></span>
        </a></li>
      ))}
    </ul>
  );
}

function Nothing({ query, set }: { query: Query; set: ReturnType<typeof useQuery>[1] }) {
  const used = FILTERS.filter((name) => name !== "span" && name !== "from" && name !== "to" && query[name]).length;
  if (used === 0 && query["span"] === "all") {
    return <p class="empty">No calls yet. Create one with <code>POST /v1/call</code> or connect LiveKit or VAPI. <a href="/setup">Set-up</a></p>;
  }
  const span = query["from"] || query["to"] ? undefined : SPANS.find((one) => one.id === (query["span"] ?? "24h"));
  const when = !span ? " in this time" : span.ms === null ? "" : ` in the ${span.label.toLowerCase()}`;
  const isLonger = span !== undefined && span.ms !== null && span.id !== LONG;
  return (
    <div class="empty row">
      <span>{used ? `No call matches ${used === 1 ? "this filter" : `these ${used} filters`}${when}.` : `No call${when}.`}</span>
      {used ? <button type="button" class="button small" onClick={() => set(Object.fromEntries(FILTERS.map((name) => [name, undefined])))}>Clear filters</button> : null}
      {isLonger ? <button type="button" class="button small" onClick={() => set({ span: LONG })}>Last 30 days</button> : null}
      {span?.ms === null ? null : <button type="button" class="button small" onClick={() => set({ span: "all", from: undefined, to: undefined })}>Any time</button>}
      <a href="/setup">Set-up</a>
    </div>
  );
}

export default function Calls() {
  const [query, set] = useQuery();
  const [opened] = useState(Date.now);
  const [generation, setGeneration] = useState(0);
  const [newer, setNewer] = useState<Set<string>>(new Set());
  const [more, setMore] = useState<Page<Conversation>[]>([]);
  const [failure, setFailure] = useState<unknown>(null);
  const now = generation === 0 ? opened : generation;
  const address = addressOf(query, now);
  const first = useLoaded(address, (abort) => getPage<Conversation>(address, abort));
  useEffect(() => { setMore([]); setNewer(new Set()); }, [address]);
  const rows = [...first.data?.data ?? [], ...more.flatMap((page) => page.data)];
  const last = more[more.length - 1] ?? first.data;
  // New calls never push rows down: they are counted, and come with a click; rows that are here are refreshed.
  useEffect(() => onLive((event) => {
    if (event.type === "refetch") first.again();
    else if (event.conversation) {
      if (rows.some((row) => row.id === event.conversation)) first.again();
      else if (event.type === "call") setNewer((old) => new Set(old).add(event.conversation!));
    }
  }), [rows.length, address]);
  const show = () => { setGeneration(Date.now()); setNewer(new Set()); first.again(); announce("The list is up to date"); };
  const loadMore = async () => {
    try {
      setMore([...more, await getPage<Conversation>(addressOf(query, now, last!.pagination.nextCursor!))]);
      setFailure(null);
    } catch (error) {
      setFailure(error);
    }
  };
  const total = first.data?.pagination;
  // Who comes back from a call, or sends the address on, sees the same time.
  const fix = () => fixTime(query, "24h", now);
  return (
    <div class="page stack">
      <div class="row spread"><Title text="Calls" />
        {total ? <span class="note">{total.total === null ? `more than ${count(total.atLeast ?? 0)} calls` : plural(total.total, "call")}</span> : null}</div>
      <Filters query={query} set={set} />
      {newer.size > 0 ? <div class="row newer"><span>{plural(newer.size, "newer call")}</span><button type="button" class="button small" onClick={show}>Show</button></div> : null}
      <div id="rows" class="stack" tabIndex={-1}>
      {first.failure ? <Problem failure={first.failure} again={first.again} /> : null}
      {!first.data ? (first.failure ? null : <Loading what="Loading calls" />) : rows.length === 0 ? <Nothing query={query} set={set} /> : (
        <>
          <div class="medium-up"><Table rows={rows} opened={fix} /></div>
          <div class="narrow-only"><Cards rows={rows} opened={fix} /></div>
          {last?.pagination.nextCursor ? <div><button type="button" class="button" onClick={loadMore}>Load {PAGE} more</button></div> : null}
          {failure ? <Problem failure={failure} again={loadMore} /> : null}
        </>
      )}
      </div>
    </div>
  );
}
