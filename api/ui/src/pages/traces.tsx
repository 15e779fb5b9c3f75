// The explorer: how often does this happen, since when, show me some.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { Failure, get, getPage, type Page } from "../base/api";
import { count, plural } from "../base/format";
import { isOfTraces, onLiveNowAndThen } from "../base/live";
import { announce, FilterFold, Loading, Problem, Title, useLoaded } from "../base/parts";
import { fixTime, rangeOf, SPANS } from "../base/query";
import { noteSizes } from "../base/sizes";
import { Outside } from "../base/text";
import { FilterBox } from "../explorer/filter-box";
import { filtersOf, parameterOf, partsOf, refusedFilter, searchTerm, withFilters, type Filter } from "../explorer/filters";
import { GroupBy, GroupList } from "../explorer/groups";
import { Histogram, HistogramRoom, type Counts } from "../explorer/histogram";
import { ResultCards, ResultTable, useReasons, type TraceRow } from "../explorer/results";

const PAGE = 50;
const SPAN = "24h";
const SOON_MS = 1000;
const GAP_MS = 5000;

/** This address's parameters, repeated ones and all. */
function useParameters(): [URLSearchParams, (next: URLSearchParams, replace?: boolean) => void] {
  const { path, url, route } = useLocation();
  const at = url.indexOf("?");
  const query = useMemo(() => new URLSearchParams(at < 0 ? "" : url.slice(at + 1)), [url]);
  return [query, (next, replace = false) => { const text = next.toString(); route(text ? `${path}?${text}` : path, replace); }];
}

const changed = (query: URLSearchParams, changes: Record<string, string | undefined>): URLSearchParams => {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) next.delete(name); else next.set(name, value);
  }
  return next;
};

function addressOf(path: string, filters: Filter[], range: { from?: string; to?: string }, more: Record<string, string | number> = {}): string {
  const query = new URLSearchParams(filters.map(parameterOf));
  for (const [name, value] of Object.entries({ ...range, ...more })) query.append(name, String(value));
  return `${path}?${query}`;
}

type Range = { from?: string; to?: string };

const textOf = (filter: Filter): string => {
  const { field, relation, value } = partsOf(filter);
  return `${field} ${relation} ${value}`.trimEnd().slice(0, 120);
};

/** How many traces lie in this time at all, and which filters match none of them even alone. */
async function blame(filters: Filter[], range: Range, abort: AbortSignal): Promise<{ all: string; alone: Filter[] }> {
  const totalOf = async (some: Filter[]) => (await getPage<TraceRow>(addressOf("/v1/traces", some, range, { limit: 1 }), abort));
  const [all, ...pages] = await Promise.all([totalOf([]), ...(filters.length > 1 ? filters.slice(0, 6) : []).map((filter) => totalOf([filter]))]);
  const { total, atLeast = 0 } = all!.pagination;
  return { all: total === null ? `More than ${count(atLeast)} traces lie` : `${plural(total, "trace")} ${total === 1 ? "lies" : "lie"}`,
    alone: filters.filter((_, i) => pages[i] && pages[i].data.length === 0 && pages[i].pagination.nextCursor === null) };
}

function Nothing({ filters, range, clear, anyTime }: { filters: Filter[]; range: Range; clear: () => void; anyTime: () => void }) {
  const why = useLoaded(addressOf("", filters, range), async (abort) => filters.length ? blame(filters, range, abort) : null);
  const any = <button type="button" class="button small" onClick={anyTime}>Any time</button>;
  if (filters.length === 0) return <div class="empty row"><span>No traces in this time.</span>{any}<a href="/setup">Set-up</a></div>;
  const alone = why.data?.alone ?? [];
  return (
    <div class="empty row">
      <span>No trace matches{filters.length === 1 ? <> "<Outside text={textOf(filters[0]!)} />"</> : ` these ${filters.length} filters together`}.
        {why.data ? ` ${why.data.all} in this time` : ""}{alone.length && why.data ? <>; "<Outside text={textOf(alone[0]!)} />" alone matches none</> : null}{why.data ? "." : ""}</span>
      <button type="button" class="button small" onClick={clear}>Clear filters</button>{any}
    </div>
  );
}

/** Traces that came since the list was read; they come in with a click only. */
function useNewer(address: string, rows: TraceRow[]): { newer: number; fresh: Map<string, TraceRow>; forget: () => void } {
  const [newer, setNewer] = useState(0);
  const [fresh, setFresh] = useState<Map<string, TraceRow>>(new Map());
  const shown = useRef<TraceRow[]>(rows);
  shown.current = rows;
  useEffect(() => {
    setNewer(0);
    setFresh(new Map());
    const abort = new AbortController();
    const peek = () => {
      getPage<TraceRow>(address, abort.signal).then((page) => {
        const known = new Set(shown.current.map((row) => row.traceId));
        const first = shown.current[0]?.startedAt ?? "";
        setFresh(new Map(page.data.filter((row) => known.has(row.traceId)).map((row) => [row.traceId, row])));
        setNewer(page.data.filter((row) => !known.has(row.traceId) && row.startedAt >= first).length);
      }, () => undefined);
    };
    const stop = onLiveNowAndThen(isOfTraces, peek, SOON_MS, GAP_MS);
    return () => { stop(); abort.abort(); };
  }, [address]);
  return { newer, fresh, forget: () => { setNewer(0); setFresh(new Map()); } };
}

interface ListProps {
  address: string; filters: Filter[]; range: Range; opened: () => void; clear: () => void; anyTime: () => void; onFailure: (failure: unknown) => void; onShow: () => void; isRefused: boolean;
}

