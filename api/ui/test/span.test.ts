import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { elementsOf } from "../src/base/json";
import { linesOf } from "../src/base/value";
import { blanked, departure, documentOf, isSensitive, messagesOf } from "../src/waterfall/span";
import { answersOf, linesOfTurns, type Line } from "../src/waterfall/said";
import { figureText } from "../src/waterfall/bars";
import { sorted, writerOf } from "../src/waterfall/figures";
import { turn } from "./made";

test("elements of a list are their very texts", () => {
  fc.assert(fc.property(fc.array(fc.jsonValue()), fc.constantFrom("", "  "), (list, space) => {
    const source = JSON.stringify(list, null, space);
    assert.deepEqual(elementsOf(source, []).map((one) => JSON.parse(one)), JSON.parse(JSON.stringify(list)));
    const held = JSON.stringify({ before: [1, { items: 2 }], "it\"s": "]", items: list, after: "[3]" }, null, space);
    assert.deepEqual(elementsOf(held, ["items"]).map((one) => JSON.parse(one)), JSON.parse(JSON.stringify(list)));
  }));
  assert.deepEqual(elementsOf("[12345678901234567890, 1.0]", []), ["12345678901234567890", "1.0"]);
  for (const none of ["[]", "{}", '"[1]"', '{"other":[1]}', '{"items":{"items":[1]}}']) assert.deepEqual(elementsOf(none, ["items"]), [], none);
});

test("a message keeps its own JSON", () => {
  const messages = messagesOf('{"items": [{"role": "user", "content": "hello", "big": 12345678901234567890}, {"note": 1}, {"role": "assistant", "content": "hi"}]}')!;
  assert.deepEqual(messages.map((one) => one.source), ['{"role": "user", "content": "hello", "big": 12345678901234567890}', '{"role": "assistant", "content": "hi"}']);
  assert.equal(messagesOf("[1, 2]"), null);
  assert.equal(messagesOf('{"items": '), null);
});

test("a request departs where it goes on after the one before it", () => {
  const list = (...texts: string[]) => texts.map((text) => ({ role: "user", parts: [{ kind: "text" as const, text }] }));
  assert.equal(departure(list("a", "b"), list("a", "b", "c", "d")), 2);
  assert.equal(departure(list("a", "x"), list("a", "b")), 1);
  assert.equal(departure(list("a"), list("a")), null); // nothing is new
  assert.equal(departure(list("x"), list("a", "b")), null); // another conversation
  assert.equal(departure([], list("a")), null);
});

test("sensitive values are blank in the raw span, at whatever depth", () => {
  const raw = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ name: "a", attributes: [{ key: "lk.pii.user_input", value: { stringValue: "secret one" } }, { key: "lk.turn", value: { kvlistValue: { values: [{ key: "x.pii", value: { stringValue: "secret two" } }] } } }, { key: "pii_free", value: { stringValue: "shown" } }],
    events: [{ attributes: [{ key: "pii", value: { arrayValue: { values: [{ stringValue: "secret three" }] } } }] }] }] }] }] });
  const text = blanked(raw);
  assert.ok(!text.includes("secret") && text.includes("shown") && text.includes("lk.pii.user_input"));
  assert.equal(text.split('"hidden"').length - 1, 3);
  assert.deepEqual(["lk.pii.x", "pii", "x.pii.y", "pii_free", "copii.x", ""].map(isSensitive), [true, true, true, false, false, false]);
  assert.equal(documentOf(raw)!.span.name, "a");
  assert.equal(documentOf("{}"), null);
});

test("a very long text is broken into lines that hold all of it", () => {
  fc.assert(fc.property(fc.string(), fc.integer({ min: 1, max: 20 }), (text, width) => {
    const lines = linesOf(text, width);
    assert.ok(lines.every((line) => line.length <= width));
    assert.equal(lines.join(""), text.replaceAll("\n", ""));
  }));
  assert.deepEqual(linesOf("ab\n\ncde", 2), ["ab", "", "cd", "e"]);
});

const line = (at: number, isAgent: boolean): Line => ({ at: at * 1e9, isAgent, text: "", answer: null });

test("what an answer took stands at the agent's line of its turn, once", () => {
  const turns = [turn(1, 5e9, 1e9), { ...turn(2, 20e9, 3.48e9), isInterrupted: true }];
  const lines = answersOf([line(0.4, true), line(2, false), line(6.2, true), line(8, true), line(22.5, true)], turns);
  assert.deepEqual(lines.map((one) => one.answer?.turn ?? null), [null, null, 1, null, 2]);
  assert.deepEqual(lines[4]!.answer, { turn: 2, afterNs: 3.48e9, outcome: "answered", isInterrupted: true });
  assert.deepEqual(answersOf([line(40, false)], turns).map((one) => one.answer), [null]);
  assert.deepEqual(answersOf([], turns), []);
});

test("a call without a transcript has what its turns hold", () => {
  const turns = [{ ...turn(1, 5e9, 1e9), said: "hello", answer: "hi" }, { ...turn(2, 9e9, null), said: "and?", answer: "" }];
  assert.deepEqual(linesOfTurns(turns).map((one) => [one.at, one.isAgent, one.text]), [[5e9, false, "hello"], [6e9, true, "hi"], [9e9, false, "and?"]]);
  assert.deepEqual(linesOfTurns([]), []);
});

test("a table sorts by any column, and what has no figure stands last", () => {
  const turns = [turn(1, 0, 5e8), turn(2, 10, null), { ...turn(3, 5, 9e8), isInterrupted: true, said: "b" }];
  assert.deepEqual(sorted(turns, "number"), [0, 1, 2]);
  assert.deepEqual(sorted(turns, "start"), [0, 2, 1]);
  assert.deepEqual(sorted(turns, "response"), [2, 0, 1]);
  assert.deepEqual(sorted(turns, "llm"), [2, 0, 1]);
  assert.deepEqual(sorted(turns, "interrupted"), [2, 0, 1]);
  assert.deepEqual(sorted(turns, "said"), [2, 0, 1]);
});

test("a stage's own figure is told beside what of it lies in the wait", () => {
  const figure = (ownNs: number | null, inWaitNs: number | null, attribute: string | null = "ttft") => figureText({ stage: "llm", span: 0, ownNs, inWaitNs, attribute });
  assert.equal(figure(620e6, 480e6), "LLM 620 ms, 480 ms of it in the wait; ttft");
  assert.equal(figure(480e6, 480e6), "LLM 480 ms; ttft");
  assert.equal(figure(300e6, 400e6), "LLM 400 ms in the wait; ttft 300 ms");
  assert.equal(figure(null, 1.94e9, null), "LLM 1.94 s in the wait");
  assert.equal(figure(null, null, null), "LLM");
});

test("a column has one unit", () => {
  assert.deepEqual([480e6, 999e6].map(writerOf(999e6)), ["480 ms", "999 ms"]);
  assert.deepEqual([480e6, 3.48e9].map(writerOf(3.48e9)), ["0.48 s", "3.48 s"]);
});
