// The server's timeline, as it comes, into typed columns. Throws when it is not one.
import { nsOf } from "../base/format";
import { OPEN, STAGES, type Match, type Stage, type Timeline, type TraceInfo, type Turn, type Wait } from "./timeline";

interface WireStage { stage: Stage; trace?: number; spanId: string | null; inWaitNs: number | null; ownNs: number | null; attribute: string | null }
interface WireWait {
  startNs: number; lengthNs: number; reportedNs: number | null; reportedBy: string | null; measuredNs: number | null; isSumsOnly: boolean;
  overlapNs: number | null; parts: Record<Stage, number>; segments: [Stage, number, number][]; stages: WireStage[];
}
interface WireTurn {
  number: number; kind: string; outcome: string; isInterrupted: boolean; hasError: boolean; startNs: number; lengthNs: number; spanCount: number;
  said: string | null; answer: string | null; topTraces: number[]; topSpans: string[]; waits: WireWait[];
}
interface WireTrace {
  traceId: string; rootName: string | null; rootSpanId: string | null; service: string | null; isOpen: boolean; startNs: number; lengthNs: number;
  lastSeenAt: string; spanCount: number; errorCount: number; missingParents: number;
}
interface WireLink {
  trace: number; conversationId: string; conversationKind: string; kind: string; value: string; linkedAt: string;
  foundOn: { attribute: string; isResource: boolean; spanName?: string } | null;
}
export interface WireColumns {
  trace: number[]; id: string[]; parent: number[]; name: number[]; service: number[]; label: number[]; startNs: number[]; lengthNs: number[];
  role: number[]; flags: number[]; turn: number[];
}
export interface WireTimeline {
  kind: string; id: string; zero: string; endNs: number | null; isLive: boolean; revision: number; isChanges: boolean; isChanged: boolean;
  spanCount: number; spanTotal: number; isCut: boolean; errorCount: number; names: string[]; services: string[]; labels: string[]; traces: WireTrace[];
  columns: WireColumns;
  turns: WireTurn[]; links: WireLink[]; clocks: { about: string; trace: number; service: string | null; aheadNs: number }[];
}

function waitOf(wire: WireWait, rowOf: (trace: number, id: string) => number): Wait {
  return {
    from: wire.startNs, to: wire.startNs + wire.lengthNs,
    parts: Object.fromEntries(STAGES.map((stage) => [stage, wire.parts[stage] ?? 0])) as Record<Stage, number>,
    segments: wire.segments.map(([stage, at, length]) => ({ stage, from: wire.startNs + at, to: wire.startNs + at + length })),
    stages: wire.stages.map((one) => ({
      stage: one.stage, span: one.spanId === null ? -1 : rowOf(one.trace ?? 0, one.spanId), inWaitNs: one.inWaitNs, ownNs: one.ownNs, attribute: one.attribute,
    })),
    reportedNs: wire.reportedNs, reportedBy: wire.reportedBy, measuredNs: wire.measuredNs, isSumsOnly: wire.isSumsOnly,
    isOver: wire.overlapNs !== null, sumsNs: wire.overlapNs ?? 0,
  };
}

function placeOf(link: WireLink): string {
  if (!link.foundOn) return "";
  return link.foundOn.isResource ? `${link.foundOn.attribute}, on the resource` : `${link.foundOn.attribute}, on ${link.foundOn.spanName ?? "a span"}`;
}

const ARRIVING_MS = 30_000;

/** Up to when a trace's open spans run: to now while its spans arrive, else to the last end known. */
function openUntil(trace: WireTrace, zeroNs: bigint, nowMs: number): number {
  const last = trace.startNs + trace.lengthNs;
  const isArriving = trace.isOpen && Math.abs(nowMs - Date.parse(trace.lastSeenAt)) < ARRIVING_MS;
  return isArriving ? Math.max(last, nowMs * 1e6 - Number(zeroNs)) : last;
}

export function decode(wire: WireTimeline, nowMs: number): Timeline {
  const zeroNs = nsOf(wire.zero);
  if (zeroNs === null) throw new Error("The timeline has no beginning.");
  const { columns } = wire;
  const rows = new Map<string, number>();
  columns.id.forEach((id, row) => rows.set(`${columns.trace[row]}/${id}`, row));
  const rowOf = (trace: number, id: string): number => rows.get(`${trace}/${id}`) ?? -1;
  const matches: Match[][] = wire.traces.map(() => []);
  for (const link of wire.links) {
    matches[link.trace]?.push({ kind: link.kind, value: link.value, linkedAt: link.linkedAt, attribute: link.foundOn?.attribute ?? null, foundOn: placeOf(link), conversation: link.conversationId, conversationKind: link.conversationKind });
  }
  const traces: TraceInfo[] = wire.traces.map((trace, index) => ({
    id: trace.traceId, rootName: trace.rootName, service: trace.service, isOpen: trace.isOpen, hasRoot: trace.rootSpanId !== null, matches: matches[index]!,
    start: trace.startNs, end: trace.startNs + trace.lengthNs, lastSeen: trace.lastSeenAt, spanCount: trace.spanCount, errorCount: trace.errorCount, missingParents: trace.missingParents,
  }));
  const turns: Turn[] = wire.turns.map((turn) => ({
    number: turn.number, kind: turn.kind, outcome: turn.outcome, isInterrupted: turn.isInterrupted, hasError: turn.hasError,
    span: turn.topSpans.length ? rowOf(turn.topTraces[0]!, turn.topSpans[0]!) : -1, spanCount: turn.spanCount, start: turn.startNs,
    end: turn.startNs + turn.lengthNs, said: turn.said ?? "", answer: turn.answer ?? "", waits: turn.waits.map((wait) => waitOf(wait, rowOf)),
  }));
  const until = wire.traces.map((trace) => openUntil(trace, zeroNs, nowMs));
  const lengthOf = (ns: number | null, row: number): number => columns.flags[row]! & OPEN ? Math.max(ns ?? 0, until[columns.trace[row]!]! - columns.startNs[row]!) : ns ?? 0;
  return {
    zeroNs, callEnd: wire.endNs, isLive: wire.isLive, traces, names: wire.names, services: wire.services, labels: wire.labels, ids: columns.id,
    trace: Int32Array.from(columns.trace), parent: Int32Array.from(columns.parent), name: Int32Array.from(columns.name),
    service: Int32Array.from(columns.service), label: Int32Array.from(columns.label), start: Float64Array.from(columns.startNs),
    length: Float64Array.from(columns.lengthNs, lengthOf), role: Uint8Array.from(columns.role), flags: Uint8Array.from(columns.flags),
    turn: Int32Array.from(columns.turn), turns, shown: wire.spanCount, total: wire.spanTotal, isCut: wire.isCut, errors: wire.errorCount,
    clocks: wire.clocks, revision: wire.revision,
  };
}
