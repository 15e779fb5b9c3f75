// The waterfall's rows: a treegrid of which only what is in view is mounted, with bars on one time axis.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, duration, plural } from "../base/format";
import { hidesSensitive, textScale } from "../base/settings";
import { Outside } from "../base/text";
import { useVirtual } from "../base/virtual";
import { Bar, spoken } from "./bars";
import { useGestures } from "./gestures";
import { clockSentence } from "./notes";
import { shownAt, type Row } from "./rows";
import { OverRows, Ruler } from "./ruler";
import { shiftOf } from "./shift";
import type { WaterfallState } from "./state";
import { endOf, ERROR, hasFlag, INTERRUPTED, letter, OPEN, responseNs, roleOf, spanName, type Timeline } from "./timeline";

const INDENT = 14;
const INDENTS_MAX = 12;
const RULER_PX = 28;
const FOLLOW_SLACK_PX = 40; // nearer to the end than this is at the end

/** How high rows are: for fingers, and where the name stands above its bar, higher; and as the reader's text is. */
export interface Sizes { span: number; made: number; ruler: number }

const sizesOf = (isHigh: boolean, text: number): Sizes =>
  ({ span: (isHigh ? 44 : 26) * text, made: (isHigh ? 48 : 32) * text, ruler: RULER_PX * text });

function useSizes(): Sizes {
  const media = useMemo(() => matchMedia("(pointer: coarse), (max-width: 44.9375em)"), []);
  const [sizes, set] = useState(() => sizesOf(media.matches, textScale()));
  useEffect(() => {
    const note = (): void => set((old) => {
      const now = sizesOf(media.matches, textScale());
      return now.span === old.span && now.ruler === old.ruler ? old : now;
    });
    media.addEventListener("change", note);
    addEventListener("resize", note);
    return () => { media.removeEventListener("change", note); removeEventListener("resize", note); };
  }, [media]);
  return sizes;
}

/** Height of a row by its kind. */
export const heightOf = (row: Row, sizes: Sizes): number => row.kind === "span" || row.kind === "missing" ? sizes.span : sizes.made;

/** A row's name that outlives what arrives: turns are numbered anew when an earlier one comes late. */
function lastingKey(timeline: Timeline, row: Row): string {
  const span = row.kind === "turn" ? timeline.turns[row.turn]!.span : -1;
  return span >= 0 ? `turn of ${timeline.ids[span]!}` : row.key;
}

/** However many spans arrive: the first row in view stays where it is. */
function useStill(scroller: { current: HTMLDivElement | null }, rows: Row[], timeline: Timeline, sizes: Sizes, isFollowing: boolean): void {
  const first = useRef<{ key: string; within: number } | null>(null);
  useLayoutEffect(() => {
    if (isFollowing) return;
    const place = first.current ? rows.findIndex((row) => lastingKey(timeline, row) === first.current!.key) : -1;
    if (place < 0) return;
    const top = rows.slice(0, place).reduce((sum, row) => sum + heightOf(row, sizes), first.current!.within);
    if (scroller.current!.scrollTop !== top) scroller.current!.scrollTop = top;
  }, [timeline]);
  useLayoutEffect(() => {
    const element = scroller.current!;
    const note = (): void => {
      let rest = element.scrollTop;
      const row = rows.find((one) => { const height = heightOf(one, sizes); if (rest < height) return true; rest -= height; return false; });
      first.current = row ? { key: lastingKey(timeline, row), within: rest } : null;
    };
    note();
    element.addEventListener("scroll", note, { passive: true });
    return () => element.removeEventListener("scroll", note);
  }, [rows, sizes]);
}

function TraceName({ state, row }: { state: WaterfallState; row: Row }) {
  const trace = state.timeline.value.traces[row.trace]!;
  return (
    <span class="name"><b>{letter(row.trace)}</b> <Outside text={trace.rootName ?? `${trace.service ?? "unknown service"}, root not received yet`} />{" "}
      <span class="quiet">{trace.rootName !== null && trace.service !== null ? <><Outside text={trace.service} most={40} /> </> : null}
        {[...new Set(trace.matches.map((one) => one.kind))].join(", ")}{trace.isOpen ? " open" : ""}</span></span>
  );
}

