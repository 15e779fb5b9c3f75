// Timelines made by tests.
import { ERROR, STAGES, type Stage, type Timeline, type Turn } from "../src/waterfall/timeline";

export interface Given { parent: number; start: number; length: number; turn?: number; flags?: number }

export function turn(number: number, from: number, ns: number | null, kind = "spoken"): Turn {
  const parts = Object.fromEntries(STAGES.map((stage) => [stage, 0])) as Record<Stage, number>;
  parts.llm = ns ?? 0;
  return {
    number, kind, outcome: ns === null ? "no answer" : "answered", isInterrupted: false, hasError: false, span: -1, spanCount: 1, start: from, end: from + (ns ?? 0), said: "", answer: "",
    waits: ns === null ? [] : [{ from, to: from + ns, parts, segments: [], stages: [], reportedNs: null, reportedBy: null, measuredNs: null, isSumsOnly: false, isOver: false, sumsNs: 0 }],
  };
}

export function timeline(spans: Given[], turns: Turn[] = []): Timeline {
  const none = (): Int32Array => new Int32Array(spans.length).fill(-1);
  return {
    zeroNs: 0n, callEnd: null, isLive: false, names: spans.map((_, i) => `span ${i}`), services: [], labels: [],
    traces: [{ id: "trace", rootName: null, service: null, isOpen: false, hasRoot: true, matches: [], start: 0, end: 0, lastSeen: "", spanCount: 0, errorCount: 0, missingParents: 0 }],
    ids: spans.map((_, i) => i.toString(16).padStart(8, "0").padEnd(16, "0")), trace: new Int32Array(spans.length), parent: Int32Array.from(spans, (one) => one.parent),
    name: Int32Array.from(spans, (_, i) => i), service: none(), label: none(), start: Float64Array.from(spans, (one) => one.start), length: Float64Array.from(spans, (one) => one.length),
    role: new Uint8Array(spans.length), flags: Uint8Array.from(spans, (one) => one.flags ?? 0), turn: Int32Array.from(spans, (one) => one.turn ?? -1), turns, shown: spans.length,
    total: spans.length, isCut: false, errors: spans.filter((one) => ((one.flags ?? 0) & ERROR) !== 0).length, clocks: [], revision: 0,
  };
}
