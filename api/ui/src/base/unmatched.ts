// How many traces wait for their call: the number in the bar. Read at most every 20 seconds, and only while looked at.
import { signal } from "@preact/signals";
import { needsMending, type Reason } from "./cure";
import { ask, me, withQuery } from "./api";
import { isOfTraces, onLiveNowAndThen } from "./live";

const DAY_MS = 24 * 3600e3;
const SOON_MS = 2000;
const PAUSE_MS = 20_000;

/** null: not known. */
export const unmatchedCount = signal<{ count: number; isComplete: boolean } | null>(null);

async function read(): Promise<void> {
  if (!me.value?.scopes.includes("read")) return;
  try {
    const from = new Date(Date.now() - DAY_MS).toISOString();
    const answer = await ask<{ reasons: Reason[]; isComplete: boolean }>(withQuery("/v1/unmatched", { side: "traces", counts: true, limit: 1, from }));
    const wanted = answer.reasons.filter((one) => needsMending(one.reason));
    unmatchedCount.value = { count: wanted.reduce((sum, one) => sum + one.count, 0), isComplete: answer.isComplete };
  } catch {
    // The bar goes without a number; the page itself says what is wrong.
  }
}

/** Keeps the number fresh until the returned function is called. */
export function watchUnmatched(): () => void {
  void read();
  return onLiveNowAndThen(isOfTraces, () => void read(), SOON_MS, PAUSE_MS);
}
