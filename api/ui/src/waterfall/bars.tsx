// What stands in a row's timing cell: bars at their place on the axis, and the same in words.
import { duration, offset } from "../base/format";
import type { Row } from "./rows";
import type { Scale } from "./scale";
import type { WaterfallState } from "./state";
import { ERROR, hasFlag, INTERRUPTED, OPEN, responseNs, ROLE_NAMES, roleOf, STAGE_NAMES, type StageFigure, type Timeline, type Turn } from "./timeline";

const SPLIT_THIN = 0.006; // of the window: too thin for a gap beside it

const cut = (at: number, scale: Scale): number => Math.min(Math.max(at, scale.from), scale.to);

/** A child that begins before its parent, or an end before its start: a clock is wrong, nothing is moved. */
export function isBeforeParent(timeline: Timeline, span: number): boolean {
  const parent = timeline.parent[span]!;
  return parent >= 0 && timeline.name[parent]! >= 0 && timeline.start[span]! < timeline.start[parent]!;
}

/** Marks at the edges that a bar goes beyond. */
function Chevrons({ from, to, scale }: { from: number; to: number; scale: Scale }) {
  return (
    <>
      {from < scale.from ? <span class="chevron before">{"\u2039"}</span> : null}
      {to > scale.to ? <span class="chevron behind">{"\u203a"}</span> : null}
    </>
  );
}

function Extent({ from, to, scale, dashed = false }: { from: number; to: number; scale: Scale; dashed?: boolean }) {
  const [left, right] = [cut(from, scale), cut(to, scale)];
  if (!(right > left)) return null;
  return <span class={`extent${dashed ? " dashed" : ""}`} style={{ left: scale.left(left), width: scale.width(left, right) }} />;
}

/** A stage's own figure beside what of it lies in the wait: "LLM 620 ms, 480 ms of it in the wait; lk.response.ttft". */
export function figureText({ stage, ownNs, inWaitNs, attribute }: StageFigure): string {
  const name = STAGE_NAMES[stage];
  const source = attribute ? `; ${attribute}` : "";
  if (ownNs === null) return `${name}${inWaitNs === null ? "" : ` ${duration(inWaitNs)} in the wait`}${source}`;
  if (inWaitNs === null || inWaitNs === ownNs) return `${name} ${duration(ownNs)}${source}`;
  if (inWaitNs < ownNs) return `${name} ${duration(ownNs)}, ${duration(inWaitNs)} of it in the wait${source}`;
  // A request that ended in a tool call counts to its end, not to its first token.
  return `${name} ${duration(inWaitNs)} in the wait; ${attribute ?? "its own figure"} ${duration(ownNs)}`;
}

function SplitBar({ turn, row, scale }: { turn: Turn; row: Row; scale: Scale }) {
  return (
    <>
      <Extent from={row.start} to={row.lastBelow} scale={scale} />
      {turn.waits.filter((wait) => wait.isOver).map((wait, n) => wait.to < scale.from || wait.from > scale.to ? null
        : <span key={`over-${n}`} class="split stage-over" title={`Stages overlap; they add up to ${duration(wait.sumsNs)}`} style={{ left: scale.left(cut(wait.from, scale)), width: scale.width(cut(wait.from, scale), cut(wait.to, scale)) }} />)}
      {turn.waits.flatMap((wait, n) => wait.segments.map((segment, i) => {
        const [left, right] = [cut(segment.from, scale), cut(segment.to, scale)];
        if (segment.to < scale.from || segment.from > scale.to) return null;
        const isThin = (right - left) / (scale.to - scale.from) < SPLIT_THIN;
        const title = [`${STAGE_NAMES[segment.stage]} ${duration(segment.to - segment.from)}`, ...wait.stages.filter((one) => one.stage === segment.stage).map(figureText)].join("\n");
        return <span key={`${n}-${i}`} class={`split stage-${segment.stage}${isThin ? " thin" : ""}`} title={title} style={{ left: scale.left(left), width: scale.width(left, right) }} />;
      }))}
      <Chevrons from={row.start} to={row.lastBelow} scale={scale} />
    </>
  );
}

export function Bar({ state, row }: { state: WaterfallState; row: Row }) {
  const scale = state.scale.value;
  const timeline = state.timeline.value;
  const last = row.hasChildren && !row.isUnfolded ? row.lastBelow : Math.max(row.end, row.start);
  if (row.kind === "turn") return <SplitBar turn={timeline.turns[row.turn]!} row={row} scale={scale} />;
  if (row.kind !== "span") return <><Extent from={row.start} to={row.lastBelow} scale={scale} dashed={row.kind === "missing"} /><Chevrons from={row.start} to={row.lastBelow} scale={scale} /></>;
  const isNegative = row.end < row.start;
  const end = Math.max(row.end, row.start);
  const [left, right] = [cut(row.start, scale), cut(end, scale)];
  const isIn = end >= scale.from && row.start <= scale.to;
  const classes = ["bar", `role-${roleOf(timeline, row.span)}`, hasFlag(timeline, row.span, OPEN) ? "open" : "", hasFlag(timeline, row.span, ERROR) ? "failed" : "",
    row.start === end ? "instant" : ""].filter(Boolean).join(" ");
  return (
    <>
      {last > end ? <Extent from={row.start} to={last} scale={scale} /> : null}
      {isIn ? <span class={classes} style={{ left: scale.left(left), width: scale.width(left, right) }} /> : null}
      {isIn && row.start >= scale.from && (isNegative || isBeforeParent(timeline, row.span)) ? <span class="clock-notch" style={{ left: scale.left(row.start) }} /> : null}
      <Chevrons from={row.start} to={last} scale={scale} />
    </>
  );
}

/** What the timing cell says to who does not see bars. */
export function spoken(timeline: Timeline, row: Row): string {
  if (row.kind === "turn") {
    const turn = timeline.turns[row.turn]!;
    const ns = responseNs(turn);
    const wait = turn.waits[0];
    const parts = wait ? wait.segments.map((one) => `${STAGE_NAMES[one.stage]} ${duration(one.to - one.from)}`).join(", ") : "";
    return `Turn, starts at ${offset(row.start)}, ${ns === null ? turn.outcome : `response time ${duration(ns)}`}${parts ? `: ${parts}` : ""}`;
  }
  if (row.kind !== "span") return `From ${offset(row.start)} to ${offset(row.lastBelow)}`;
  const words = [ROLE_NAMES[roleOf(timeline, row.span)], `starts at ${offset(row.start, 1e6)}`, duration(row.end - row.start)];
  if (hasFlag(timeline, row.span, OPEN)) words.push("open");
  if (hasFlag(timeline, row.span, ERROR)) words.push("error");
  if (hasFlag(timeline, row.span, INTERRUPTED)) words.push("interrupted");
  if (row.end < row.start) words.push("ends before it starts");
  if (isBeforeParent(timeline, row.span)) words.push("starts before its parent");
  return words.join(", ");
}
