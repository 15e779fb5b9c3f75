// The waterfall's rows: a treegrid of which only what is in view is mounted, with bars on one time axis.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { duration, offset } from "../base/format";
import { Outside } from "../base/text";
import { useVirtual } from "../base/virtual";
import type { Row } from "./rows";
import type { WaterfallState } from "./state";
import { endOf, ERROR, hasFlag, INTERRUPTED, letter, OPEN, responseNs, ROLE_NAMES, roleOf, spanName, STAGE_NAMES, type Timeline } from "./timeline";

const INDENT = 14;
const INDENTS_MAX = 12;
const SPLIT_THIN = 0.006; // of the timeline's width: too thin for a gap beside it
const RULER_STEPS = [1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8, 2e8, 5e8, 1e9, 2e9, 5e9, 1e10, 1.5e10, 3e10, 6e10, 1.2e11, 3e11, 6e11, 1.8e12, 3.6e12, 1.44e13, 8.64e13];

/** Rows are high for fingers, and where the name stands above its bar. */
function useHighRows(): boolean {
  const media = useMemo(() => matchMedia("(pointer: coarse), (max-width: 719px)"), []);
  const [isHigh, set] = useState(media.matches);
  useEffect(() => {
    const note = (): void => set(media.matches);
    media.addEventListener("change", note);
    return () => media.removeEventListener("change", note);
  }, [media]);
  return isHigh;
}

/** Height of a row by its kind and the reader's pointer. */
export const heightOf = (row: Row, coarse: boolean): number =>
  row.kind === "span" || row.kind === "missing" ? (coarse ? 44 : 26) : (coarse ? 48 : 32);

const share = (at: number, w: { from: number; to: number }): number => (at - w.from) / (w.to - w.from);

/** The row of a key, or the nearest shown one above it when it is folded away. */
export function rowOf(state: WaterfallState, key: string | null): number {
  const rows = state.rows.value;
  const place = rows.findIndex((row) => row.key === key);
  if (place >= 0 || key === null) return Math.max(place, 0);
  const { nodes } = state.tree.value;
  for (let at = nodes.findIndex((node) => node.key === key); at >= 0; at = nodes[at]!.parent) {
    const above = rows.findIndex((row) => row.key === nodes[at]!.key);
    if (above >= 0) return above;
  }
  return 0;
}

/** A row's name that outlives what arrives: turns are numbered anew when an earlier one comes late. */
function lastingKey(timeline: Timeline, row: Row): string {
  const span = row.kind === "turn" ? timeline.turns[row.turn]!.span : -1;
  return span >= 0 ? `turn of ${timeline.ids[span]!}` : row.key;
}

/** However many spans arrive: the first row in view stays where it is. */
function useStill(scroller: { current: HTMLDivElement | null }, rows: Row[], timeline: Timeline, coarse: boolean): void {
  const first = useRef<{ key: string; within: number } | null>(null);
  useLayoutEffect(() => {
    const place = first.current ? rows.findIndex((row) => lastingKey(timeline, row) === first.current!.key) : -1;
    if (place < 0) return;
    const top = rows.slice(0, place).reduce((sum, row) => sum + heightOf(row, coarse), first.current!.within);
    if (scroller.current!.scrollTop !== top) scroller.current!.scrollTop = top;
  }, [timeline]);
  useLayoutEffect(() => {
    const element = scroller.current!;
    const note = (): void => {
      let rest = element.scrollTop;
      const row = rows.find((one) => { const height = heightOf(one, coarse); if (rest < height) return true; rest -= height; return false; });
      first.current = row ? { key: lastingKey(timeline, row), within: rest } : null;
    };
    note();
    element.addEventListener("scroll", note, { passive: true });
    return () => element.removeEventListener("scroll", note);
  }, [rows, coarse]);
}

/** Places of the ruler's marks. */
export function marks(from: number, to: number, most: number): number[] {
  const step = RULER_STEPS.find((one) => (to - from) / one <= most) ?? RULER_STEPS[RULER_STEPS.length - 1]!;
  const out: number[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) out.push(at);
  return out;
}

