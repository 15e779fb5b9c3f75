// A trace, or the spans of one service in it, drawn earlier or later by the reader's choice. What is received stays as it
// is; only a copy is drawn. Pure.
import { letter, type Timeline, type Turn } from "./timeline";

/** By trace letter, or letter/service; nanoseconds that are added. */
export type Shifts = ReadonlyMap<string, number>;

export const shiftKey = (trace: number, service: string | null): string => service === null ? letter(trace) : `${letter(trace)}/${service}`;

/** "B:-3200,C/orders:50", in milliseconds. */
export const writeShifts = (shifts: Shifts): string | undefined =>
  shifts.size === 0 ? undefined : [...shifts].map(([key, ns]) => `${key.split("/").map(encodeURIComponent).join("/")}:${Math.round(ns / 1e6)}`).join(",");

export function readShifts(text: string, timeline: Timeline): Shifts {
  const known = new Set(timeline.traces.flatMap((_, trace) => [shiftKey(trace, null), ...timeline.services.map((service) => shiftKey(trace, service))]));
  const shifts = new Map<string, number>();
  for (const one of text.split(",")) {
    const match = /^(.+):(-?\d{1,9})$/.exec(one);
    if (!match) continue;
    let key: string;
    try { key = match[1]!.split("/").map(decodeURIComponent).join("/"); } catch { continue; }
    if (known.has(key) && Number(match[2]) !== 0) shifts.set(key, Number(match[2]) * 1e6);
  }
  return shifts;
}

/** How far a span is drawn from where it was received. */
export function shiftOf(timeline: Timeline, shifts: Shifts, span: number): number {
  if (shifts.size === 0) return 0;
  const trace = timeline.trace[span]!;
  const service = timeline.services[timeline.service[span]!];
  return (shifts.get(shiftKey(trace, null)) ?? 0) + (service === undefined ? 0 : shifts.get(shiftKey(trace, service)) ?? 0);
}

function shiftedTurn(turn: Turn, by: number): Turn {
  if (by === 0) return turn;
  return {
    ...turn, start: turn.start + by, end: turn.end + by,
    waits: turn.waits.map((wait) => ({ ...wait, from: wait.from + by, to: wait.to + by, segments: wait.segments.map((one) => ({ ...one, from: one.from + by, to: one.to + by })) })),
  };
}

export function shifted(timeline: Timeline, shifts: Shifts): Timeline {
  if (shifts.size === 0) return timeline;
  return {
    ...timeline,
    start: timeline.start.map((at, span) => at + shiftOf(timeline, shifts, span)),
    traces: timeline.traces.map((trace, index) => {
      const by = shifts.get(shiftKey(index, null)) ?? 0;
      return { ...trace, start: trace.start + by, end: trace.end + by };
    }),
    turns: timeline.turns.map((turn) => shiftedTurn(turn, turn.span < 0 ? 0 : shiftOf(timeline, shifts, turn.span))),
  };
}
