// The whole call in 64 pixels: one lane a role, errors below, and a frame that is the window.
import { useEffect, useRef } from "preact/hooks";
import { offset } from "../base/format";
import { shownTheme } from "../base/settings";
import type { WaterfallState } from "./state";
import { endOf, ERROR, hasFlag, ROLES } from "./timeline";

const LANES = 5; // the role "other", the first, has none
const TOKENS = ["", "--role-user", "--role-turn-end", "--role-llm", "--role-tool", "--role-tts"];

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
  const [from, to] = state.extent.value;
  const x = (at: number): number => (at - from) / (to - from) * width;
  pen.fillStyle = colour("--panel");
  pen.fillRect(0, 0, width, height);
  pen.fillStyle = colour("--border");
  pen.fillRect(0, 0, Math.max(0, x(0)), height);
  if (timeline.callEnd !== null) pen.fillRect(x(timeline.callEnd), 0, width, height);
  const lane = (height - 6) / LANES;
  const colours = TOKENS.map((token) => token && colour(token)); // asking the style for every span takes longer than drawing
  for (let span = 0; span < timeline.ids.length; span++) {
    const role = timeline.role[span]!;
    if (ROLES[role] !== undefined && ROLES[role] !== "other") {
      pen.fillStyle = colours[role]!;
      const left = x(timeline.start[span]!);
      pen.fillRect(left, (role - 1) * lane + 1, Math.max(1, x(endOf(timeline, span)) - left), Math.max(2, lane - 2));
    }
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
  const [from, to] = state.extent.value;
  const w = state.shown.value;
  useEffect(() => {
    const element = canvas.current!;
    const again = (): void => draw(element, state);
    again();
    const watch = new ResizeObserver(again);
    watch.observe(element);
    return () => watch.disconnect();
  }, [timeline, shownTheme.value]);
  const timeAt = (event: PointerEvent): number => {
    const box = canvas.current!.getBoundingClientRect();
    return from + (event.clientX - box.left) / box.width * (to - from);
  };
  const onDown = (event: PointerEvent): void => {
    const at = timeAt(event);
    const near = (to - from) * 6 / canvas.current!.clientWidth;
    const mode = Math.abs(at - w.from) < near ? "from" : Math.abs(at - w.to) < near ? "to" : state.window.value && at > w.from && at < w.to ? "move" : "new";
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
      const step = (to - from) / 100 * (event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0);
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      if (which === "from") state.setWindow(w.from + step, w.to); else state.setWindow(w.from, w.to + step);
    };
    return (
      <span class="handle" role="slider" tabIndex={0} aria-label={which === "from" ? "Window begins" : "Window ends"} aria-valuemin={from / 1e9} aria-valuemax={to / 1e9}
        aria-valuenow={value / 1e9} aria-valuetext={offset(value, 1e8)} style={{ left: `${(value - from) / (to - from) * 100}%` }} onKeyDown={move} />
    );
  };
  const left = (w.from - from) / (to - from) * 100;
  const right = (w.to - from) / (to - from) * 100;
  return (
    <div class="minimap">
      <canvas ref={canvas} aria-hidden="true" onPointerDown={onDown} onPointerMove={onMove} onPointerUp={() => { drag.current = null; }} />
      <span class="shade" style={{ left: "0", width: `${Math.max(0, left)}%` }} />
      <span class="shade" style={{ left: `${Math.min(100, right)}%`, right: "0" }} />
      {handle("from")}{handle("to")}
    </div>
  );
}