function Bar({ state, row }: { state: WaterfallState; row: Row }) {
  const w = state.shown.value;
  const timeline = state.timeline.value;
  const end = Math.max(row.end, row.start);
  if (row.kind === "trace" || row.kind === "missing") return <Extent from={row.start} to={row.lastBelow} state={state} dashed={row.kind === "missing"} />;
  if (row.kind === "turn") return <SplitBar state={state} turn={row.turn} row={row} />;
  const role = roleOf(timeline, row.span);
  const isOpen = hasFlag(timeline, row.span, OPEN);
  const left = share(row.start, w);
  const right = share(end, w);
  const classes = `bar role-${role}${isOpen ? " open" : ""}${hasFlag(timeline, row.span, ERROR) ? " failed" : ""}${row.start === end ? " instant" : ""}`;
  return (
    <>
      {!row.isUnfolded && row.hasChildren ? <Extent from={row.start} to={row.lastBelow} state={state} dashed={false} /> : null}
      {right < 0 || left > 1 ? <span class="chevron" style={{ left: right < 0 ? "0" : undefined, right: left > 1 ? "0" : undefined }}>{right < 0 ? "\u2039" : "\u203a"}</span> : (
        <span class={classes} style={{ left: `${Math.max(left, -0.01) * 100}%`, width: `${(Math.min(right, 1.01) - Math.max(left, -0.01)) * 100}%` }} />
      )}
    </>
  );
}

function Extent({ from, to, state, dashed }: { from: number; to: number; state: WaterfallState; dashed: boolean }) {
  const w = state.shown.value;
  const left = Math.max(share(from, w), 0);
  const right = Math.min(share(to, w), 1);
  if (!(right > left)) return null;
  return <span class={`extent${dashed ? " dashed" : ""}`} style={{ left: `${left * 100}%`, width: `${(right - left) * 100}%` }} />;
}

function SplitBar({ state, turn: index, row }: { state: WaterfallState; turn: number; row: Row }) {
  const turn = state.timeline.value.turns[index]!;
  const w = state.shown.value;
  return (
    <>
      <Extent from={row.start} to={row.lastBelow} state={state} dashed={false} />
      {turn.waits.flatMap((wait, n) => wait.segments.map((segment, i) => {
        const left = share(segment.from, w);
        const right = share(segment.to, w);
        if (right < 0 || left > 1) return null;
        const from = Math.max(left, -0.01);
        return <span key={`${n}-${i}`} class={`split stage-${segment.stage}${right - left < SPLIT_THIN ? " thin" : ""}`} style={{ left: `${from * 100}%`, width: `${(Math.min(right, 1.01) - from) * 100}%` }} />;
      }))}
    </>
  );
}

/** What the timing cell says to who does not see bars. */
function spoken(timeline: Timeline, row: Row): string {
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
  return words.join(", ");
}

function Name({ state, row }: { state: WaterfallState; row: Row }) {
  const timeline = state.timeline.value;
  if (row.kind === "trace") {
    const trace = timeline.traces[row.trace]!;
    return <span class="name"><b>{letter(row.trace)}</b> <Outside text={trace.rootName ?? `${trace.service ?? "unknown service"}, root not received yet`} />{" "}
      <span class="quiet">{trace.matches.map((one) => one.kind).join(", ")}{trace.isOpen ? " open" : ""}</span></span>;
  }
  if (row.kind === "missing") return <span class="name"><i>Parent not received</i></span>;
  if (row.kind === "turn") {
    const turn = timeline.turns[row.turn]!;
    return <span class="name"><b>{turn.number === 0 ? "Agent opens" : `Turn ${turn.number}`}</b>
      {turn.isInterrupted ? <span class="tag warn">interrupted</span> : null} {turn.said ? <span class="quiet">{"\u201c"}<Outside text={turn.said} most={120} />{"\u201d"}</span> : null}</span>;
  }
  const role = roleOf(timeline, row.span);
  return (
    <span class="name">
      <span class={`shape role-${role}`} aria-hidden="true" />
      {hasFlag(timeline, row.span, ERROR) ? <span class="error-text">{"\u2715"} error </span> : null}
      <span class={state.hitSet.value.has(row.span) ? "hit" : undefined}><Outside text={spanName(timeline, row.span)} most={200} /></span>
      {timeline.label[row.span]! >= 0 ? <span class="quiet"> <Outside text={timeline.labels[timeline.label[row.span]!]!} most={60} /></span> : null}
      {!row.isUnfolded && row.spansBelow > 0 ? <span class="quiet"> +{row.spansBelow}</span> : null}
      {hasFlag(timeline, row.span, INTERRUPTED) ? <span class="tag warn">interrupted</span> : null}
    </span>
  );
}

function figure(timeline: Timeline, row: Row): string {
  if (row.kind === "turn") {
    const ns = responseNs(timeline.turns[row.turn]!);
    return ns === null ? timeline.turns[row.turn]!.outcome : duration(ns);
  }
  const isOpen = row.kind === "span" ? hasFlag(timeline, row.span, OPEN) : row.kind === "trace" && timeline.traces[row.trace]!.isOpen;
  const end = row.kind === "span" ? endOf(timeline, row.span) : row.lastBelow;
  return `${isOpen ? "> " : ""}${duration(end - row.start)}`;
}

