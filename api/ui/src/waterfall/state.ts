// What a reader has chosen in a waterfall: the selected row, the window in time, what is folded, the search. The
// address holds it, so that a copied link shows the same.
import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { buildRows, buildTree, countBelow, foldedAbove, loneRow, shownAt, spansInOrder, turnKey, unfolding, type Row, type Tree } from "./rows";
import { flat, gapsOf, roomFor, Scale, unflat, type Gap } from "./scale";
import { readShifts, shifted, shiftKey, writeShifts, type Shifts } from "./shift";
import { ERROR, extentOf, hasFlag, type ClockNote, type Timeline } from "./timeline";

export interface Window { from: number; to: number }

/** Where the server found the text in a span. */
export interface Hit { place: "name" | "status" | "attribute" | "event"; key: string | null }

const SPAN_ID = /^[0-9a-f]{16}$/;
const MARGIN = 0.01;
const NO_GAPS: readonly Gap[] = [];
const SMALLEST = 1e6; // 1 ms
const FOLDS_MAX = 50;
export const FOLD_DIGITS = 8;

export class WaterfallState {
  readonly received: Signal<Timeline>;
  readonly timeline: ReadonlySignal<Timeline>; // as it is drawn
  readonly byTurn = signal(true);
  readonly toggled = signal<ReadonlySet<string>>(new Set());
  readonly selected = signal<string | null>(null);
  readonly focused = signal<string | null>(null);
  readonly window = signal<Window | null>(null); // null: fit
  readonly query = signal("");
  readonly onlyMatches = signal(false);
  readonly serverHits = signal<ReadonlyMap<string, Hit>>(new Map());
  readonly isPanelOpen = signal(false);
  readonly shifts = signal<Shifts>(new Map());
  readonly breaksGaps = signal(true);
  /** Up to where the axis reaches at least: what comes live moves it seldom, and its end never back. */
  private readonly room: Signal<number>;
  readonly isFollowing = signal(false);
  readonly fresh = signal<ReadonlySet<string>>(new Set()); // spans that came since and were not in view yet
  readonly below = signal<{ count: number; row: number }>({ count: 0, row: -1 }); // of the fresh ones below the view; the first's row
  readonly said = signal("");

  readonly tree: ReadonlySignal<Tree>;
  readonly rows: ReadonlySignal<Row[]>;
  readonly places: ReadonlySignal<ReadonlyMap<number, number>>; // rows by node
  readonly keys: ReadonlySignal<ReadonlyMap<string, number>>;   // nodes by key
  readonly extent: ReadonlySignal<[number, number]>; // of all that came
  readonly axis: ReadonlySignal<[number, number]>;   // the extent, with room for what comes
  readonly allGaps: ReadonlySignal<Gap[]>;
  readonly shown: ReadonlySignal<Window>;
  readonly scale: ReadonlySignal<Scale>;
  readonly order: ReadonlySignal<number[]>;
  readonly orderOf: ReadonlySignal<Int32Array>; // places of spans in the order
  readonly hits: ReadonlySignal<number[]>; // spans, in row order
  readonly hitSet: ReadonlySignal<ReadonlySet<number>>;
  readonly hitsBelow: ReadonlySignal<ReadonlyMap<number, number>>;
  readonly selectedRow: ReadonlySignal<Row | null>; // also when it is folded away
  readonly selectedInside: ReadonlySignal<number>;  // the node that hides the selected one; -1: none