function List({ address, filters, range, opened, clear, anyTime, onFailure, onShow, isRefused }: ListProps) {
  const first = useLoaded(address, (abort) => getPage<TraceRow>(address, abort));
  const [more, setMore] = useState<Page<TraceRow>[]>([]);
  const [failure, setFailure] = useState<unknown>(null);
  useEffect(() => setMore([]), [address]);
  useEffect(() => onFailure(first.failure), [first.failure]);
  const last = more[more.length - 1] ?? first.data;
  const seen = new Set<string>();
  const read = [...first.data?.data ?? [], ...more.flatMap((page) => page.data)]
    .filter((row) => !seen.has(row.traceId) && seen.add(row.traceId));
  const { newer, fresh, forget } = useNewer(address, read);
  const rows = read.map((row) => fresh.get(row.traceId) ?? row);
  useEffect(() => noteSizes(rows), [rows.length, fresh]);
  const show = () => { setMore([]); forget(); first.again(); onShow(); announce("The list is up to date"); };
  const loadMore = async () => {
    try {
      setMore([...more, await getPage<TraceRow>(`${address}&after=${encodeURIComponent(last!.pagination.nextCursor!)}`)]);
      setFailure(null);
    } catch (error) {
      setFailure(error);
    }
  };
  const props = { rows, reasons: useReasons(rows), term: searchTerm(filters), opened };
  return (
    <>
      {newer > 0 ? <div class="row newer"><span>{newer >= PAGE ? `${count(newer)} or more newer traces` : plural(newer, "newer trace")}</span><button type="button" class="button small" onClick={show}>Show</button></div> : null}
      {first.failure && !isRefused ? <Problem failure={first.failure} again={first.again} /> : null}
      {!first.data ? (first.failure ? null : <Loading what="Loading traces" />) : rows.length === 0 && !last?.pagination.nextCursor ? <Nothing filters={filters} range={range} clear={clear} anyTime={anyTime} /> : (
        <>
          <div class="medium-up"><ResultTable {...props} /></div>
          <div class="narrow-only"><ResultCards {...props} /></div>
          {last?.pagination.nextCursor ? <div class="row"><button type="button" class="button" onClick={loadMore}>Load {PAGE} more</button>
            {rows.length === 0 ? <span class="note">None among the newest; older traces were not searched yet.</span> : null}</div> : null}
          {failure ? <Problem failure={failure} again={loadMore} /> : null}
        </>
      )}
    </>
  );
}

export default function Traces() {
  const [query, go] = useParameters();
  const [opened] = useState(Date.now);
  const [failure, setFailure] = useState<unknown>(null);
  const [isUnfolded, unfold] = useState(false);
  const filters = useMemo(() => filtersOf(query), [query]);
  const range = rangeOf(Object.fromEntries(query), SPAN, opened);
  const by = query.get("by") ?? undefined;
  const counts = useLoaded(addressOf("/v1/traces/histogram", filters, range),
    (abort) => get<Counts>(addressOf("/v1/traces/histogram", filters, range), abort));
  const kept = useRef<Counts | null>(null); // shown until those of the new filters are there
  if (counts.data) kept.current = counts.data;
  const isAbsolute = query.has("from") || query.has("to");
  const narrow = (from: number, to: number) => go(changed(query, { from: new Date(from).toISOString(), to: new Date(to).toISOString(), span: undefined }));
  const clear = () => go(withFilters(query, []));
  // Who comes back from a result, or sends the address on, sees the same time.
  const fix = () => fixTime(Object.fromEntries(query), SPAN, opened);
  const sentence = failure instanceof Failure && failure.status === 400 ? failure.message : "";
  const refused = sentence ? refusedFilter(filters, sentence) : -1;
  const hrefOf = (filter: Filter): string => `/traces?${changed(withFilters(query, [...filters, filter]), { by: undefined, pick: undefined })}`;
  const pick = (values: string[]) => {
    const next = changed(query, { pick: undefined });
    for (const value of values) next.append("pick", value);
    go(next, true);
  };
  return (
    <div class="page stack">
      <Title text="Traces" />
      <div class={`row explorer-bar foldable${isUnfolded || refused >= 0 ? " unfolded" : ""}`} id="filters" tabIndex={-1} role="search">
        <FilterFold used={filters.length} isOpen={isUnfolded || refused >= 0} onToggle={() => unfold(!isUnfolded)} />
        <FilterBox filters={filters} onChange={(next) => go(withFilters(query, next))} refusal={refused >= 0 ? { index: refused, sentence } : null} />
        <select class="select" aria-label="Time" value={isAbsolute ? "" : query.get("span") ?? SPAN}
          onChange={(event) => go(changed(query, { span: event.currentTarget.value, from: undefined, to: undefined }))}>
          {isAbsolute ? <option value="">As in the address</option> : null}
          {SPANS.map((span) => <option key={span.id} value={span.id}>{span.label}</option>)}
        </select>
        <GroupBy by={by} onChange={(next) => go(changed(query, { by: next, pick: undefined }))} />
        {filters.length ? <button type="button" class="button folds" onClick={clear}>Clear</button> : null}
      </div>
      {counts.failure && !counts.data ? null : kept.current ? <Histogram counts={kept.current} choose={narrow} isStale={!counts.data} /> : <HistogramRoom />}
      <div id="rows" class="stack" tabIndex={-1}>
      {by ? <GroupList address={addressOf("/v1/traces/groups", filters, range, { by })} by={by} picked={query.getAll("pick")} onPick={pick} hrefOf={hrefOf} />
        : <List address={addressOf("/v1/traces", filters, range, { limit: PAGE })} filters={filters} range={range} opened={fix} clear={clear}
          anyTime={() => go(changed(query, { span: "all", from: undefined, to: undefined }))} onFailure={setFailure} onShow={counts.again} isRefused={refused >= 0} />}
      </div>
    </div>
  );
}
