// What lies over the rows' timeline: marks of time, breaks, what is outside the call, the line under the pointer.
import { useRef } from "preact/hooks";
import type { Signal } from "@preact/signals";
import { clockTime, duration, offset, zone } from "../base/format";
import { textScale } from "../base/settings";
import type { Range } from "./gestures";
import type { Scale } from "./scale";
import type { WaterfallState } from "./state";

const STEPS = [1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8, 2e8, 5e8, 1e9, 2e9, 5e9, 1e10, 1.5e10, 3e10, 6e10, 1.2e11, 3e11, 6e11, 1.8e12, 3.6e12, 1.44e13, 8.64e13, 6.048e14];
const MARKS_MOST = 8;
const MARK_PX = 60; // of a mark's text, with what keeps it apart from the next
const NOMINAL_PX = 640;

/** The ruler's marks: round times, none inside a break, none so near to another,
 * or to the end, that its text would not fit. */
export function marks(scale: Scale, text = 1): { step: number; places: number[] } {
  const step = STEPS.find((one) => scale.resolution * 1000 / one <= MARKS_MOST / text) ?? STEPS[STEPS.length - 1]!;
  const places: number[] = [];
  let last = -Infinity;
  for (let at = Math.ceil(scale.from / step) * step; at <= scale.to; at += step) {
    const broken = scale.brokenAt(at);
    if (broken) { at = Math.ceil(broken.to / step) * step - step; continue; }
    const px = scale.px(at, NOMINAL_PX);
    if (px - last < MARK_PX * text || px > NOMINAL_PX - MARK_PX * text / 2) continue;
    places.push(at);
    last = px;
  }
  return { step, places };
}

export function Ruler({ state, pointer, width, setWidth }: { state: WaterfallState; pointer: Signal<number | null>; width: number; setWidth: (px: number) => void }) {
  const scale = state.scale.value;
  const { step, places } = marks(scale, textScale());
  return (
    <div class="ruler" onDblClick={() => state.fitAll()}>
      <span class="ruler-name">Span</span>
      <Divider width={width} set={setWidth} />
      <span class="ruler-duration">Duration</span>
      <span class="ruler-time" aria-hidden="true">
        {places.map((at) => <span key={at} class="tick" style={{ left: scale.left(at) }}>{offset(at, step)}</span>)}
        <PointerLabel state={state} pointer={pointer} />
      </span>
    </div>
  );
}

/** Of its own, so that a move of the mouse draws nothing but this. */
function PointerLabel({ state, pointer }: { state: WaterfallState; pointer: Signal<number | null> }) {
  void zone.value;
  const at = pointer.value;
  if (at === null) return null;
  const scale = state.scale.value;
  const clock = clockTime(Number((state.timeline.value.zeroNs + BigInt(Math.round(at))) / 1_000_000n));
  const isRight = scale.px(at, 1) > 0.5;
  return <span class={`pointer-label${isRight ? " right" : ""}`} style={{ left: scale.left(at) }}>{offset(at, scale.resolution)}, {clock}</span>;
}

function PointerLine({ state, pointer }: { state: WaterfallState; pointer: Signal<number | null> }) {
  return pointer.value === null ? null : <span class="pointer-line" style={{ left: state.scale.value.left(pointer.value) }} />;
}

function Selection({ state, range }: { state: WaterfallState; range: Signal<Range | null> }) {
  const r = range.value;
  return r === null ? null : <span class="selection" style={{ left: state.scale.value.left(r.from), width: state.scale.value.width(r.from, r.to) }} />;
}

/** As high as the view, not as the rows: it stays where it is while they scroll. */
export function OverRows({ state, pointer, range }: { state: WaterfallState; pointer: Signal<number | null>; range: Signal<Range | null> }) {
  const scale = state.scale.value;
  const end = state.timeline.value.callEnd;
  return (
    <div class="over-rows" aria-hidden="true"><div class="over-time">
      {scale.from < 0 ? <span class="outside" style={{ left: "0", width: scale.left(Math.min(0, scale.to)) }} /> : null}
      {end !== null && scale.to > end ? <span class="outside" style={{ left: scale.left(Math.max(end, scale.from)), right: "0" }} /> : null}
      {scale.breaks.map((one) => <span key={one.gap.from} class="break" style={{ left: one.left }}><span class="break-name">{duration(one.gap.to - one.gap.from)}</span></span>)}
      <PointerLine state={state} pointer={pointer} />
      <Selection state={state} range={range} />
    </div></div>
  );
}

const NAME_LEAST = 200;
const NAME_MOST = 640;
const NAME_STEP = 20;

function Divider({ width, set }: { width: number; set: (px: number) => void }) {
  const start = useRef<{ x: number; width: number } | null>(null);
  const clamp = (px: number) => Math.min(NAME_MOST, Math.max(NAME_LEAST, px));
  return (
    <span class="divider" role="separator" tabIndex={0} aria-orientation="vertical" aria-label="Width of the names" aria-valuenow={width} aria-valuemin={NAME_LEAST} aria-valuemax={NAME_MOST}
      onDblClick={(event) => event.stopPropagation()}
      onKeyDown={(event) => { if (event.key === "ArrowLeft" || event.key === "ArrowRight") { event.preventDefault(); event.stopPropagation(); set(clamp(width + (event.key === "ArrowLeft" ? -NAME_STEP : NAME_STEP))); } }}
      onPointerDown={(event) => { start.current = { x: event.clientX, width }; event.currentTarget.setPointerCapture(event.pointerId); event.stopPropagation(); }}
      onPointerMove={(event) => { if (start.current) set(clamp(start.current.width + event.clientX - start.current.x)); }}
      onPointerUp={() => { start.current = null; }} />
  );
}
