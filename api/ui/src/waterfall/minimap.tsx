// The whole call in 64 pixels: one lane a role, errors below, and a frame that is the window.
import { useEffect, useRef } from "preact/hooks";
import { offset } from "../base/format";
import { shownTheme } from "../base/settings";
import { Scale } from "./scale";
import type { WaterfallState } from "./state";
import { endOf, ERROR, hasFlag, ROLES, type Timeline } from "./timeline";

const EDGE_PX = 6;
const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
const LANES = 5; // the role "other", the first, has none of its own
const TOKENS = ["--role-other", "--role-user", "--role-turn-end", "--role-llm", "--role-tool", "--role-tts"];

/** One lane a role; a trace that has none of them fills the lanes by the depth of its spans. -1: not drawn. */
function lanesOf(timeline: Timeline): Int8Array {
  const lanes = new Int8Array(timeline.ids.length).fill(-1);
  const hasRoles = timeline.role.some((role) => role > 0 && ROLES[role] !== undefined);
  for (let span = 0; span < lanes.length; span++) {
    const parent = timeline.parent[span]!; // comes before its children
    if (hasRoles) lanes[span] = ROLES[timeline.role[span]!] === undefined ? -1 : timeline.role[span]! - 1;
    else lanes[span] = parent < 0 ? 0 : (lanes[parent]! + 1) % LANES;
  }
  return lanes;
}

const wholeOf = (state: WaterfallState): Scale => new Scale(...state.axis.value, state.gaps);

function draw(canvas: HTMLCanvasElement, state: WaterfallState): void {
  const timeline = state.timeline.value;
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  const colour = (token: string): string => style.getPropertyValue(token).trim() || "gray";
  const scale = wholeOf(state);
  const x = (at: number): number => scale.px(at, width);
  pen.fillStyle = colour("--panel");
  pen.fillRect(0, 0, width, height);
  pen.fillStyle = colour("--border");
  pen.fillRect(0, 0, Math.max(0, x(0)), height);
  if (timeline.callEnd !== null) pen.fillRect(x(timeline.callEnd), 0, width, height);
  const lane = (height - 6) / LANES;
  const colours = TOKENS.map((token) => token && colour(token)); // asking the style for every span takes longer than drawing
  const lanes = lanesOf(timeline);
  for (let span = 0; span < timeline.ids.length; span++) {
    if (lanes[span]! >= 0) {
      pen.fillStyle = colours[timeline.role[span]!]!;
      const left = x(timeline.start[span]!);
      pen.fillRect(left, lanes[span]! * lane + 1, Math.max(1, x(endOf(timeline, span)) - left), Math.max(2, lane - 2));
    }
  }
  pen.fillStyle = colour("--border-control"); // breaks of the axis
  for (const { gap } of scale.breaks) {
    pen.fillRect(x(gap.from), 0, 1, height);
    pen.fillRect(x(gap.to), 0, 1, height);
  }
  pen.fillStyle = colour("--error-mark");
  for (let span = 0; span < timeline.ids.length; span++) {
    if (hasFlag(timeline, span, ERROR)) pen.fillRect(x(timeline.start[span]!), height - 5, 2, 5);
  }
}

export function Minimap({ state }: { state: WaterfallState }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drag = useRef<{ mode: "new" | "move" | "from" | "to"; at: number; from: number; to: number } | null>(null);
  const timeline = state.timeline.value;
  const [from, to] = state.axis.value;
  const scale = wholeOf(state);
  const w = state.shown.value;
  const gaps = state.gaps;
  useEffect(() => {
    const element = canvas.current!;
    const again = (): void => draw(element, state);
    again();
    const watch = new ResizeObserver(again);
    watch.observe(element);
    return () => watch.disconnect();
  }, [timeline, gaps, to, shownTheme.value]);
  const timeAt = (event: PointerEvent): number => {
    const box = canvas.current!.getBoundingClientRect();
    return scale.timeAt(event.clientX - box.left, box.width);
  };
  const onDown = (event: PointerEvent): void => {
    const at = timeAt(event);
    const { left, width } = canvas.current!.getBoundingClientRect();
    const isNear = (edge: number): boolean => Math.abs(event.clientX - left - Math.min(Math.max(scale.px(edge, width), 0), width)) < EDGE_PX;
    const mode = isNear(w.from) ? "from" : isNear(w.to) ? "to" : state.window.value && at > w.from && at < w.to ? "move" : "new";
    drag.current = { mode, at, from: w.from, to: w.to };
    canvas.current!.setPointerCapture(event.pointerId);
  };
  const onMove = (event: PointerEvent): void => {
    const d = drag.current;
    if (!d) return;
    const at = timeAt(event);
    if (d.mode === "new") { if (Math.abs(at - d.at) > (to - from) / 300) state.setWindow(Math.min(d.at, at), Math.max(d.at, at)); }
    else if (d.mode === "move") state.setWindow(d.from + at - d.at, d.to + at - d.at);
    else if (d.mode === "from") state.setWindow(Math.min(at, d.to), d.to);
    else state.setWindow(d.from, Math.max(at, d.from));
  };
  const handle = (which: "from" | "to") => {
    const value = which === "from" ? w.from : w.to;
    const move = (event: KeyboardEvent): void => {
      const step = (STEPS[event.key] ?? 0) * (to - from) / 100;
      const next = event.key === "Home" ? from : event.key === "End" ? to : step ? value + step : null;
      if (next === null) return;
      event.preventDefault();
      event.stopPropagation();
      if (which === "from") state.setWindow(Math.min(next, w.to), w.to); else state.setWindow(w.from, Math.max(next, w.from));
    };
    return (
      <span class="handle" role="slider" tabIndex={0} aria-label={which === "from" ? "Window begins" : "Window ends"} aria-valuemin={from / 1e9} aria-valuemax={to / 1e9}
        aria-valuenow={value / 1e9} aria-valuetext={offset(value, 1e8)} style={{ left: scale.left(Math.min(Math.max(value, from), to)) }} onKeyDown={move} />
    );
  };
  const [begin, end] = [Math.max(w.from, from), Math.min(w.to, to)];
  return (
    <div class="minimap">
      <canvas ref={canvas} aria-hidden="true" onPointerDown={onDown} onPointerMove={onMove} onPointerUp={() => { drag.current = null; }} />
      <span class="shade" style={{ left: "0", width: scale.left(begin) }} />
      <span class="shade" style={{ left: scale.left(end), right: "0" }} />
      {handle("from")}{handle("to")}
    </div>
  );
}
