import assert from "node:assert/strict";
import { test } from "node:test";
import { pairTools, toolRuns, type ToolRun } from "../src/waterfall/said";
import { ERROR, OPEN, ROLES } from "../src/waterfall/timeline";
import { timeline } from "./made";

const TOOL = ROLES.indexOf("tool");

test("spans that ran tools: by start, named by the tool, of one inside another only the outer", () => {
  const given = timeline([
    { parent: -1, start: 0, length: 9e9 }, { parent: 0, start: 5e9, length: 2e9, flags: ERROR }, { parent: 1, start: 5e9, length: 1e9 }, { parent: 0, start: 1e9, length: 1e9, flags: OPEN },
  ]);
  for (const span of [1, 2, 3]) given.role[span] = TOOL;
  given.labels = ["lookup_order"];
  given.label[1] = 0;
  assert.deepEqual(toolRuns(given).map(({ name, start, isFailed, isOpen, spanId }) => [name, start / 1e9, isFailed, isOpen, spanId]), [
    ["span 3", 1, false, true, given.ids[3]], ["lookup_order", 5, true, false, given.ids[1]],
  ]);
});

test("what the call tells of a tool goes with its span, each span once; the rest stands alone", () => {
  const run = (name: string, start: number): ToolRun => ({ name, start: start * 1e9, length: 1e9, isFailed: false, isOpen: false, spanId: `${name}${start}` });
  const runs = [run("a", 10), run("a", 12), run("b", 20), run("c", 30)];
  const lines = pairTools([{ name: "a", at: 11.9e9 }, { name: "a", at: 10.2e9 }, { name: "a", at: 12.5e9 }, { name: "b", at: 28e9 }], runs);
  assert.deepEqual(lines.map((line) => [line.at / 1e9, line.told?.name ?? null, line.run?.spanId ?? null]), [
    [10.2, "a", "a10"], [11.9, "a", "a12"], [12.5, "a", null], [20, null, "b20"], [28, "b", null], [30, null, "c30"],
  ]);
});
