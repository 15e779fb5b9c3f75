// The tree and its rows: every span once, below its parent, whatever the view; turns as rows of their own.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { buildRows, buildTree, foldedAbove, spansInOrder, unfolding } from "../src/waterfall/rows";
import { footOf } from "../src/waterfall/figures";
import { WaterfallState } from "../src/waterfall/state";
import { ERROR, PROVISIONAL, slowestTurn } from "../src/waterfall/timeline";
import { timeline, turn, type Given } from "./made";

/** Any forest: a parent comes before its children, as the server's rows do. */
const forests = fc.array(fc.record({ up: fc.nat(), start: fc.integer({ min: -1000, max: 1000 }), length: fc.nat(1000), turn: fc.integer({ min: -1, max: 2 }), flags: fc.constantFrom(0, ERROR, PROVISIONAL) }), { maxLength: 60 })
  .map((list) => timeline(list.map((one, i) => ({ parent: i === 0 || one.up % 4 === 0 ? -1 : one.up % i, start: one.start, length: one.length, turn: one.turn, flags: one.flags })), [turn(0, 0, null), turn(1, 0, 5), turn(2, 0, 9)]));

test("every span is shown once, below its parent or that one's turn, in both views", () => {
  fc.assert(fc.property(forests, fc.boolean(), (given, byTurn) => {
    const rows = buildRows(buildTree(given, byTurn), () => true);
    const shown = rows.filter((row) => row.span >= 0);
    assert.deepEqual(shown.map((row) => row.span).sort((a, b) => a - b), given.ids.map((_, i) => i));
    for (const row of shown) {
      let at = row.parent;
      while (at >= 0 && rows[at]!.span < 0) at = rows[at]!.parent;
      assert.equal(at < 0 ? -1 : rows[at]!.span, given.parent[row.span]);
      assert.equal(row.depth, row.parent < 0 ? 0 : rows[row.parent]!.depth + 1);
    }
    if (!byTurn) assert.equal(rows.length, shown.length);
  }));
});

test("siblings stand by start, then the longer first", () => {
  fc.assert(fc.property(forests, (given) => {
    const last = new Map<number, { start: number; end: number }>();
    for (const row of buildRows(buildTree(given, false), () => true)) {
      const before = last.get(row.parent);
      if (before) assert.ok(before.start < row.start || (before.start === row.start && before.end >= row.end));
      last.set(row.parent, row);
    }
  }));
});

test("what is folded hides its rows; errors and spans inside are counted", () => {
  const given = timeline([{ parent: -1, start: 0, length: 9 }, { parent: 0, start: 1, length: 2, flags: ERROR }, { parent: 1, start: 1, length: 30 }, { parent: 0, start: 4, length: 1 }]);
  const [row, ...rest] = buildRows(buildTree(given, false), () => false);
  assert.equal(rest.length, 0);
  assert.deepEqual([row!.spansBelow, row!.errorsBelow, row!.lastBelow], [3, 1, 31]);
});

test("a span is found through everything that is folded above it", () => {
  fc.assert(fc.property(forests, fc.nat(), (given, n) => {
    fc.pre(given.ids.length > 0);
    const span = n % given.ids.length;
    const tree = buildTree(given, true);
    const opened = new Set(foldedAbove(tree, span, () => false));
    assert.ok(buildRows(tree, (key) => opened.has(key)).some((row) => row.span === span));
  }));
});

test("of the turns the slowest and those with errors are open at first", () => {
  const given = timeline([
    { parent: -1, start: 0, length: 100 }, { parent: 0, start: 1, length: 5, turn: 0 }, { parent: 0, start: 20, length: 5, turn: 1 }, { parent: 0, start: 40, length: 5, turn: 2 },
    { parent: 3, start: 41, length: 1, turn: 2, flags: ERROR },
  ], [turn(1, 1, 3), turn(2, 20, 9), turn(3, 40, 2)]);
  const tree = buildTree(given, true);
  const rows = buildRows(tree, unfolding(tree, new Set()));
  assert.deepEqual(rows.filter((row) => row.kind === "turn").map((row) => [given.turns[row.turn]!.number, row.isUnfolded]), [[1, false], [2, true], [3, true]]);
  assert.ok(rows.some((row) => row.span === 4));
});

