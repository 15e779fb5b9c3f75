// What the server tells of a call's or a trace's spans, as columns. Times are nanoseconds from the axis' zero, exact
// in a double for 104 days.

export type Role = "user" | "endOfTurn" | "llm" | "tool" | "tts" | "other";
export const ROLES: Role[] = ["other", "user", "endOfTurn", "llm", "tool", "tts"]; // as the server numbers them
export const ROLE_NAMES: Record<Role, string> = {
  user: "User speech", endOfTurn: "End of turn", llm: "LLM", tool: "Tool", tts: "TTS, agent speech", other: "Other",
};

export const OPEN = 1, ERROR = 2, ORPHAN = 4, INTERRUPTED = 8, PROVISIONAL = 16, CUT = 32, INNER = 64;

export type Stage = "endOfTurn" | "llm" | "tools" | "firstSentence" | "tts" | "notMeasured";
export const STAGES: Stage[] = ["endOfTurn", "llm", "tools", "firstSentence", "tts", "notMeasured"];
export const STAGE_NAMES: Record<Stage, string> = {
  endOfTurn: "end of turn", llm: "LLM", tools: "tools", firstSentence: "first sentence", tts: "TTS", notMeasured: "not measured",
};

export interface Segment { stage: Stage; from: number; to: number }
export interface StageFigure { stage: Stage; span: number; inWaitNs: number | null; ownNs: number | null; attribute: string | null }

export interface Wait {
  from: number; to: number; parts: Record<Stage, number>; segments: Segment[]; stages: StageFigure[];
  reportedNs: number | null; reportedBy: string | null; measuredNs: number | null; isSumsOnly: boolean; isOver: boolean; sumsNs: number;
}

export interface Turn {
  number: number; kind: string; outcome: string; isInterrupted: boolean; hasError: boolean; span: number; spanCount: number;
  start: number; end: number; said: string; answer: string; waits: Wait[];
}

/** `attribute` is what carried the value; null when it is the trace's own id, or stands on a span that is not shown. */
export interface Match { kind: string; value: string; linkedAt: string; attribute: string | null; foundOn: string; conversation: string; conversationKind: string }

export interface TraceInfo {
  id: string; rootName: string | null; service: string | null; isOpen: boolean; hasRoot: boolean; matches: Match[];
  start: number; end: number; lastSeen: string; spanCount: number; errorCount: number; missingParents: number;
}

/** A trace, or one service in it, whose clock seems to run apart. */
export interface ClockNote { trace: number; service: string | null; aheadNs: number }

export interface Timeline {
  zeroNs: bigint;
  callEnd: number | null;
  isLive: boolean;
  traces: TraceInfo[];
  names: string[];
  services: string[];
  labels: string[];
  ids: string[];
  trace: Int32Array;
  parent: Int32Array;       // row of the parent; -1: none here
  name: Int32Array;         // -1: a parent that was not received
  service: Int32Array;
  label: Int32Array;        // model or tool; -1: none
  start: Float64Array;
  length: Float64Array;     // of what has not ended up to what is known
  role: Uint8Array;         // index into ROLES
  flags: Uint8Array;
  turn: Int32Array;         // index into turns; -1: none
  turns: Turn[];
  shown: number;
  total: number;
  isCut: boolean;
  errors: number;
  clocks: ClockNote[];
  revision: number;
}

export const spanName = (timeline: Timeline, span: number): string => timeline.names[timeline.name[span]!] ?? "Parent not received";
export const roleOf = (timeline: Timeline, span: number): Role => ROLES[timeline.role[span]!] ?? "other";
export const endOf = (timeline: Timeline, span: number): number => timeline.start[span]! + timeline.length[span]!;
export const hasFlag = (timeline: Timeline, span: number, flag: number): boolean => (timeline.flags[span]! & flag) !== 0;
export const letter = (trace: number): string => trace < 26 ? String.fromCharCode(65 + trace) : `${String.fromCharCode(64 + Math.floor(trace / 26))}${String.fromCharCode(65 + trace % 26)}`;

/** The response time of a turn; null when it has none. */
export const responseNs = (turn: Turn): number | null => turn.waits[0] ? turn.waits[0].to - turn.waits[0].from : null;

export function slowestTurn(turns: Turn[]): Turn | null {
  let best: Turn | null = null;
  for (const turn of turns) {
    const ns = responseNs(turn);
    if (ns !== null && (best === null || ns > responseNs(best)!)) best = turn;
  }
  return best;
}

/** First and last instant that anything covers. */
export function extentOf(timeline: Timeline): [number, number] {
  let from = 0;
  let to = timeline.callEnd ?? 0;
  for (let i = 0; i < timeline.start.length; i++) {
    from = Math.min(from, timeline.start[i]!);
    to = Math.max(to, endOf(timeline, i));
  }
  return [from, Math.max(to, from + 1e6)];
}
