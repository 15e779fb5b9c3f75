import assert from "node:assert/strict";
import { test } from "node:test";
import { readShifts, shifted, shiftOf, writeShifts } from "../src/waterfall/shift";
import { WaterfallState } from "../src/waterfall/state";
import type { Timeline } from "../src/waterfall/timeline";
import { timeline, turn } from "./made";

/** Trace A of one service, trace B of two. */
function two(): Timeline {
  const given = timeline([{ parent: -1, start: 0, length: 9e9 }, { parent: -1, start: 5e9, length: 1e9, turn: 0 }, { parent: 1, start: 5.1e9, length: 1e8 }], [{ ...turn(1, 5e9, 1e9), span: 1 }]);
  const trace = given.traces[0]!;
  return { ...given, traces: [trace, { ...trace, id: "other", start: 5e9, end: 6e9 }], trace: Int32Array.from([0, 1, 1]), services: ["agent", "a/b: c"], service: Int32Array.from([0, 0, 1]),
    clocks: [{ trace: 1, service: null, aheadNs: 3.2e9 }, { trace: 1, service: "a/b: c", aheadNs: -5e7 }] };
}

test("a trace is drawn earlier with its turns, and nothing else is", () => {
  const given = two();
  const drawn = shifted(given, new Map([["B", -3.2e9]]));
  assert.deepEqual([...drawn.start], [0, 1.8e9, 1.9e9]);
  assert.deepEqual([drawn.turns[0]!.start, drawn.turns[0]!.waits[0]!.from, drawn.turns[0]!.waits[0]!.to], [1.8e9, 1.8e9, 2.8e9]);
  assert.deepEqual([drawn.traces[0]!.start, drawn.traces[1]!.start], [0, 1.8e9]);
  assert.deepEqual([...given.start], [0, 5e9, 5.1e9]); // what was received stays
  assert.equal(shifted(given, new Map()), given);
});

test("a service's shift adds to its trace's", () => {
  const given = two();
  const shifts = new Map([["B", -1e9], ["B/a/b: c", 5e7]]);
  assert.deepEqual([0, 1, 2].map((span) => shiftOf(given, shifts, span)), [0, -1e9, -1e9 + 5e7]);
});

test("the address holds shifts, and refuses what is not there", () => {
  const given = two();
  const shifts = new Map([["B", -3.2e9], ["B/a/b: c", 5e7]]);
  assert.equal(writeShifts(new Map([["B", -3.2e9]])), "B:-3200");
  assert.deepEqual(readShifts(writeShifts(shifts)!, given), shifts);
  assert.equal(writeShifts(new Map()), undefined);
  for (const bad of ["", "B", "B:", "C:10", "B:x", "B:1e9", "B:0", ":5", "B/none:5", "%:5", "B:12345678901"]) assert.equal(readShifts(bad, given).size, 0, bad);
  assert.deepEqual(readShifts("C:10,B:20", given), new Map([["B", 2e7]]));
});

test("a shift is the reader's choice, and can be taken back", () => {
  const state = new WaterfallState(two());
  const note = state.timeline.value.clocks[0]!;
  state.setShift(note, true);
  assert.equal(state.toQuery()["shift"], "B:-3200");
  assert.equal(state.timeline.value.start[1], 1.8e9);
  state.update({ ...two(), shown: 4 }); // what arrives is drawn shifted as well
  assert.equal(state.timeline.value.start[1], 1.8e9);
  assert.equal(state.received.value.start[1], 5e9);
  const again = new WaterfallState(two());
  again.fromQuery({ shift: "B:-3200" });
  assert.ok(again.isShifted(note));
  state.setShift(note, false);
  assert.equal(state.toQuery()["shift"], undefined);
});