export function RowsView({ state, nameWidth, setNameWidth }: { state: WaterfallState; nameWidth: number; setNameWidth: (px: number) => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const coarse = useHighRows();
  const rows = state.rows.value;
  const timeline = state.timeline.value;
  const [pointer, setPointer] = useState<number | null>(null);
  const focusIndex = rowOf(state, state.focused.value);
  const isKeyed = useRef(false); // the reader walks the rows by keys: the focus follows the selection
  // Not its place: a row that is pushed down is the same row and keeps the focus. And the same function as long as
  // the rows are the same: with another one the virtualizer measures every row again, which for 20,000 rows takes
  // 5 ms of every frame of scrolling.
  const keyOf = useCallback((index: number) => {
    const row = rows[index]!;
    return `${row.trace}/${row.kind}/${row.parent < 0 ? "" : rows[row.parent]!.key}/${lastingKey(timeline, row)}`;
  }, [rows, timeline]);
  const virtual = useVirtual({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => heightOf(rows[index]!, coarse),
    getItemKey: keyOf,
    rangeExtractor: (range) => {
      const from = Math.max(0, range.startIndex - 8);
      const to = Math.min(rows.length - 1, range.endIndex + 8);
      const list = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
      if (focusIndex >= 0 && (focusIndex < from || focusIndex > to)) list.push(focusIndex);
      return list.sort((a, b) => a - b);
    },
  });
  useEffect(() => { virtual.measure(); }, [rows, coarse]);
  useEffect(() => {
    const index = rows.findIndex((row) => row.key === state.selected.value);
    if (index >= 0 && isKeyed.current) focusRow(index);
    else if (index >= 0) virtual.scrollToIndex(index, { align: "auto" });
  }, [state.selected.value]);
  // A focused row that was folded away hands the focus to the row that hides it.
  useEffect(() => { if (isKeyed.current && document.activeElement === document.body) focusRow(focusIndex); }, [rows]);
  useStill(scroller, rows, timeline, coarse);
  const w = state.shown.value;
  const focusRow = (index: number): void => {
    const row = rows[Math.min(Math.max(index, 0), rows.length - 1)];
    if (!row) return;
    state.focused.value = row.key;
    virtual.scrollToIndex(rows.indexOf(row), { align: "auto" });
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-key="${CSS.escape(row.key)}"]`)?.focus({ preventScroll: true }));
  };
  const onKey = (event: KeyboardEvent): void => {
    isKeyed.current = true;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = rows[focusIndex];
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 260) / 26) - 1);
    const moves: Record<string, () => void> = {
      ArrowDown: () => focusRow(focusIndex + 1), ArrowUp: () => focusRow(focusIndex - 1),
      PageDown: () => focusRow(focusIndex + page), PageUp: () => focusRow(focusIndex - page),
      Home: () => focusRow(0), End: () => focusRow(rows.length - 1),
      ArrowRight: () => { if (row?.hasChildren && !row.isUnfolded) state.toggle(row.key); else if (row?.hasChildren) focusRow(focusIndex + 1); },
      ArrowLeft: () => { if (row?.isUnfolded) state.toggle(row.key); else if (row && row.parent >= 0) focusRow(row.parent); },
      Enter: () => { if (row) state.select(row.key); }, " ": () => { if (row) state.select(row.key); },
      "*": () => { if (row) state.setUnfolded(rows.filter((one) => one.parent === row.parent && one.hasChildren).map((one) => one.key), true); },
    };
    const move = moves[event.key];
    if (move) { event.preventDefault(); event.stopPropagation(); move(); }
  };
  const timeAt = (event: MouseEvent): number | null => {
    const area = scroller.current?.querySelector<HTMLElement>(".ruler-time")?.getBoundingClientRect();
    if (!area || event.clientX < area.left || event.clientX > area.right) return null;
    return w.from + (event.clientX - area.left) / area.width * (w.to - w.from);
  };
  const drag = useRef<{ from: number; x: number } | null>(null);
  const [range, setRange] = useState<{ from: number; to: number } | null>(null);
  useEffect(() => {
    const element = scroller.current!;
    const onWheel = (event: WheelEvent): void => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        state.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, timeAt(event) ?? undefined);
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        state.pan((event.deltaX || event.deltaY) / 1000);
      }
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  });
  const onDown = (event: PointerEvent): void => {
    isKeyed.current = false;
    const at = timeAt(event);
    if (at !== null && event.button === 0 && event.pointerType === "mouse") drag.current = { from: at, x: event.clientX };
  };
  const onMove = (event: PointerEvent): void => {
    const at = timeAt(event);
    setPointer(at);
    if (drag.current && at !== null && Math.abs(event.clientX - drag.current.x) >= 4) setRange({ from: Math.min(drag.current.from, at), to: Math.max(drag.current.from, at) });
  };
  const onUp = (): void => {
    if (range) state.setWindow(range.from, range.to);
    drag.current = null;
    setRange(null);
  };
  const style = { "--name": `${nameWidth}px` } as Record<string, string>;
  return (
    <div class="waterfall" ref={scroller} style={style} onKeyDown={onKey} onPointerDown={onDown}
      onFocusOut={(event) => { const next = event.relatedTarget; if (next instanceof Node && !scroller.current?.contains(next)) isKeyed.current = false; }} onPointerMove={onMove} onPointerUp={onUp}
      onPointerLeave={() => setPointer(null)} onKeyUp={(event) => { if (event.key === "Escape") { drag.current = null; setRange(null); } }}>
      <div class="ruler" onDblClick={() => state.fitAll()}>
        <span class="ruler-name">Span</span>
        <Divider width={nameWidth} set={setNameWidth} />
        <span class="ruler-duration">Duration</span>
        <span class="ruler-time" aria-hidden="true">
          {marks(w.from, w.to, 8).map((at) => <span key={at} class="tick" style={{ left: `${share(at, w) * 100}%` }}>{offset(at, (w.to - w.from) / 100)}</span>)}
          {pointer !== null ? <span class="pointer-label" style={{ left: `${share(pointer, w) * 100}%` }}>{offset(pointer, (w.to - w.from) / 1000)}</span> : null}
        </span>
      </div>
      <div class="rows" role="treegrid" aria-label="Spans by time" aria-rowcount={rows.length} aria-colcount={3} style={{ height: `${virtual.getTotalSize()}px` }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index];
          if (!row) return null;
          const isSelected = row.key === state.selected.value;
          return (
            <div key={item.key} role="row" data-key={row.key} tabIndex={item.index === Math.max(focusIndex, 0) ? 0 : -1} aria-rowindex={item.index + 1} aria-level={row.depth + 1}
              aria-setsize={row.siblings} aria-posinset={row.position} aria-expanded={row.hasChildren ? row.isUnfolded : undefined} aria-selected={isSelected}
              class={`wrow ${row.kind}${isSelected ? " selected" : ""}`} style={{ transform: `translateY(${item.start}px)`, height: `${item.size}px` }}
              onClick={(event) => { if (!(event.target as Element).closest(".fold")) state.select(row.key); }}
              onDblClick={() => state.fit(row.start, Math.max(row.end, row.start))} onFocus={() => { state.focused.value = row.key; }}>
              <div role="rowheader" class="cell-name" style={{ paddingLeft: `${Math.min(row.depth, INDENTS_MAX) * INDENT + 4}px` }}>
                {row.depth > INDENTS_MAX ? <span class="quiet">{row.depth}</span> : null}
                {row.hasChildren ? <button type="button" class="fold" tabIndex={-1} aria-hidden="true" onClick={() => state.toggle(row.key)}>{row.isUnfolded ? "\u25be" : "\u25b8"}</button> : <span class="fold" />}
                <Name state={state} row={row} />
                {row.errorsBelow > 0 && !row.isUnfolded ? <span class="error-text below">{"\u2715"} {row.errorsBelow}<span class="hidden-text"> errors inside</span></span> : null}
              </div>
              <div role="gridcell" class="cell-duration">{figure(timeline, row)}</div>
              <div role="gridcell" class="cell-time"><span class="hidden-text">{spoken(timeline, row)}</span><Bar state={state} row={row} /></div>
            </div>
          );
        })}
        {range ? <div class="selection" style={{ left: `calc(var(--name) + var(--duration) + (100% - var(--name) - var(--duration)) * ${share(range.from, w)})`, width: `calc((100% - var(--name) - var(--duration)) * ${share(range.to, w) - share(range.from, w)})` }} /> : null}
      </div>
    </div>
  );
}

function Divider({ width, set }: { width: number; set: (px: number) => void }) {
  const start = useRef<{ x: number; width: number } | null>(null);
  const clamp = (px: number) => Math.min(640, Math.max(200, px));
  return (
    <span class="divider" role="separator" tabIndex={0} aria-orientation="vertical" aria-label="Width of the names" aria-valuenow={width} aria-valuemin={200} aria-valuemax={640}
      onKeyDown={(event) => { if (event.key === "ArrowLeft" || event.key === "ArrowRight") { event.preventDefault(); event.stopPropagation(); set(clamp(width + (event.key === "ArrowLeft" ? -20 : 20))); } }}
      onPointerDown={(event) => { start.current = { x: event.clientX, width }; event.currentTarget.setPointerCapture(event.pointerId); event.stopPropagation(); }}
      onPointerMove={(event) => { if (start.current) set(clamp(start.current.width + event.clientX - start.current.x)); }}
      onPointerUp={() => { start.current = null; }} />
  );
}