  constructor(timeline: Timeline) {
    this.received = signal(timeline);
    this.timeline = computed(() => shifted(this.received.value, this.shifts.value));
    this.extent = computed(() => extentOf(this.timeline.value));
    this.room = signal(this.extent.value[1]);
    this.axis = computed(() => [this.extent.value[0], Math.max(this.extent.value[1], this.room.value)]);
    this.allGaps = computed(() => gapsOf(this.timeline.value));
    this.shown = computed(() => this.window.value ?? this.whole);
    this.scale = computed(() => new Scale(this.shown.value.from, this.shown.value.to, this.gaps));
    this.tree = computed(() => buildTree(this.timeline.value, this.byTurn.value && this.timeline.value.turns.length > 0));
    this.keys = computed(() => new Map(this.tree.value.nodes.map((node, at) => [node.key, at])));
    this.order = computed(() => spansInOrder(this.tree.value));
    this.orderOf = computed(() => {
      const places = new Int32Array(this.timeline.value.ids.length).fill(-1);
      this.order.value.forEach((span, place) => { places[span] = place; });
      return places;
    });
    this.hits = computed(() => this.find());
    this.hitSet = computed(() => new Set(this.hits.value));
    this.hitsBelow = computed(() => countBelow(this.tree.value, this.hits.value));
    this.rows = computed(() => {
      const tree = this.tree.value;
      if (!this.onlyMatches.value || !this.query.value.trim()) return buildRows(tree, unfolding(tree, this.toggled.value));
      // What hides a match is open; the rest is not there.
      const keep = new Set(this.hitsBelow.value.keys());
      const open = new Set([...keep].map((at) => tree.nodes[at]!.key));
      for (const span of this.hits.value) keep.add(tree.nodeOfSpan[span]!);
      return buildRows(tree, (key) => open.has(key), keep);
    });
    this.places = computed(() => new Map(this.rows.value.map((row, index) => [row.node, index])));
    this.selectedRow = computed(() => {
      const node = this.selected.value === null ? undefined : this.keys.value.get(this.selected.value);
      if (node === undefined) return null;
      const place = this.places.value.get(node);
      return place === undefined ? loneRow(this.tree.value, node) : this.rows.value[place]!;
    });
    this.selectedInside = computed(() => {
      const row = this.selectedRow.value;
      if (!row || this.places.value.has(row.node)) return -1;
      const place = shownAt(this.tree.value, this.places.value, row.node);
      return place < 0 ? -1 : this.rows.value[place]!.node;
    });
  }

  /** All of it, with a margin: a hundredth of what is not broken out. */
  get whole(): Window {
    const [from, to] = this.axis.value;
    const margin = (flat(to, this.gaps) - flat(from, this.gaps)) * MARGIN;
    return { from: from - margin, to: to + margin };
  }

  get gaps(): readonly Gap[] { return this.breaksGaps.value ? this.allGaps.value : NO_GAPS; }

  get isUnfolded(): (key: string) => boolean { return unfolding(this.tree.value, this.toggled.value); }

  private find(): number[] {
    const text = this.query.value.trim().toLowerCase();
    if (!text) return [];
    const timeline = this.timeline.value;
    const holds = (list: string[]): boolean[] => list.map((one) => one.toLowerCase().includes(text));
    const [names, services, labels] = [holds(timeline.names), holds(timeline.services), holds(timeline.labels)];
    return this.order.value.filter((span) => names[timeline.name[span]!] || services[timeline.service[span]!] || labels[timeline.label[span]!] ||
      timeline.ids[span]!.startsWith(text) || this.serverHits.value.has(timeline.ids[span]!));
  }

  toggle(key: string): void {
    const next = new Set(this.toggled.value);
    if (!next.delete(key)) next.add(key);
    this.toggled.value = next;
  }

  setUnfolded(keys: Iterable<string>, wanted: boolean): void {
    const next = new Set(this.toggled.value);
    const isUnfolded = unfolding(this.tree.value, next);
    for (const key of keys) {
      if (isUnfolded(key) !== wanted && !next.delete(key)) next.add(key);
    }
    this.toggled.value = next;
  }

  /** Opens what is folded above a span, and selects its row. */
  show(span: number): void {
    this.setUnfolded(foldedAbove(this.tree.value, span, this.isUnfolded), true);
    this.select(this.timeline.value.ids[span]!);
  }

