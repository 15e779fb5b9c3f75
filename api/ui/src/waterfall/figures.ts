// Figures of a call's turns as a table tells them: one unit a column, nearest rank at its foot. Pure.
import { responseNs, STAGES, type Stage, type Turn } from "./timeline";

export type Column = "response" | Stage;
export const COLUMNS: Column[] = [...STAGES, "response"];
export const RANKED_LEAST = 20; // turns from which on a 95th percentile says something

/** A turn's figure in a column; null: it has none. */
export function figureOf(turn: Turn, column: Column): number | null {
  if (column === "response") return responseNs(turn);
  const wait = turn.waits[0];
  return wait && !wait.isOver ? wait.parts[column] : null;
}

export interface Foot { median: number | null; p95: number | null; slowest: number | null }

export function footOf(turns: readonly Turn[], column: Column): Foot {
  const all = turns.map((turn) => figureOf(turn, column)).filter((ns): ns is number => ns !== null).sort((a, b) => a - b);
  const rank = (share: number): number => all[Math.max(0, Math.ceil(share * all.length) - 1)]!;
  return { median: all.length ? rank(0.5) : null, p95: all.length >= RANKED_LEAST ? rank(0.95) : null, slowest: all.length ? all[all.length - 1]! : null };
}

/** How a column writes its figures: seconds as soon as one of them is a second long, else milliseconds. */
export function writerOf(most: number): (ns: number) => string {
  if (most >= 999.5e6) return (ns) => ns === 0 ? "0" : `${(ns / 1e9).toFixed(2)} s`;
  return (ns) => ns === 0 ? "0" : `${Math.round(ns / 1e6)} ms`;
}

export type SortBy = "number" | "start" | "said" | "interrupted" | Column;

/** Turns by a column, the largest figure first; what has none stands last. */
export function sorted(turns: readonly Turn[], by: SortBy): number[] {
  const order = turns.map((_, index) => index);
  const key = (index: number): number | string => {
    const turn = turns[index]!;
    if (by === "number") return turn.number;
    if (by === "start") return turn.start;
    if (by === "said") return turn.said.toLowerCase() || "\uffff";
    if (by === "interrupted") return turn.isInterrupted ? 0 : 1;
    return -(figureOf(turn, by) ?? -1);
  };
  return order.sort((a, b) => { const [x, y] = [key(a), key(b)]; return x < y ? -1 : x > y ? 1 : a - b; });
}
