import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BREAK_PX, flat, GAP_LEAST, gapsOf, Scale, unflat, type Gap } from "../src/waterfall/scale";
import { marks } from "../src/waterfall/ruler";
import { WaterfallState } from "../src/waterfall/state";
import { timeline } from "./made";

const HOUR = 3600e9;
const near = (got: number, wanted: number, by: number): void => assert.ok(Math.abs(got - wanted) <= by, `${got}, wanted ${wanted}`);

/** Gaps in order that do not touch. */
const gapLists = fc.array(fc.record({ space: fc.integer({ min: 1, max: 1e6 }), length: fc.integer({ min: 1, max: 1e9 }) }), { maxLength: 6 }).map((list): Gap[] => {
  let at = 0;
  return list.map(({ space, length }) => { const from = at + space; at = from + length; return { from, to: at }; });
});

test("flat time goes forward, and back to the time it came from", () => {
  fc.assert(fc.property(gapLists, fc.integer({ min: -1e6, max: 1e10 }), fc.nat(1e9), (gaps, at, more) => {
    assert.ok(flat(at, gaps) <= flat(at + more, gaps));
    const inside = gaps.find((gap) => at >= gap.from && at <= gap.to);
    assert.equal(unflat(flat(at, gaps), gaps), inside ? inside.from : at);
    assert.equal(unflat(flat(at, gaps), gaps, true), inside ? inside.to : at);
  }));
});

test("a place on the scale is the place of its time, with and without breaks", () => {
  fc.assert(fc.property(gapLists, fc.integer({ min: 0, max: 1000 }), (gaps, share) => {
    const to = 5e6 + (gaps[gaps.length - 1]?.to ?? 0);
    const scale = new Scale(-1e6, to, gaps);
    const width = 1000;
    const at = -1e6 + share / 1000 * (to + 1e6);
    const px = scale.px(at, width);
    assert.ok(px >= -1e-6 && px <= width + 1e-6);
    near(scale.px(scale.timeAt(px, width), width), px, 0.01);
  }));
});

test("a gap is 24 px wide however long it is, and what is beside it is evenly spread", () => {
  const scale = new Scale(0, 10 * HOUR, [{ from: HOUR, to: 9 * HOUR }]);
  near(scale.px(9 * HOUR, 1024) - scale.px(HOUR, 1024), BREAK_PX, 1e-9);
  near(scale.px(HOUR, 1024), 500, 1e-9);
  near(scale.px(10 * HOUR, 1024), 1024, 1e-9);
  assert.match(scale.left(9 * HOUR), /^calc\(\(100% - 24px\) \* 0\.5 \+ 24px\)$/);
  assert.equal(new Scale(0, 100).left(25), "25%");
});

test("a window inside a gap, or without any, is not bent", () => {
  const gaps = [{ from: 100, to: 1000 }];
  assert.deepEqual(new Scale(200, 300, gaps).breaks, []);
  assert.equal(new Scale(200, 300, gaps).px(250, 100), 50);
  assert.deepEqual(new Scale(1000, 2000, gaps).breaks, []);
  assert.deepEqual(new Scale(0, 100, gaps).breaks, []);
});

test("gaps are what no span covers for over 30 min", () => {
  const given = timeline([{ parent: -1, start: 0, length: 60e9 }, { parent: -1, start: 10e9, length: 3 * HOUR }, { parent: -1, start: 5 * HOUR, length: 1e9 }, { parent: -1, start: 5 * HOUR + GAP_LEAST + 1e9, length: 1 }]);
  assert.deepEqual(gapsOf(given), [{ from: 10e9 + 3 * HOUR, to: 5 * HOUR }]);
  assert.deepEqual(gapsOf({ ...given, callEnd: 8 * HOUR }).length, 2); // and up to the call's end
  assert.deepEqual(gapsOf(timeline([{ parent: -1, start: 0, length: 10 * HOUR }])), []);
  assert.deepEqual(gapsOf(timeline([])), []);
});

test("marks stand apart, at round times, and never in a break", () => {
  const scale = new Scale(0, 1e15, [{ from: 60e9, to: 1e15 - 60e9 }]);
  const list = marks(scale).places;
  assert.ok(list.length >= 3 && list.length <= 12, String(list.length));
  for (const at of list) assert.equal(scale.brokenAt(at), undefined);
  fc.assert(fc.property(fc.integer({ min: -1e6, max: 1e6 }), fc.integer({ min: 1, max: 1e9 }), (from, ms) => {
    const { places } = marks(new Scale(from * 1e6, from * 1e6 + ms * 1e6));
    assert.ok(places.length <= 10);
    places.forEach((at, i) => { if (i > 0) assert.ok(at > places[i - 1]!); });
  }));
});

test("zooming and moving go over a break as if it were not there", () => {
  const state = new WaterfallState(timeline([{ parent: -1, start: 0, length: 60e9 }, { parent: -1, start: 5 * HOUR, length: 60e9 }]));
  assert.equal(state.allGaps.value.length, 1);
  state.setWindow(0, 60e9);
  state.pan(1);
  const { from, to } = state.shown.value;
  near(from, 5 * HOUR, 2e9);
  near(to - from, 60e9, 2e9);
  state.fitAll();
  assert.ok(state.shown.value.from > -2e9, "the margin is one of what is not broken");
  state.breaksGaps.value = false;
  assert.equal(state.scale.value.breaks.length, 0);
  assert.equal(state.toQuery()["gaps"], "0");
  state.fitAll();
  assert.equal(state.scale.value.breaks.length, 0);
  state.breaksGaps.value = true;
  assert.equal(state.scale.value.breaks.length, 1);
});

test("no zoom leaves the axis, nor shows less than a millisecond", () => {
  fc.assert(fc.property(fc.array(fc.constantFrom("in", "out", "left", "right"), { maxLength: 60 }), fc.boolean(), (steps, breaks) => {
    const state = new WaterfallState(timeline([{ parent: -1, start: 0, length: 60e9 }, { parent: -1, start: 5 * HOUR, length: 60e9 }]));
    state.breaksGaps.value = breaks;
    for (const step of steps) {
      if (step === "in") state.zoom(2); else if (step === "out") state.zoom(0.5); else state.pan(step === "left" ? -0.4 : 0.4);
      const { from, to } = state.shown.value;
      assert.ok(from < to && to - from >= 1e6 - 1, `${from} to ${to}`);
      assert.ok(from >= -0.02 * 6 * HOUR && to <= 6 * HOUR);
    }
  }));
});
