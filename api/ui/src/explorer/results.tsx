// The traces that fit, each with the spans that made it fit.
import { count, duration, durationMs, offset, plural } from "../base/format";
import { Time } from "../base/parts";
import { Outside } from "../base/text";
import { withQuery } from "../base/api";

export interface MatchedSpan {
  spanId: string; name: string; startOffsetMs: number; durationMs: number; attributes: { key: string; value: unknown; isCut: boolean }[];
}
export interface TraceRow {
  traceId: string; rootState: "root" | "open" | "orphan-only"; rootName: string | null; service: string | null; startedAt: string;
  durationMs: number; spanCount: number; errorCount: number; hasError: boolean; firstSeenAt: string; linked: boolean;
  conversations: { id: string; kind: "call" | "chat" }[]; matchedSpans?: MatchedSpan[]; matchedSpansMore?: number;
}

export const pathOfTrace = (id: string, span?: string, q?: string): string => withQuery(`/traces/${id}`, { span, q });

export const valueText = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value);

function Name({ row }: { row: TraceRow }) {
  return row.rootName === null ? <i>Root not received{row.rootState === "open" ? " yet" : ""}</i> : <Outside text={row.rootName} most={80} />;
}

function Length({ row }: { row: TraceRow }) {
  return <span>{row.rootState === "open" ? "> " : ""}{durationMs(row.durationMs)}</span>;
}

function Errors({ row }: { row: TraceRow }) {
  if (row.errorCount === 0 && !row.hasError) return <span>0</span>;
  return <span class="error-text">{"\u2715"} {count(Math.max(1, row.errorCount))}<span class="hidden-text"> errors</span></span>;
}

function Call({ row }: { row: TraceRow }) {
  const [first, ...rest] = row.conversations;
  if (!first) return <span class="quiet">none: <a href="/unmatched">why?</a></span>;
  return <span><a href={`/${first.kind}s/${first.id}`}>{first.kind === "chat" ? "Chat" : "Call"}</a>{rest.length ? ` and ${count(rest.length)} more` : ""}</span>;
}

function Spans({ row, term, opened }: { row: TraceRow; term: string; opened: () => void }) {
  if (!row.matchedSpans?.length) return null;
  return (
    <ul class="matched" aria-label="Matching spans">
      {row.matchedSpans.map((span) => (
        <li key={span.spanId}>
          <a href={pathOfTrace(row.traceId, span.spanId, term)} onClick={opened}><Outside text={span.name} most={60} /></a>
          <span class="quiet">{span.startOffsetMs < 0 ? "" : "+"}{offset(span.startOffsetMs * 1e6, 1e8)}</span>
          <span>{duration(span.durationMs * 1e6)}</span>
          {span.attributes.map((attribute, i) => (
            <span key={i} class="attribute"><span class="quiet"><Outside text={attribute.key} most={60} /></span> <Outside text={valueText(attribute.value)} most={80} />{attribute.isCut ? "\u2026" : ""}</span>
          ))}
        </li>
      ))}
      {row.matchedSpansMore ? <li class="quiet">{plural(row.matchedSpansMore, "more matching span")}</li> : null}
    </ul>
  );
}

export interface ResultsProps { rows: TraceRow[]; term: string; opened: () => void }

/** A wide one, with a second line for the spans that matched. */
export function ResultTable({ rows, term, opened }: ResultsProps) {
  return (
    <div class="table-scroll">
      <table class="list results">
        <thead><tr><th>Start</th><th>Root</th><th>Service</th><th class="number">Duration</th><th class="number wide-only">Spans</th><th class="number">Errors</th><th>Call</th></tr></thead>
        <tbody>
          {rows.map((row) => (
            <>
              <tr key={row.traceId} class={row.matchedSpans?.length ? "has-more" : ""}>
                <td><a href={pathOfTrace(row.traceId, undefined, term)} onClick={opened}><Time at={row.startedAt} /></a></td>
                <td><Name row={row} /></td>
                <td>{row.service === null ? <span class="quiet">none</span> : <Outside text={row.service} most={60} />}</td>
                <td class="number"><Length row={row} /></td>
                <td class="number wide-only">{count(row.spanCount)}</td>
                <td class="number"><Errors row={row} /></td>
                <td><Call row={row} /></td>
              </tr>
              {row.matchedSpans?.length ? <tr key={`${row.traceId}+`} class="more"><td colSpan={7}><Spans row={row} term={term} opened={opened} /></td></tr> : null}
            </>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function ResultCards({ rows, term, opened }: ResultsProps) {
  return (
    <ul class="cards">
      {rows.map((row) => (
        <li key={row.traceId} class="card plain">
          <a class="row spread" href={pathOfTrace(row.traceId, undefined, term)} onClick={opened}><b><Time at={row.startedAt} /></b><Name row={row} /></a>
          <span class="row"><Length row={row} />{row.hasError ? <Errors row={row} /> : null}<Call row={row} /></span>
          <Spans row={row} term={term} opened={opened} />
        </li>
      ))}
    </ul>
  );
}
