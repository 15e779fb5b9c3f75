// GET /v1/live: what changes in the project, one connection for all pages.
import { signal } from "@preact/signals";

export interface LiveEvent { type: "call" | "trace" | "link" | "refetch"; conversation?: string; trace?: string }
export type LiveState = { isLive: boolean; lastAt: number };

export const liveState = signal<LiveState>({ isLive: false, lastAt: Date.now() });

const listeners = new Set<(event: LiveEvent) => void>();
let source: EventSource | null = null;
let closing: ReturnType<typeof setTimeout> | undefined;

function hear(type: LiveEvent["type"]): (message: MessageEvent<string>) => void {
  return (message) => {
    let data: { conversation?: string; trace?: string } = {};
    try { data = JSON.parse(message.data) as typeof data; } catch { /* an event without data says its type */ }
    liveState.value = { isLive: true, lastAt: Date.now() };
    for (const listener of listeners) listener({ type, ...data });
  };
}

/** The browser connects again by itself and sends the last event's id; what it missed comes as "refetch". */
function open(): void {
  source = new EventSource("/v1/live");
  source.onopen = () => { liveState.value = { isLive: true, lastAt: Date.now() }; };
  source.onerror = () => { liveState.value = { ...liveState.value, isLive: false }; };
  for (const type of ["call", "trace", "link", "refetch"] as const) source.addEventListener(type, hear(type));
}

/** Listens until the returned function is called. The connection outlives a change of pages. */
export function onLive(listener: (event: LiveEvent) => void): () => void {
  clearTimeout(closing);
  if (!source || source.readyState === EventSource.CLOSED) open();
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    closing = setTimeout(() => { if (listeners.size === 0) { source?.close(); source = null; } }, 5000);
  };
}
