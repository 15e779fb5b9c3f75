// The traces that fit, each with the spans that made it fit.
import { Fragment } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { count, duration, durationMs, offset, plural } from "../base/format";
import { Time } from "../base/parts";
import { Hidden, Outside } from "../base/text";
import { getPage, withQuery } from "../base/api";
import { sourceName } from "../base/conversations";
import { titleOf, type Unmatched } from "../base/cure";

export interface MatchedSpan {
  spanId: string; name: string; startOffsetMs: number; durationMs: number; attributes: { key: string; value: unknown; isCut: boolean }[];
}
export interface TraceRow {
  traceId: string; rootState: "root" | "open" | "orphan-only"; rootName: string | null; service: string | null; startedAt: string;
  durationMs: number; spanCount: number; errorCount: number; hasError: boolean; firstSeenAt: string; linked: boolean;
  conversations: { id: string; kind: "call" | "chat"; source: string; startedAt: string | null }[];
  tags: { key: string; value: string }[]; hasMoreTags: boolean; matchedSpans?: MatchedSpan[]; matchedSpansMore?: number;
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

export type Reasons = ReadonlyMap<string, string>;

/** Why rows have no call, asked for once of each row, together. */
export function useReasons(rows: TraceRow[]): Reasons {
  const [reasons, set] = useState<Reasons>(new Map());
  const asked = useRef(new Set<string>());
  const wanted = rows.filter((row) => !row.linked && !asked.current.has(row.traceId)).map((row) => row.traceId);
  useEffect(() => {
    for (let at = 0; at < wanted.length; at += ASKED_MOST) {
      const ids = wanted.slice(at, at + ASKED_MOST);
      ids.forEach((id) => asked.current.add(id));
      // Without a reason the row still says that there is no call.
      getPage<Unmatched>(withQuery("/v1/unmatched", { trace: ids, limit: ASKED_MOST })).then((page) =>
        set((old) => new Map([...old, ...page.data.map((one): [string, string] => [one.trace!.traceId, one.reason])])), () => undefined);
    }
  }, [wanted.join()]);
  return reasons;
}
const ASKED_MOST = 100;

const lower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

function Call({ row, reasons }: { row: TraceRow; reasons: Reasons }) {
  const [first, ...rest] = row.conversations;
  const reason = reasons.get(row.traceId);
  if (!first) return <span class="quiet">none: <a href={withQuery("/unmatched", { reason })}>{reason ? lower(titleOf(reason)) : "why?"}</a></span>;
  return (
    <span><a href={`/${first.kind}s/${first.id}`}>{first.startedAt ? <><Time at={first.startedAt} /> {sourceName(first.source)}<Hidden>, its {first.kind}</Hidden></>
      : `${first.kind === "chat" ? "Chat" : "Call"}, ${sourceName(first.source)}`}</a>{rest.length ? ` and ${count(rest.length)} more` : ""}</span>
  );
}

function Tags({ row }: { row: TraceRow }) {
  const shown = row.tags.slice(0, TAGS_SHOWN);
  const more = row.tags.length - shown.length;
  return (
    <span class="tags over-link" title={row.tags.map(({ key, value }) => `${key} ${value}`).join("\n")}>
      {shown.map(({ key, value }) => <span key={`${key}\n${value}`}><span class="quiet"><Outside text={key} most={24} /></span> <Outside text={value} most={32} /></span>)}
      {more > 0 ? <span class="quiet">{count(more)}{row.hasMoreTags ? " or more" : ""} more</span> : null}
    </span>
  );
}
const TAGS_SHOWN = 3;

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

export interface ResultsProps { rows: TraceRow[]; reasons: Reasons; term: string; opened: () => void }

/** A wide one, with a second line for the spans that matched. */
export function ResultTable({ rows, reasons, term, opened }: ResultsProps) {
  return (
    <div class="table-scroll">
      <table class="list results row-links">
        <thead><tr><th>Start</th><th>Root</th><th>Service</th><th class="number">Duration</th><th class="number roomy-only">Spans</th><th class="number">Errors</th><th class="roomy-only">Tags</th><th>Call</th></tr></thead>
        <tbody>
          {rows.map((row) => (
            <Fragment key={row.traceId}>
              <tr class={row.matchedSpans?.length ? "has-more" : ""}>
                <td><a href={pathOfTrace(row.traceId, undefined, term)} onClick={opened}><Time at={row.startedAt} /></a></td>
                <td><Name row={row} /></td>
                <td>{row.service === null ? <span class="quiet">none</span> : <Outside text={row.service} most={60} />}</td>
                <td class="number"><Length row={row} /></td>
                <td class="number roomy-only">{count(row.spanCount)}</td>
                <td class="number"><Errors row={row} /></td>
                <td class="roomy-only"><Tags row={row} /></td>
                <td><Call row={row} reasons={reasons} /></td>
              </tr>
              {row.matchedSpans?.length ? <tr class="more"><td colSpan={8}><Spans row={row} term={term} opened={opened} /></td></tr> : null}
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function ResultCards({ rows, reasons, term, opened }: ResultsProps) {
  return (
    <ul class="cards">
      {rows.map((row) => (
        <li key={row.traceId} class="card plain">
          <a class="row spread" href={pathOfTrace(row.traceId, undefined, term)} onClick={opened}><b><Time at={row.startedAt} /></b><Name row={row} /></a>
          <span class="row"><Length row={row} />{row.hasError ? <Errors row={row} /> : null}<Call row={row} reasons={reasons} /></span>
          <Spans row={row} term={term} opened={opened} />
        </li>
      ))}
    </ul>
  );
}
