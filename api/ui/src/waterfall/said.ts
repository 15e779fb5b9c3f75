// What was said, with the turns that it belongs to. Pure.
import { responseNs, type Turn } from "./timeline";

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