/** "Clock seems 3.2 s ahead": offered where the trace stands; the keyboard finds it above the rows, too. */
function ClockOffer({ state, row }: { state: WaterfallState; row: Row }) {
  const notes = state.timeline.value.clocks.filter((one) => one.trace === row.trace);
  const note = notes[0];
  if (!note) return null;
  const isShifted = state.isShifted(note);
  return (
    <button type="button" class="button small clock-offer" tabIndex={-1} title={clockSentence(note)} onClick={(event) => { event.stopPropagation(); state.setShift(note, !isShifted); }}>
      {isShifted ? "As received" : "Draw shifted"}</button>
  );
}

function TurnName({ state, row }: { state: WaterfallState; row: Row }) {
  const turn = state.timeline.value.turns[row.turn]!;
  return (
    <span class="name"><b>{turn.number === 0 ? "Agent opens" : `Turn ${turn.number}`}</b>
      {turn.isInterrupted ? <span class="tag warn">interrupted</span> : null} {turn.said ? <span class="quiet">{hidesSensitive.value ? "hidden" : <>{"\u201c"}<Outside text={turn.said} most={120} />{"\u201d"}</>}</span> : null}</span>
  );
}

function SpanName({ state, row }: { state: WaterfallState; row: Row }) {
  const timeline = state.timeline.value;
  return (
    <span class="name">
      <span class={`shape role-${roleOf(timeline, row.span)}`} aria-hidden="true" />
      {hasFlag(timeline, row.span, ERROR) ? <span class="error-text">{"\u2715"} error </span> : null}
      <span class={state.hitSet.value.has(row.span) ? "hit" : undefined}><Outside text={spanName(timeline, row.span)} most={200} /></span>
      {timeline.label[row.span]! >= 0 ? <span class="quiet"> <Outside text={timeline.labels[timeline.label[row.span]!]!} most={60} /></span> : null}
      {!row.isUnfolded && row.spansBelow > 0 ? <span class="quiet"> +{row.spansBelow}</span> : null}
      {hasFlag(timeline, row.span, INTERRUPTED) ? <span class="tag warn">interrupted</span> : null}
    </span>
  );
}

/** The cell's right end, which never gives way: what is folded inside, and what was shifted. */
function Inside({ state, row }: { state: WaterfallState; row: Row }) {
  const hits = row.isUnfolded ? 0 : state.hitsBelow.value.get(row.node) ?? 0;
  const shift = row.span >= 0 ? shiftOf(state.received.value, state.shifts.value, row.span) : 0;
  return (
    <span class="inside">
      {state.selectedInside.value === row.node ? <span class="tag info">selected inside</span> : null}
      {hits > 0 ? <span class="tag hit-count">{count(hits)}<span class="hidden-text"> matches inside</span></span> : null}
      {row.errorsBelow > 0 && !row.isUnfolded ? <span class="error-text below">{"\u2715"} {count(row.errorsBelow)}<span class="hidden-text"> errors inside</span></span> : null}
      {shift !== 0 || (row.kind === "trace" && state.timeline.value.clocks.some((one) => one.trace === row.trace && one.service === null && state.isShifted(one))) ? <span class="tag warn">shifted</span> : null}
      {row.kind === "trace" ? <ClockOffer state={state} row={row} /> : null}
    </span>
  );
}

