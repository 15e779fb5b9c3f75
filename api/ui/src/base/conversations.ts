// Rows of GET /v1/conversations as the pages use them.
export interface Key { kind: string; value: string }

export interface Conversation {
  id: string;
  kind: "call" | "chat";
  source: string;
  title: string | null;
  state: "RINGING" | "IN_PROGRESS" | "ENDED" | null;
  createdAt: string;
  startedAt: string | null;
  endedAt: string | null;
  keys: Key[];
  matchedKinds: string[];
  traceCount: number;
  openTraceCount: number;
  tracesEndedAt: string | null;
  errorTraceCount: number;
  errorCount?: number | null;
  turnCount: number | null;
  slowestTurnMs: number | null;
  talliedAt: string | null;
}

export const pathOf = (row: { id: string; kind: string }): string => `/${row.kind === "chat" ? "chats" : "calls"}/${row.id}`;

const STATES: Record<string, string> = { RINGING: "Ringing", IN_PROGRESS: "In progress", ENDED: "Ended" };
export const stateName = (state: string | null): string => state === null ? "Unknown" : STATES[state] ?? state;

const SOURCES: Record<string, string> = {
  api: "API", livekit: "LiveKit", vapi: "VAPI", "livekit-sdk": "LiveKit observer", pipecat: "Pipecat",
};
export const sourceName = (source: string): string => SOURCES[source] ?? source;

/** The key by which people know a conversation: their own id first. */
export function bestKey(keys: Key[]): Key | undefined {
  const order = ["external", "livekit", "vapi", "pipecat", "observer", "trace"];
  return [...keys].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))[0];
}