  /** By turn or as sent. There a turn has no row of its own: the span that it begins with is selected in its place. */
  group(byTurn: boolean): void {
    const index = this.timeline.value.turns.findIndex((turn) => turnKey(turn.number) === this.selected.value);
    const span = index < 0 ? -1 : this.timeline.value.turns[index]!.span;
    batch(() => {
      this.byTurn.value = byTurn;
      if (byTurn || index < 0) return;
      if (span >= 0) this.show(span); else this.selected.value = null;
    });
  }

  /** Opens what is folded above a node, and selects its row. */
  showNode(at: number): void {
    const { nodes } = this.tree.value;
    const above: string[] = [];
    for (let up = nodes[at]!.parent; up >= 0; up = nodes[up]!.parent) above.push(nodes[up]!.key);
    this.setUnfolded(above, true);
    this.select(nodes[at]!.key);
  }

  showTurn(index: number): void {
    const turn = this.timeline.value.turns[index];
    if (!turn) return;
    const node = this.tree.value.nodes.findIndex((one) => one.turn === index);
    if (node >= 0) {
      this.setUnfolded([this.tree.value.nodes[node]!.key], true);
      this.showNode(node);
    } else if (turn.span >= 0) this.show(turn.span); // as sent there are no rows of turns
    this.fit(turn.waits[0]?.from ?? turn.start, Math.max(turn.end, turn.waits[0]?.to ?? turn.end));
  }

  select(key: string | null): void {
    this.selected.value = key;
    this.focused.value = key ?? this.focused.value;
    if (key !== null) this.isPanelOpen.value = true;
  }

  fit(from: number, to: number): void {
    const pad = Math.max((to - from) * 0.05, SMALLEST / 2);
    this.setWindow(from - pad, to + pad);
  }

  fitAll(): void {
    batch(() => {
      this.window.value = null;
      this.room.value = this.extent.value[1];
    });
  }

  setWindow(from: number, to: number): void {
    const { from: least, to: most } = this.whole;
    const width = Math.min(Math.max(to - from, SMALLEST), most - least);
    const begin = Math.min(Math.max(from, least), most - width);
    this.window.value = width >= most - least ? null : { from: begin, to: begin + width };
  }

  /** What is broken out of the axis is no time for zooming and moving. */
  private setFlat(from: number, to: number): void {
    const [least, most] = [this.whole.from, this.whole.to].map((at) => flat(at, this.gaps)) as [number, number];
    const width = Math.min(Math.max(to - from, SMALLEST), most - least);
    const begin = Math.min(Math.max(from, least), most - width);
    if (width >= most - least) this.window.value = null;
    else this.window.value = { from: unflat(begin, this.gaps, true), to: unflat(begin + width, this.gaps) };
  }

  zoom(factor: number, at = (this.shown.value.from + this.shown.value.to) / 2): void {
    const [from, to, still] = [this.shown.value.from, this.shown.value.to, at].map((one) => flat(one, this.gaps)) as [number, number, number];
    this.setFlat(still - (still - from) / factor, still + (to - still) / factor);
  }

  pan(share: number): void {
    const [from, to] = [this.shown.value.from, this.shown.value.to].map((one) => flat(one, this.gaps)) as [number, number];
    this.setFlat(from + (to - from) * share, to + (to - from) * share);
  }

  /** The first time a row is moved into the middle of the window, the second time it fills it. */
  centre(from: number, to: number): void {
    const w = this.shown.value;
    const by = (from + to) / 2 - (w.from + w.to) / 2;
    const before = this.window.value;
    if (before !== null && to - from <= w.to - w.from && Math.abs(by) > (w.to - w.from) / 200) {
      this.setWindow(w.from + by, w.to + by);
      const after = this.shown.value; // at the ends of the axis it does not move
      if (after.from !== w.from) return;
    }
    this.fit(from, to);
  }

