import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { buildRows, buildTree, countBelow, loneRow } from "../src/waterfall/rows";
import { WaterfallState } from "../src/waterfall/state";
import { decode, type WireTimeline } from "../src/waterfall/decode";
import { OPEN } from "../src/waterfall/timeline";
import { timeline, turn, type Given } from "./made";

/** A root with so many children of one second each. */
const family = (children: number): Given[] => [{ parent: -1, start: 0, length: children * 1e9 }, ...Array.from({ length: children }, (_, i) => ({ parent: 0, start: i * 1e9, length: 1e9 }))];

test("a selected row that is folded away is told by the row that hides it", () => {
  const state = new WaterfallState(timeline([{ parent: -1, start: 0, length: 9 }, { parent: 0, start: 1, length: 2 }, { parent: 1, start: 1, length: 1 }]));
  state.show(2);
  assert.equal(state.selectedInside.value, -1);
  state.toggle(state.timeline.value.ids[0]!);
  assert.equal(state.rows.value.length, 1);
  assert.equal(state.selectedInside.value, state.rows.value[0]!.node);
  assert.equal(state.selectedRow.value!.span, 2);
  assert.equal(state.selectedRow.value!.depth, 2);
  state.select("no such row");
  assert.deepEqual([state.selectedRow.value, state.selectedInside.value], [null, -1]);
});

test("only matches: they and what is above them, whatever is folded", () => {
  const given = timeline(family(5).concat({ parent: 3, start: 2e9, length: 1 }));
  const state = new WaterfallState(given);
  state.query.value = "span 6";
  assert.deepEqual([...state.hitsBelow.value.values()], [1, 1]);
  state.onlyMatches.value = true;
  state.toggle(given.ids[0]!);
  assert.deepEqual(state.rows.value.map((row) => row.span), [0, 3, 6]);
  assert.deepEqual(state.rows.value.map((row) => [row.position, row.siblings]), [[1, 1], [1, 1], [1, 1]]);
  state.query.value = "nothing has this name";
  assert.deepEqual(state.rows.value, []);
  state.query.value = "  ";
  assert.equal(state.rows.value.length, 1); // no search: as it is folded
});

test("names, services, models, ids and what the server found are matches", () => {
  const given = { ...timeline(family(3)), services: ["billing"], labels: ["gpt-4o"] };
  given.service[1] = 0;
  given.label[2] = 0;
  const state = new WaterfallState(given);
  const found = (text: string): number[] => { state.query.value = text; return [...state.hits.value]; };
  assert.deepEqual(found("BILL"), [1]);
  assert.deepEqual(found("gpt"), [2]);
  assert.deepEqual(found(given.ids[3]!), [3]);
  assert.deepEqual(found("hidden in a value"), []);
  state.serverHits.value = new Map([[given.ids[2]!, { place: "attribute", key: "a" }]]);
  assert.deepEqual(found("hidden in a value"), [2]);
});

test("counts below are those of the rows themselves", () => {
  fc.assert(fc.property(fc.array(fc.nat(), { maxLength: 40 }), (ups) => {
    const given = timeline(ups.map((up, i) => ({ parent: i === 0 || up % 4 === 0 ? -1 : up % i, start: i, length: 1 })));
    const tree = buildTree(given, false);
    const spans = given.ids.map((_, i) => i).filter((i) => i % 3 === 0);
    const counts = countBelow(tree, spans);
    for (const row of buildRows(tree, () => true)) {
      const below = spans.filter((span) => { for (let at = given.parent[span]!; at >= 0; at = given.parent[at]!) if (at === row.span) return true; return false; }).length;
      assert.equal(counts.get(row.node) ?? 0, below);
      const lone = loneRow(tree, row.node);
      assert.deepEqual([lone.key, lone.depth, lone.position, lone.siblings], [row.key, row.depth, row.position, row.siblings]);
    }
  }));
});

test("what comes below the view is counted until it was in view", () => {
  const state = new WaterfallState(timeline(family(10)));
  state.noteView(3);
  assert.deepEqual(state.below.value, { count: 0, row: -1 });
  state.update(timeline(family(14)));
  state.noteView(3);
  assert.deepEqual(state.below.value, { count: 4, row: 11 });
  state.noteView(12);
  assert.deepEqual(state.below.value, { count: 2, row: 13 });
  state.noteView(3); // the reader goes back up: two of them were seen
  assert.equal(state.below.value.count, 2);
  state.noteView(14);
  assert.deepEqual(state.below.value, { count: 0, row: -1 });
});

test("a span that the address names is selected when it comes, with all above it open", () => {
  const few: Given[] = [{ parent: -1, start: 0, length: 9 }];
  const all: Given[] = [...few, { parent: 0, start: 1, length: 8 }, { parent: 1, start: 2, length: 7 }, { parent: 2, start: 3, length: 6 }];
  const state = new WaterfallState(timeline(few));
  const wanted = timeline(all).ids[3]!;
  state.fromQuery({ span: wanted });
  assert.equal(state.missing, wanted);
  assert.equal(state.toQuery()["span"], wanted);
  state.update(timeline(all.slice(0, 2)));
  assert.equal(state.missing, wanted);
  state.update(timeline(all));
  assert.equal(state.missing, null);
  assert.ok(state.rows.value.some((row) => row.key === wanted) && state.isPanelOpen.value);
});