function Name({ state, row }: { state: WaterfallState; row: Row }) {
  if (row.kind === "trace") return <TraceName state={state} row={row} />;
  if (row.kind === "missing") return <span class="name"><i>Parent not received</i></span>;
  return row.kind === "turn" ? <TurnName state={state} row={row} /> : <SpanName state={state} row={row} />;
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

/** Keeps the end in view while the reader follows; scrolling away from it ends that. Tells which row is the last in view. */
function useFollow(state: WaterfallState, scroller: { current: HTMLDivElement | null }, rows: Row[], sizes: Sizes): void {
  const isFollowing = state.isFollowing.value;
  useLayoutEffect(() => {
    const element = scroller.current!;
    if (isFollowing) element.scrollTop = element.scrollHeight;
  }, [rows, isFollowing]);
  useEffect(() => {
    const element = scroller.current!;
    const note = (): void => {
      const bottom = element.scrollTop + element.clientHeight;
      if (state.isFollowing.value && element.scrollHeight - bottom > FOLLOW_SLACK_PX) state.isFollowing.value = false;
      if (state.fresh.value.size === 0) return;
      let rest = bottom - sizes.ruler;
      let last = -1;
      for (const row of rows) {
        rest -= heightOf(row, sizes);
        if (rest < 0) break;
        last++;
      }
      state.noteView(last);
    };
    note();
    element.addEventListener("scroll", note, { passive: true });
    return () => element.removeEventListener("scroll", note);
  }, [rows, sizes, state]);
}

/** "14 new spans below": what came where the reader does not look. */
function NewBelow({ state, show }: { state: WaterfallState; show: (row: number) => void }) {
  const { count: below, row } = state.below.value;
  if (below === 0 || state.isFollowing.value) return null;
  return <button type="button" class="button small new-below" onClick={() => show(row)}>{plural(below, "new span")} below</button>;
}

const CELLS = '[role="rowheader"], [role="gridcell"]';

/** Only while it has the focus can a cell take it: a click is the row's. */
function focusCell(cell: HTMLElement | undefined): void {
  if (!cell) return;
  cell.tabIndex = -1;
  cell.addEventListener("blur", () => cell.removeAttribute("tabindex"), { once: true });
  cell.focus({ preventScroll: true });
}

export function RowsView({ state, nameWidth, setNameWidth }: { state: WaterfallState; nameWidth: number; setNameWidth: (px: number) => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const sizes = useSizes();
  const rows = state.rows.value;
  const timeline = state.timeline.value;
  const placeOf = (key: string | null): number => {
    const node = key === null ? undefined : state.keys.value.get(key);
    return node === undefined ? 0 : Math.max(0, shownAt(state.tree.value, state.places.value, node));
  };
  const focusIndex = placeOf(state.focused.value);
  const elementOf = (key: string): HTMLElement | undefined =>
    scroller.current?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`) ?? undefined;
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
    estimateSize: (index) => heightOf(rows[index]!, sizes),
    getItemKey: keyOf,
    scrollPaddingEnd: sizes.ruler, // the rows begin below it
    rangeExtractor: (range) => {
      const from = Math.max(0, range.startIndex - 8);
      const to = Math.min(rows.length - 1, range.endIndex + 8);
      const list = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
      if (focusIndex >= 0 && (focusIndex < from || focusIndex > to)) list.push(focusIndex);
      return list.sort((a, b) => a - b);
    },
  });
  useEffect(() => { virtual.measure(); }, [rows, sizes]);
  useEffect(() => {
    const index = rows.findIndex((row) => row.key === state.selected.value);
    if (index < 0) return;
    // A key may have come since the click that selected: whoever stands on a cell of the row stays there.
    const isThere = elementOf(rows[index]!.key)?.contains(document.activeElement);
    if (isKeyed.current && !isThere) focusRow(index);
    else virtual.scrollToIndex(index, { align: "auto" });
  }, [state.selected.value]);
  // Where the panel docks below, it takes height from the rows: the selected one stays in view.
  const keepSelected = useRef<() => void>(() => undefined);
  keepSelected.current = () => {
    const index = rows.findIndex((row) => row.key === state.selected.value);
    if (index >= 0 && !state.isFollowing.value) virtual.scrollToIndex(index, { align: "auto" });
  };
  useEffect(() => {
    let height = scroller.current!.clientHeight;
    const watch = new ResizeObserver(() => {
      const now = scroller.current?.clientHeight ?? height;
      if (now < height) requestAnimationFrame(() => keepSelected.current());
      height = now;
    });
    watch.observe(scroller.current!);
    return () => watch.disconnect();
  }, []);
  // A focused row that was folded away hands the focus to the row that hides it.
  useEffect(() => { if (isKeyed.current && document.activeElement === document.body) focusRow(focusIndex); }, [rows]);
  useStill(scroller, rows, timeline, sizes, state.isFollowing.value);
  useFollow(state, scroller, rows, sizes);
  const focusRow = (index: number, cell = -1): void => {
    const row = rows[Math.min(Math.max(index, 0), rows.length - 1)];
    if (!row) return;
    state.focused.value = row.key;
    virtual.scrollToIndex(rows.indexOf(row), { align: "auto" });
    // At once where the row is in the page: the next key may come before the next frame.
    const focus = (): boolean => {
      const element = elementOf(row.key);
      if (cell < 0) element?.focus({ preventScroll: true }); else focusCell(element?.querySelectorAll<HTMLElement>(CELLS)[cell]);
      return element !== undefined;
    };
    if (!focus()) requestAnimationFrame(focus);
  };
  const onKey = (event: KeyboardEvent): void => {
    isKeyed.current = true;
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target as Element).closest("button")) return;
    const row = rows[focusIndex];
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 260) / sizes.span) - 1);
    const element = (event.target as Element).closest(".wrow");
    const cells = element ? [...element.querySelectorAll<HTMLElement>(CELLS)] : [];
    const cell = cells.findIndex((one) => one === event.target);
    const right = (): void => {
      if (cell < 0 && row?.hasChildren && !row.isUnfolded) state.toggle(row.key);
      else focusCell(cells[Math.min(cell + 1, cells.length - 1)]);
    };
    const left = (): void => {
      if (cell > 0) focusCell(cells[cell - 1]);
      else if (cell === 0) focusRow(focusIndex);
      else if (row?.isUnfolded) state.toggle(row.key);
      else if (row && row.parent >= 0) focusRow(row.parent);
    };
    const moves: Record<string, () => void> = {
      ArrowDown: () => focusRow(focusIndex + 1, cell), ArrowUp: () => focusRow(focusIndex - 1, cell),
      PageDown: () => focusRow(focusIndex + page), PageUp: () => focusRow(focusIndex - page),
      Home: () => focusRow(0), End: () => focusRow(rows.length - 1), ArrowRight: right, ArrowLeft: left,
      Enter: () => { if (row) state.select(row.key); }, " ": () => { if (row) state.select(row.key); },
      "*": () => { if (row) state.setUnfolded(rows.filter((one) => one.parent === row.parent && one.hasChildren).map((one) => one.key), true); },
    };
    const move = moves[event.key];
    if (move) { event.preventDefault(); event.stopPropagation(); move(); }
  };
  const { pointer, range, on } = useGestures(state, scroller, () => {
    const ruler = scroller.current?.querySelector(".ruler-time")?.getBoundingClientRect();
    return ruler && ruler.width > 0 ? ruler : scroller.current?.querySelector(".rows")?.getBoundingClientRect() ?? null;
  });
  const style = { "--name": `${nameWidth}px`, "--rows": `${virtual.getTotalSize()}px` } as Record<string, string>;
  return (
    <div class="rows-area">
      <div class="waterfall" ref={scroller} style={style} {...on} onKeyDown={onKey} onPointerDownCapture={() => { isKeyed.current = false; }}
        onFocusOut={(event) => { const next = event.relatedTarget; if (next instanceof Node && !scroller.current?.contains(next)) isKeyed.current = false; }}>
        <Ruler state={state} pointer={pointer} width={nameWidth} setWidth={setNameWidth} />
        <OverRows state={state} pointer={pointer} range={range} />
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
                onDblClick={() => state.fit(row.start, Math.max(row.end, row.start))} onFocusIn={() => { state.focused.value = row.key; }}>
                <div role="rowheader" class="cell-name" style={{ paddingLeft: `${Math.min(row.depth, INDENTS_MAX) * INDENT + 4}px` }}>
                  {row.depth > INDENTS_MAX ? <span class="quiet">{row.depth}</span> : null}
                  {row.hasChildren ? <button type="button" class="fold" tabIndex={-1} aria-hidden="true" onClick={() => state.toggle(row.key)}>{row.isUnfolded ? "\u25be" : "\u25b8"}</button> : <span class="fold" />}
                  <Name state={state} row={row} />
                  <Inside state={state} row={row} />
                </div>
                <div role="gridcell" class="cell-duration">{figure(timeline, row)}</div>
                <div role="gridcell" class="cell-time"><span class="hidden-text">{spoken(timeline, row)}</span><Bar state={state} row={row} /></div>
              </div>
            );
          })}
        </div>
      </div>
      <NewBelow state={state} show={(row) => { isKeyed.current = false; virtual.scrollToIndex(row, { align: "start" }); }} />
    </div>
  );
}
