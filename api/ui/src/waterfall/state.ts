// What a reader has chosen in a waterfall: the selected row, the window in time, what is folded, the search. The
// address holds it, so that a copied link shows the same.
import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { buildRows, buildTree, foldedAbove, spansInOrder, turnKey, unfolding, type Row, type Tree } from "./rows";
import { ERROR, extentOf, hasFlag, type Timeline } from "./timeline";

export interface Window { from: number; to: number }

const SMALLEST = 1e6; // 1 ms
const FOLDS_MAX = 50;
export const FOLD_DIGITS = 8;

export class WaterfallState {
  readonly timeline: Signal<Timeline>;
  readonly byTurn = signal(true);
  readonly toggled = signal<ReadonlySet<string>>(new Set());
  readonly selected = signal<string | null>(null);
  readonly focused = signal<string | null>(null);
  readonly window = signal<Window | null>(null); // null: fit
  readonly query = signal("");
  readonly onlyMatches = signal(false);
  readonly serverHits = signal<ReadonlySet<string>>(new Set());
  readonly isPanelOpen = signal(false);
  readonly shifts = signal<ReadonlyMap<number, number>>(new Map());
  readonly said = signal("");

  readonly tree: ReadonlySignal<Tree>;
  readonly rows: ReadonlySignal<Row[]>;
  readonly extent: ReadonlySignal<[number, number]>;
  readonly shown: ReadonlySignal<Window>;
  readonly order: ReadonlySignal<number[]>;
  readonly hits: ReadonlySignal<number[]>; // spans, in row order
  readonly hitSet: ReadonlySignal<ReadonlySet<number>>;

  constructor(timeline: Timeline) {
    this.timeline = signal(timeline);
    this.extent = computed(() => extentOf(this.timeline.value));
    this.shown = computed(() => this.window.value ?? padded(this.extent.value));
    this.tree = computed(() => buildTree(this.timeline.value, this.byTurn.value && this.timeline.value.turns.length > 0));
    this.order = computed(() => spansInOrder(this.tree.value));
    this.hits = computed(() => this.find());
    this.hitSet = computed(() => new Set(this.hits.value));
    this.rows = computed(() => {
      const rows = buildRows(this.tree.value, unfolding(this.tree.value, this.toggled.value));
      return this.onlyMatches.value && this.query.value ? this.onlyHits(rows) : rows;
    });
  }

  get isUnfolded(): (key: string) => boolean { return unfolding(this.tree.value, this.toggled.value); }

  private find(): number[] {
    const text = this.query.value.trim().toLowerCase();
    if (!text) return [];
    const timeline = this.timeline.value;
    const names = timeline.names.map((name) => name.toLowerCase().includes(text));
    return this.order.value.filter((span) => names[timeline.name[span]!] || timeline.ids[span]!.startsWith(text) || this.serverHits.value.has(timeline.ids[span]!));
  }

  /** Rows that match, and those above them. */
  private onlyHits(rows: Row[]): Row[] {
    const keep = new Set<number>();
    rows.forEach((row, index) => {
      if (row.span >= 0 && this.hitSet.value.has(row.span)) {
        for (let at = index; at >= 0 && !keep.has(at); at = rows[at]!.parent) keep.add(at);
      }
    });
    const place = new Map<number, number>();
    const kept: Row[] = [];
    rows.forEach((row, index) => {
      if (keep.has(index)) {
        place.set(index, kept.length);
        kept.push({ ...row, parent: row.parent < 0 ? -1 : place.get(row.parent) ?? -1 });
      }
    });
    return kept;
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

  showTurn(index: number): void {
    const turn = this.timeline.value.turns[index];
    if (!turn) return;
    const node = this.tree.value.nodes.find((one) => one.turn === index);
    if (node) {
      const above: string[] = [];
      for (let at = node.parent; at >= 0; at = this.tree.value.nodes[at]!.parent) above.push(this.tree.value.nodes[at]!.key);
      this.setUnfolded([...above, node.key], true);
      this.select(node.key);
    }
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

  fitAll(): void { this.window.value = null; }

  setWindow(from: number, to: number): void {
    const [least, most] = padded2(this.extent.value);
    const width = Math.min(Math.max(to - from, SMALLEST), most - least);
    const begin = Math.min(Math.max(from, least), most - width);
    this.window.value = width >= most - least ? null : { from: begin, to: begin + width };
  }

  zoom(factor: number, at = (this.shown.value.from + this.shown.value.to) / 2): void {
    const { from, to } = this.shown.value;
    this.setWindow(at - (at - from) / factor, at + (to - at) / factor);
  }

  pan(share: number): void {
    const { from, to } = this.shown.value;
    this.setWindow(from + (to - from) * share, to + (to - from) * share);
  }

  /** The row where the reader is: the one with the focus, which a selection takes along. */
  private here(): Row | undefined {
    const key = this.focused.value ?? this.selected.value;
    return this.rows.value.find((one) => one.key === key);
  }

  /** The span in row order where the reader is, or the one that the row begins with; -1: none. */
  private place(): number {
    const row = this.here();
    if (!row) return -1;
    return row.span >= 0 ? this.order.value.indexOf(row.span) : this.order.value.findIndex((span) => this.timeline.value.start[span]! >= row.start);
  }

  /** To the next or previous span of these without wrapping; says so at the end. */
  step(spans: number[], direction: 1 | -1, what: string): void {
    const places = spans.map((span) => this.order.value.indexOf(span));
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
    const moved = renumbered(this.timeline.value, timeline);
    const now = (key: string): string => moved.get(key) ?? key;
    batch(() => {
      this.timeline.value = timeline;
      if (moved.size === 0) return;
      this.toggled.value = new Set([...this.toggled.value].map(now));
      if (this.selected.value !== null) this.selected.value = now(this.selected.value);
      if (this.focused.value !== null) this.focused.value = now(this.focused.value);
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
      fold: folds.length && folds.length <= FOLDS_MAX ? folds.map((one) => one.startsWith("turn-") ? one : one.slice(0, FOLD_DIGITS)).join(".") : undefined,
    };
  }

  get isFoldingLeftOut(): boolean { return this.toggled.value.size > FOLDS_MAX; }

  fromQuery(query: Record<string, string>): void {
    const win = /^(-?\d+)-(-?\d+)$/.exec(query["win"] ?? "");
    if (query["raw"] === "1") this.byTurn.value = false;
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
      if (span >= 0) this.show(span); else this.selected.value = query["span"];
    }
  }

  /** The span that the address names and that has not come. */
  get missing(): string | null {
    const key = this.selected.value;
    if (key === null || this.tree.value.nodes.some((node) => node.key === key)) return null;
    return key;
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

function padded([from, to]: [number, number]): Window {
  const [a, b] = padded2([from, to]);
  return { from: a, to: b };
}

function padded2([from, to]: [number, number]): [number, number] {
  const pad = (to - from) * 0.01;
  return [from - pad, to + pad];
}