test("following keeps the end in the window, and no longer when it ends", () => {
  const state = new WaterfallState(timeline(family(10)));
  state.setWindow(6e9, 8e9);
  state.follow(true);
  assert.ok(state.shown.value.to >= 10e9);
  state.update(timeline(family(20)));
  assert.ok(state.shown.value.to >= 20e9 && state.shown.value.to - state.shown.value.from < 2.1e9);
  state.follow(false);
  state.update(timeline(family(30)));
  assert.ok(state.shown.value.to < 21e9);
});

test("a row is centred first and fitted then; at the axis' end it is fitted at once", () => {
  const state = new WaterfallState(timeline(family(100)));
  state.setWindow(20e9, 40e9);
  state.centre(50e9, 51e9);
  assert.deepEqual(state.shown.value, { from: 40.5e9, to: 60.5e9 });
  state.centre(50e9, 51e9);
  assert.ok(state.shown.value.to - state.shown.value.from < 1.2e9);
  state.fitAll();
  state.centre(50e9, 51e9); // all is shown: there is nowhere to move to
  assert.ok(state.shown.value.to - state.shown.value.from < 1.2e9);
  state.setWindow(80e9, 101e9);
  const before = state.shown.value;
  state.centre(99e9, 100e9);
  assert.notDeepEqual(state.shown.value, before);
});

test("as sent, a turn of the strip is the span that it begins with", () => {
  const given = timeline([{ parent: -1, start: 0, length: 9e9 }, { parent: 0, start: 1e9, length: 1e9, turn: 0 }], [{ ...turn(1, 1e9, 1e9), span: 1 }]);
  const state = new WaterfallState(given);
  state.showTurn(0);
  assert.equal(state.selected.value, "turn-1");
  state.group(false);
  assert.equal(state.selected.value, given.ids[1]); // what is selected has a row in this view as well
  assert.equal(state.missing, null);
  state.select("turn-1");
  assert.equal(state.missing, null); // no span is awaited
  state.showTurn(0);
  assert.equal(state.selected.value, given.ids[1]);
  assert.ok(state.window.value);
});

const wire = (lastSeenAt: string, isOpen: boolean): WireTimeline => ({
  kind: "trace", id: "t", zero: "2026-11-22T14:00:00Z", endNs: null, isLive: true, revision: 1, isChanges: false, isChanged: true, spanCount: 2, spanTotal: 2, isCut: false, errorCount: 0,
  names: ["a"], services: [], labels: [], traces: [{ traceId: "t", rootName: "a", rootSpanId: "00", service: null, isOpen, startNs: 0, lengthNs: 5e9, lastSeenAt, spanCount: 2, errorCount: 0, missingParents: 0 }],
  columns: { trace: [0, 0], id: ["00", "01"], parent: [-1, 0], name: [0, 0], service: [-1, -1], label: [-1, -1], startNs: [0, 1e9], lengthNs: [0, -3e6], role: [0, 0], flags: [OPEN, 0], turn: [-1, -1] },
  turns: [], links: [], clocks: [],
});

test("what has not ended runs to now while spans arrive, else to the last end known", () => {
  const now = Date.parse("2026-11-22T14:00:20Z");
  assert.equal(decode(wire("2026-11-22T14:00:10Z", true), now).length[0], 20e9);
  assert.equal(decode(wire("2026-11-22T13:59:00Z", true), now).length[0], 5e9); // nothing came for long
  assert.equal(decode(wire("2026-11-22T14:00:10Z", false), now).length[0], 5e9);
  assert.equal(decode(wire("2026-11-22T14:00:10Z", true), now - 15_000).length[0], 5e9); // the reader's clock is behind
  assert.equal(decode(wire("2026-11-22T14:00:10Z", true), now).length[1], -3e6); // a negative one stays so
});

test("what comes live moves the axis seldom, and its end never back", () => {
  const grown = (seconds: number) => timeline([{ parent: -1, start: 0, length: seconds * 1e9 }]);
  const state = new WaterfallState(grown(66));
  const end = () => Math.round(state.axis.value[1] / 1e9);
  const ends = [end()];
  for (let seconds = 67; seconds <= 700; seconds++) {
    state.update(grown(seconds));
    ends.push(end());
    assert.ok(state.scale.value.to >= seconds * 1e9, "all of it is in view");
  }
  assert.deepEqual([...new Set(ends)], [66, 120, 300, 600, 900]);
  state.update(grown(650)); // it shrank: nothing moves
  assert.equal(end(), 900);
  state.fitAll();
  assert.equal(end(), 650);
  state.update(grown(9000));
  assert.equal(end(), 10_800);
  // What the reader chose stays where it is.
  state.setWindow(10e9, 20e9);
  state.update(grown(20_000));
  assert.deepEqual(state.window.value, { from: 10e9, to: 20e9 });
});