  /** A clock that seems to run apart: its spans are drawn as they would be on time, or as they were received. */
  setShift(note: ClockNote, isShifted: boolean): void {
    const next = new Map(this.shifts.value);
    const key = shiftKey(note.trace, note.service);
    if (isShifted) next.set(key, -Math.round(note.aheadNs / 1e6) * 1e6); else next.delete(key);
    this.shifts.value = next;
  }

  isShifted(note: ClockNote): boolean { return this.shifts.value.has(shiftKey(note.trace, note.service)); }

  /** The row where the reader is: the one with the focus, which a selection takes along. */
  private here(): Row | undefined {
    const key = this.focused.value ?? this.selected.value;
    return key === null ? undefined : this.rows.value.find((one) => one.key === key);
  }

  /** The span in row order where the reader is, or the one that the row begins with; -1: none. */
  private place(): number {
    const row = this.here();
    if (!row) return -1;
    return row.span >= 0 ? this.orderOf.value[row.span]! : this.order.value.findIndex((span) => this.timeline.value.start[span]! >= row.start);
  }

  /** To the next or previous span of these without wrapping; says so at the end. */
  step(spans: number[], direction: 1 | -1, what: string): void {
    const places = spans.map((span) => this.orderOf.value[span]!);
    const at = this.place();
    const next = direction > 0 ? places.find((one) => one > at) : [...places].reverse().find((one) => one < at);
    if (next === undefined) {
      this.said.value = spans.length === 0 ? `No ${what}` : direction > 0 ? `Last ${what}` : `First ${what}`;
      return;
    }
    this.said.value = "";
    this.show(this.order.value[next]!);
  }

  get errors(): number[] {
    return this.order.value.filter((span) => hasFlag(this.timeline.value, span, ERROR));
  }

  stepTurn(direction: 1 | -1): void {
    const { turns } = this.timeline.value;
    const row = this.here();
    const now = row ? (row.turn >= 0 ? row.turn : row.span >= 0 ? this.timeline.value.turn[row.span]! : -1) : -1;
    const next = now < 0 ? (direction > 0 ? 0 : turns.length - 1) : now + direction;
    if (next < 0 || next >= turns.length) this.said.value = direction > 0 ? "Last turn" : "First turn";
    else this.showTurn(next);
  }

  /** New spans: what is selected, folded and in view stays, also where a turn that came late numbers the later ones anew. */
  update(timeline: Timeline): void {
    const moved = renumbered(this.received.value, timeline);
    const now = (key: string): string => moved.get(key) ?? key;
    const known = new Set(this.received.value.ids);
    const fresh = timeline.ids.filter((id) => !known.has(id));
    const awaited = this.missing;
    batch(() => {
      this.received.value = timeline;
      const end = this.extent.value[1];
      if (end > this.room.value) this.room.value = roomFor(end);
      const here = awaited === null ? -1 : timeline.ids.indexOf(awaited);
      if (here >= 0) this.show(here); // the span that the address names has come
      if (fresh.length) this.fresh.value = new Set([...this.fresh.value, ...fresh]);
      if (this.isFollowing.value && this.window.value) this.followEnd();
      if (moved.size === 0) return;
      this.toggled.value = new Set([...this.toggled.value].map(now));
      if (this.selected.value !== null) this.selected.value = now(this.selected.value);
      if (this.focused.value !== null) this.focused.value = now(this.focused.value);
    });
  }

  /** The end of what came is at the right of the window. */
  private followEnd(): void {
    const w = this.shown.value;
    const last = this.extent.value[1];
    if (last > w.to) this.setWindow(w.from + last - w.to, last);
  }

  follow(isFollowing: boolean): void {
    batch(() => {
      this.isFollowing.value = isFollowing;
      if (isFollowing && this.window.value) this.followEnd();
    });
  }

