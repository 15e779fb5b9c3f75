// Why is it not linked, and what do I change: reasons with counts, and the cure with the reader's own values.
import { useEffect, useRef, useState } from "preact/hooks";
import { getPage, withQuery, type Page } from "../base/api";
import { pathOf, sourceName } from "../base/conversations";
import { count, plural } from "../base/format";
import { isNoKey, onLiveNowAndThen } from "../base/live";
import { announce, CopyButton, Loading, Problem, Time, Title, useLoaded } from "../base/parts";
import { rangeOf, SPANS, useQuery, type Query } from "../base/query";
import { Outside } from "../base/text";
import { cureOf, needsMending, titleOf, type Reason, type Unmatched } from "../base/cure";

const PAGE = 25;
const SOON_MS = 1000;
const GAP_MS = 5000;

type Answer = Page<Unmatched> & { reasons: Reason[]; examined: number; isComplete: boolean };
type Side = "traces" | "calls";

function Cure({ row }: { row: Unmatched }) {
  const cure = cureOf(row);
  return (
    <div class="cure stack">
      <p><Outside text={row.sentence} /></p>
      {cure ? (
        <figure class="pair">
          <figcaption class="label">{cure.where}</figcaption>
          {cure.minus === null ? null : <pre class="minus"><span aria-hidden="true">- </span><span class="hidden-text">now: </span><Outside text={cure.minus} most={400} /></pre>}
          <div class="row"><pre class="plus"><span aria-hidden="true">+ </span><span class="hidden-text">change to: </span><Outside text={cure.plus} most={400} /></pre>
            <CopyButton value={() => cure.plus} label="Copy the new line" /></div>
        </figure>
      ) : null}
      <p class="note"><Outside text={row.change} /></p>
    </div>
  );
}

function OfTrace({ row }: { row: Unmatched }) {
  const trace = row.trace!;
  return (
    <a class="row" href={`/traces/${trace.traceId}`}>
      <Time at={trace.startedAt} />
      {trace.rootName === null ? <i>Root not received</i> : <Outside text={trace.rootName} most={60} />}
      {trace.service === null ? null : <span class="quiet"><Outside text={trace.service} most={60} /></span>}
      <span class="quiet">{plural(trace.spanCount, "span")}</span>
      {trace.hasError ? <span class="error-text">{"\u2715"} errors</span> : null}
    </a>
  );
}

function OfCall({ row }: { row: Unmatched }) {
  const call = row.conversation!;
  return (
    <a class="row" href={pathOf(call)}>
      <Time at={call.createdAt} /><span>{call.kind === "chat" ? "Chat" : "Call"}</span><span class="quiet">{sourceName(call.source)}</span>
      {call.title === null ? null : <Outside text={call.title} most={60} />}
    </a>
  );
}

const sameCure = (a: Unmatched, b: Unmatched): boolean => JSON.stringify([cureOf(a), a.sentence, a.change]) === JSON.stringify([cureOf(b), b.sentence, b.change]);

/** `first` is the row whose cure stands above; another's is its own when its values are. */
function Row({ row, first }: { row: Unmatched; first: Unmatched }) {
  return (
    <li class="unmatched-row">
      <div class="row">{row.trace ? <OfTrace row={row} /> : <OfCall row={row} />}
        {row.keys.map((key, i) => <span key={i} class="tag">{key.kind} <Outside class="mono" text={key.value} most={40} /></span>)}
        {needsMending(row.reason) ? null : <span class="tag">nothing to mend</span>}
      </div>
      {row === first || sameCure(row, first) ? null : <details><summary>With its own values</summary><Cure row={row} /></details>}
    </li>
  );
}

const idOf = (row: Unmatched): string => row.trace?.traceId ?? row.conversation!.id;

/** What to change stands once for each reason, with the values of the newest row of it. */
function Group({ rows, total }: { rows: Unmatched[]; total: number | undefined }) {
  const first = rows[0]!;
  return (
    <section class="unmatched-group stack">
      <h2>{titleOf(first.reason)} <span class="quiet">{total === undefined || total === rows.length ? count(rows.length) : `${count(rows.length)} of ${count(total)}`}</span></h2>
      <Cure row={first} />
      <ul>{rows.map((row) => <Row key={idOf(row)} row={row} first={first} />)}</ul>
    </section>
  );
}

function Groups({ rows, reasons }: { rows: Unmatched[]; reasons: Reason[] }) {
  const groups = new Map<string, Unmatched[]>();
  for (const row of rows) groups.set(row.reason, [...groups.get(row.reason) ?? [], row]);
  const place = (reason: string): number => { const at = reasons.findIndex((one) => one.reason === reason); return at < 0 ? reasons.length : at; };
  return <>{[...groups].sort(([a], [b]) => place(a) - place(b)).map(([reason, list]) => <Group key={reason} rows={list} total={reasons.find((one) => one.reason === reason)?.count} />)}</>;
}

function Reasons({ reasons, chosen, hrefOf }: { reasons: Reason[]; chosen: string | undefined; hrefOf: (reason: string | undefined) => string }) {
  const all = reasons.reduce((sum, one) => sum + one.count, 0);
  if (all === 0 && chosen === undefined) return null;
  const line = (reason: string | undefined, label: string, number: number) => (
    <li key={reason ?? ""}><a href={hrefOf(reason)} aria-current={chosen === reason ? "true" : undefined}><span class="number">{count(number)}</span><span>{label}</span></a></li>
  );
  return (
    <nav aria-label="Reasons" class="reasons">
      <ul>{line(undefined, "All reasons", all)}{reasons.map((one) => line(one.reason, titleOf(one.reason), one.count))}</ul>
    </nav>
  );
}

