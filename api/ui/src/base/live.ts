// GET /v1/live: what changes in the project, one connection for all pages.
import { effect, signal } from "@preact/signals";
import { ask, me, signInReason } from "./api";

export interface LiveEvent { type: "call" | "trace" | "link" | "key" | "refetch"; conversation?: string; trace?: string }
/** Traces, links, or possibly anything. */
export const isOfTraces = (event: LiveEvent): boolean => event.type === "trace" || event.type === "link" || event.type === "refetch";
/** Calls and what belongs to them, too. */
export const isNoKey = (event: LiveEvent): boolean => event.type !== "key";
export type LiveState = { isLive: boolean; lastAt: number };

export const liveState = signal<LiveState>({ isLive: false, lastAt: Date.now() });

const listeners = new Set<(event: LiveEvent) => void>();
let source: EventSource | null = null;
let closing: ReturnType<typeof setTimeout> | undefined;
let again: ReturnType<typeof setTimeout> | undefined;
const AGAIN_MS = 5000;

const isClosed = (): boolean => source === null || source.readyState === EventSource.CLOSED;

function hear(type: LiveEvent["type"]): (message: MessageEvent<string>) => void {
  return (message) => {
    let data: { conversationId?: string; traceId?: string } = {};
    try { data = JSON.parse(message.data) as typeof data; } catch { /* an event without data says its type */ }
    liveState.value = { isLive: true, lastAt: Date.now() };
    const event: LiveEvent = { type, ...(data.conversationId ? { conversation: data.conversationId } : {}), ...(data.traceId ? { trace: data.traceId } : {}) };
    for (const listener of listeners) listener(event);
  };
}

/** The browser connects again by itself and sends the last event's id; what it missed comes as "refetch". */
function open(): void {
  clearTimeout(again);
  source?.close();
  source = new EventSource("/v1/live");
  source.onopen = () => { liveState.value = { isLive: true, lastAt: Date.now() }; };
  source.onerror = () => {
    liveState.value = { ...liveState.value, isLive: false };
    // After an answer that is no stream, such as 503, a browser gives up; then this asks again.
    if (isClosed() && listeners.size > 0 && signInReason.value === null) again = setTimeout(open, AGAIN_MS);
  };
  // The key no longer holds: the next read says so, and the sign-in form opens.
  source.addEventListener("end", () => { source?.close(); void ask("/v1/me").catch(() => undefined); });
  for (const type of ["call", "trace", "link", "key", "refetch"] as const) source.addEventListener(type, hear(type));
}

/** Listens until the returned function is called. The connection outlives a change of pages. */
export function onLive(listener: (event: LiveEvent) => void): () => void {
  clearTimeout(closing);
  listeners.add(listener);
  if (isClosed()) open();
  return () => {
    listeners.delete(listener);
    closing = setTimeout(() => { if (listeners.size === 0) { source?.close(); source = null; } }, 5000);
  };
}

/** For reads that cost: soon after a change, then at most once in `gapMs`, and only while the page is looked at. */
export function onLiveNowAndThen(isWanted: (event: LiveEvent) => boolean, act: () => void, soonMs: number, gapMs: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = 0;
  let isMissed = false; // while nobody looked
  const plan = () => { timer ??= setTimeout(run, Math.max(soonMs, last + gapMs - Date.now())); };
  const run = () => {
    timer = undefined;
    isMissed = document.hidden;
    if (isMissed) return;
    last = Date.now();
    act();
  };
  const look = () => { if (isMissed && !document.hidden) plan(); };
  document.addEventListener("visibilitychange", look);
  const stop = onLive((event) => { if (isWanted(event)) plan(); });
  return () => { stop(); clearTimeout(timer); document.removeEventListener("visibilitychange", look); };
}

// Whoever signs in anew hears on.
effect(() => { if (me.value && listeners.size > 0 && isClosed()) open(); });