  /** Of the spans that came since: those in view are no longer new, those below it are counted. */
  noteView(last: number): void {
    if (this.fresh.value.size === 0) return;
    let count = 0;
    let first = -1;
    const rest = new Set<string>();
    for (const key of this.fresh.value) {
      const node = this.keys.value.get(key);
      const place = node === undefined ? -1 : shownAt(this.tree.value, this.places.value, node);
      if (place <= last) continue;
      rest.add(key);
      count++;
      if (first < 0 || place < first) first = place;
    }
    batch(() => {
      if (rest.size !== this.fresh.value.size) this.fresh.value = rest;
      if (count !== this.below.value.count || first !== this.below.value.row) this.below.value = { count, row: first };
    });
  }

  /** What the address says of this view. */
  toQuery(): Record<string, string | undefined> {
    const timeline = this.timeline.value;
    const key = this.selected.value;
    const turn = key?.startsWith("turn-") ? key.slice(5) : undefined;
    const isTrace = key !== null && timeline.traces.some((trace) => trace.id === key);
    const folds = [...this.toggled.value];
    const w = this.window.value;
    return {
      span: key && !turn && !isTrace ? key : undefined,
      trace: isTrace ? key : undefined,
      turn,
      win: w ? `${Math.round(w.from / 1e6)}-${Math.round(w.to / 1e6)}` : undefined,
      q: this.query.value || undefined,
      only: this.onlyMatches.value ? "1" : undefined,
      raw: this.byTurn.value ? undefined : "1",
      shift: writeShifts(this.shifts.value),
      gaps: this.breaksGaps.value ? undefined : "0",
      fold: folds.length && folds.length <= FOLDS_MAX ? folds.map((one) => one.startsWith("turn-") ? one : one.slice(0, FOLD_DIGITS)).join(".") : undefined,
    };
  }

  get isFoldingLeftOut(): boolean { return this.toggled.value.size > FOLDS_MAX; }

  fromQuery(query: Record<string, string>): void {
    const win = /^(-?\d+)-(-?\d+)$/.exec(query["win"] ?? "");
    if (query["raw"] === "1") this.byTurn.value = false;
    if (query["gaps"] === "0") this.breaksGaps.value = false;
    if (query["shift"]) this.shifts.value = readShifts(query["shift"], this.received.value);
    if (query["q"]) this.query.value = query["q"];
    if (query["only"] === "1") this.onlyMatches.value = true;
    if (win) this.setWindow(Number(win[1]) * 1e6, Number(win[2]) * 1e6);
    const folds = new Set((query["fold"] ?? "").split(".").filter(Boolean));
    if (folds.size) this.toggled.value = new Set(this.tree.value.nodes.map((node) => node.key).filter((key) => folds.has(key.startsWith("turn-") ? key : key.slice(0, FOLD_DIGITS))));
    if (query["turn"]) {
      const index = this.timeline.value.turns.findIndex((turn) => String(turn.number) === query["turn"]);
      if (index >= 0 && !win) this.showTurn(index); else if (index >= 0) this.select(turnKey(Number(query["turn"])));
    }
    if (query["trace"]) this.select(query["trace"]);
    if (query["span"]) {
      const span = this.timeline.value.ids.indexOf(query["span"]);
      if (span >= 0) this.show(span); else this.select(query["span"]);
    }
  }

  /** The span that the address names and that has not come. */
  get missing(): string | null {
    const key = this.selected.value;
    return key !== null && SPAN_ID.test(key) && !this.keys.value.has(key) ? key : null;
  }

}

/** Keys of turns that have another number now, by the span that each begins with. */
function renumbered(old: Timeline, next: Timeline): Map<string, string> {
  const numbers = new Map(next.turns.filter((turn) => turn.span >= 0).map((turn) => [next.ids[turn.span]!, turn.number]));
  const moved = new Map<string, string>();
  for (const turn of old.turns) {
    const number = turn.span >= 0 ? numbers.get(old.ids[turn.span]!) : undefined;
    if (number !== undefined && number !== turn.number) moved.set(turnKey(turn.number), turnKey(number));
  }
  return moved;
}