const SIDES: [Side, string][] = [["traces", "Traces without a call"], ["calls", "Calls without a trace"]];

const hrefOf = (query: Query, changes: Record<string, string | undefined>): string => withQuery("/unmatched", { ...query, ...changes });

function Sides({ query, side, counts }: { query: Query; side: Side; counts: Record<Side, string> }) {
  return (
    <nav class="tabs row" aria-label="Sides">
      {SIDES.map(([id, label]) => <a key={id} href={hrefOf(query, { side: id, reason: undefined })} aria-current={id === side ? "page" : undefined}>{label} {counts[id]}</a>)}
    </nav>
  );
}

function Nothing({ side, spanLabel, reason }: { side: Side; spanLabel: string; reason: string | undefined }) {
  if (reason) return <p class="empty">Nothing is left under "{titleOf(reason)}".</p>;
  return <p class="empty">{side === "traces" ? `Every trace of ${spanLabel} has its call.` : `Every call of ${spanLabel} has a trace.`}</p>;
}

/** Reads again, a moment after something changed, so that rows leave when they link. */
function useLiveAgain(again: () => void): void {
  const latest = useRef(again);
  latest.current = again;
  useEffect(() => onLiveNowAndThen(isNoKey, () => latest.current(), SOON_MS, GAP_MS), []);
}

export default function UnmatchedPage() {
  const [query, set] = useQuery();
  const [opened] = useState(Date.now);
  const [more, setMore] = useState<Answer[]>([]);
  const [failure, setFailure] = useState<unknown>(null);
  const side: Side = query["side"] === "calls" ? "calls" : "traces";
  const reason = query["reason"];
  const range = rangeOf(query, "24h", opened);
  const all = withQuery("/v1/unmatched", { counts: true, limit: 1, ...range });
  const address = withQuery("/v1/unmatched", { side, reason, limit: PAGE, ...range });
  const summary = useLoaded(all, (abort) => getPage<Unmatched>(all, abort) as Promise<Answer>);
  const first = useLoaded(address, (abort) => getPage<Unmatched>(address, abort) as Promise<Answer>);
  useEffect(() => setMore([]), [address]);
  useLiveAgain(() => { summary.again(); first.again(); });
  const seen = new Set<string>();
  const rows = [...first.data?.data ?? [], ...more.flatMap((page) => page.data)].filter((row) => {
    const id = idOf(row);
    return !seen.has(id) && seen.add(id);
  });
  const before = useRef(0);
  useEffect(() => {
    if (first.data && rows.length < before.current) announce(`${plural(before.current - rows.length, "row")} left the list`);
    before.current = rows.length;
  }, [rows.length]);
  const last = more[more.length - 1] ?? first.data;
  const loadMore = async () => {
    try {
      setMore([...more, await getPage<Unmatched>(`${address}&after=${encodeURIComponent(last!.pagination.nextCursor!)}`) as Answer]);
      setFailure(null);
    } catch (error) {
      setFailure(error);
    }
  };
  const reasons = summary.data?.reasons ?? [];
  const countOf = (of: Side): string => {
    if (!summary.data) return "";
    const number = reasons.filter((one) => one.side === of).reduce((sum, one) => sum + one.count, 0);
    return count(number) + (summary.data.isComplete ? "" : "+");
  };
  const spanLabel = query["from"] || query["to"] ? "this time" : `the ${(SPANS.find((span) => span.id === (query["span"] ?? "24h"))?.label ?? "time").toLowerCase()}`;
  return (
    <div class="page stack">
      <div class="row spread"><Title text="Unmatched" />
        <select class="select" aria-label="Time" value={query["from"] || query["to"] ? "" : query["span"] ?? "24h"}
          onChange={(event) => set({ span: event.currentTarget.value, from: undefined, to: undefined })}>
          {query["from"] || query["to"] ? <option value="">As in the address</option> : null}
          {SPANS.map((span) => <option key={span.id} value={span.id}>{span.label}</option>)}
        </select>
      </div>
      <Sides query={query} side={side} counts={{ traces: countOf("traces"), calls: countOf("calls") }} />
      {first.failure ? <Problem failure={first.failure} again={first.again} /> : null}
      {!first.data ? (first.failure ? null : <Loading what="Loading what is not linked" />) : (
        <div class={reasons.some((one) => one.side === side) || reason ? "two-columns" : ""}>
          <Reasons reasons={reasons.filter((one) => one.side === side)} chosen={reason} hrefOf={(one) => hrefOf(query, { side, reason: one })} />
          <div class="stack">
            {rows.length === 0 && !last?.pagination.nextCursor ? <Nothing side={side} spanLabel={spanLabel} reason={reason} /> : (
              <>
                <p class="note">A row leaves this list when it links.</p>
                <Groups rows={rows} reasons={reasons.filter((one) => one.side === side)} />
                {last?.pagination.nextCursor ? <div><button type="button" class="button" onClick={loadMore}>Load {PAGE} more</button></div> : null}
              </>
            )}
            {failure ? <Problem failure={failure} again={loadMore} /> : null}
          </div>
        </div>
      )}
    </div>
  );
}
