// What was said, with the turns that it belongs to. Pure.
import { ERROR, hasFlag, OPEN, responseNs, roleOf, spanName, type Timeline, type Turn } from "./timeline";

export interface Answer { turn: number; afterNs: number | null; outcome: string; isInterrupted: boolean }
export interface Line { at: number; isAgent: boolean; text: string; answer: Answer | null }

const EARLY_NS = 1.5e9; // a transcript's times and the spans' are not taken at one place

const answerOf = (turn: Turn): Answer => ({ turn: turn.number, afterNs: responseNs(turn), outcome: turn.outcome, isInterrupted: turn.isInterrupted });

/** Lines of a call without a transcript: what its turns hold. */
export function linesOfTurns(turns: readonly Turn[]): Line[] {
  return turns.flatMap((turn) => {
    const lines: Line[] = [];
    if (turn.said) lines.push({ at: turn.start, isAgent: false, text: turn.said, answer: null });
    if (turn.answer) lines.push({ at: turn.waits[0]?.to ?? turn.start, isAgent: true, text: turn.answer, answer: answerOf(turn) });
    return lines;
  });
}

/** To the first line of the agent in a turn, from when it could be heard: what it took. A line is one turn's at most. */
export function answersOf(lines: readonly Line[], turns: readonly Turn[]): Line[] {
  const out = lines.map((line) => ({ ...line }));
  const taken = new Set<number>();
  turns.forEach((turn, index) => {
    const from = (turn.waits[0]?.to ?? turn.start) - EARLY_NS;
    const to = turns[index + 1]?.start ?? Infinity;
    const place = out.findIndex((line, n) => line.isAgent && !taken.has(n) && line.at >= from && line.at < to);
    if (place < 0) return;
    taken.add(place);
    out[place]!.answer = answerOf(turn);
  });
  return out;
}

/** A tool's run as its span tells it. */
export interface ToolRun { name: string; start: number; length: number; isFailed: boolean; isOpen: boolean; spanId: string }

/** Spans that ran a tool, by start; of one inside another only the outer. */
export function toolRuns(timeline: Timeline): ToolRun[] {
  const runs: ToolRun[] = [];
  for (let span = 0; span < timeline.ids.length; span++) {
    const parent = timeline.parent[span]!;
    if (roleOf(timeline, span) !== "tool" || (parent >= 0 && roleOf(timeline, parent) === "tool")) continue;
    runs.push({
      name: timeline.labels[timeline.label[span]!] ?? spanName(timeline, span), start: timeline.start[span]!, length: timeline.length[span]!,
      isFailed: hasFlag(timeline, span, ERROR), isOpen: hasFlag(timeline, span, OPEN), spanId: timeline.ids[span]!,
    });
  }
  return runs.sort((a, b) => a.start - b.start);
}

const APART_NS = 5e9; // what a call tells of a tool and its span may lie so far apart

/** To each tool call that the call tells of, its span: of the same name, the nearest in time. What is left stands alone. */
export function pairTools<T extends { name: string; at: number }>(told: readonly T[], runs: readonly ToolRun[]): { at: number; told: T | null; run: ToolRun | null }[] {
  const rest = new Set(runs);
  const lines = [...told].sort((a, b) => a.at - b.at).map((one) => {
    let best: ToolRun | null = null;
    for (const run of rest) {
      if (run.name === one.name && Math.abs(run.start - one.at) <= APART_NS && (best === null || Math.abs(run.start - one.at) < Math.abs(best.start - one.at))) best = run;
    }
    if (best) rest.delete(best);
    return { at: one.at, told: one as T | null, run: best };
  });
  return [...lines, ...[...rest].map((run) => ({ at: run.start, told: null, run }))].sort((a, b) => a.at - b.at);
}
