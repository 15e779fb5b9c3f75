import assert from "node:assert/strict";
import { test } from "node:test";
import { differences, type Group } from "../src/explorer/groups";

const group = (traces: number, linked: number, errors: number, p50: number, p95: number): Group =>
  ({ value: "v", traces, linked, errors, durationP50Ms: p50, durationP95Ms: p95, lastSeenAt: "2026-11-22T14:43:45Z" });

test("what the second group has more or less than the first", () => {
  assert.deepEqual(differences(group(4, 2, 1, 1000, 4000), group(3, 3, 0, 1500, 3000)),
    ["\u22121", "+50 points", "\u221225 points", "+500 ms (+50 %)", "\u22121.00 s (\u221225 %)"]);
  assert.deepEqual(differences(group(2, 0, 0, 0, 10), group(2, 0, 0, 20, 10)), ["same", "same share", "same share", "+20 ms", "same"]);
});