test("a turn that one span holds is that span's row", () => {
  const given = timeline([{ parent: -1, start: 0, length: 100 }, { parent: 0, start: 1, length: 5, turn: 0 }, { parent: 1, start: 2, length: 1, turn: 0 }], [turn(1, 1, 3, "whole")]);
  const rows = buildRows(buildTree(given, true), () => true);
  assert.deepEqual(rows.map((row) => [row.kind, row.span]), [["span", 0], ["turn", 1], ["span", 2]]);
});

test("figures: nearest rank, p95 only from twenty on, and only of turns that have one", () => {
  const turns = Array.from({ length: 20 }, (_, i) => turn(i + 1, 0, (i + 1) * 100));
  assert.deepEqual(footOf(turns, "response"), { median: 1000, p95: 1900, slowest: 2000 });
  assert.deepEqual(footOf([...turns, turn(21, 0, null)], "llm"), { median: 1000, p95: 1900, slowest: 2000 });
  assert.equal(footOf(turns.slice(1), "response").p95, null);
  assert.deepEqual(footOf([turn(1, 0, null)], "response"), { median: null, p95: null, slowest: null });
  assert.equal(slowestTurn(turns), turns[19]);
  assert.equal(slowestTurn([turn(1, 0, null)]), null);
});

test("errors are walked in row order, without wrapping", () => {
  const given = timeline([{ parent: -1, start: 0, length: 9 }, { parent: 0, start: 5, length: 1, flags: ERROR }, { parent: 0, start: 1, length: 1, flags: ERROR }]);
  const state = new WaterfallState(given);
  for (const wanted of [2, 1, 1]) {
    state.step(state.errors, 1, "error");
    assert.equal(state.selected.value, given.ids[wanted]);
  }
  assert.equal(state.said.value, "Last error");
});

test("the address brings back selection, search and grouping", () => {
  fc.assert(fc.property(forests, fc.nat(), fc.boolean(), (given, n, byTurn) => {
    fc.pre(given.ids.length > 0);
    const state = new WaterfallState(given);
    state.byTurn.value = byTurn;
    state.show(n % given.ids.length);
    state.query.value = "span";
    const query = Object.fromEntries(Object.entries(state.toQuery()).filter(([, value]) => value !== undefined)) as Record<string, string>;
    const again = new WaterfallState(given);
    again.fromQuery(query);
    assert.deepEqual([again.selected.value, again.query.value, again.byTurn.value], [state.selected.value, "span", byTurn]);
    assert.ok(again.rows.value.some((row) => row.key === state.selected.value));
  }));
});

test("new spans move neither selection nor folding nor window", () => {
  const few: Given[] = [{ parent: -1, start: 0, length: 1e9 }, { parent: 0, start: 10, length: 5 }];
  const state = new WaterfallState(timeline(few));
  state.show(1);
  state.setWindow(5e6, 5e8);
  const before = [state.selected.value, state.window.value, state.toggled.value];
  state.update(timeline([...few, { parent: 0, start: 200, length: 5e9 }]));
  assert.deepEqual([state.selected.value, state.window.value, state.toggled.value], before);
});

test("spans stand in the order of the rows when everything is open", () => {
  fc.assert(fc.property(forests, (given) => {
    const tree = buildTree(given, true);
    const shown = buildRows(tree, () => true).map((row) => row.span).filter((span) => span >= 0 && tree.nodes[tree.nodeOfSpan[span]!]!.kind === "span");
    assert.deepEqual(spansInOrder(tree), shown);
  }));
});
