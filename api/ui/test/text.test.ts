import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pieces } from "../src/base/text";

const shown = (text: string, lines = false): string => pieces(text, lines).map((piece) => piece.isMark ? `<${piece.text}>` : piece.text).join("");

test("control characters and direction marks are drawn as marks", () => {
  assert.equal(shown("a\u0007b"), "a<U+0007>b");
  assert.equal(shown("abc\u202edcba"), "abc<U+202E>dcba");
  assert.equal(shown("\u200f\u2066\ufeff"), "<U+200F><U+2066><U+FEFF>");
  assert.equal(shown("\u001b[31m\u007f"), "<U+001B>[31m<U+007F>");
});

test("ordinary text stays, in every script", () => {
  for (const text of ["", "llm_node", "<script>alert(1)</script>", "\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627", "\ud83d\ude00", "e\u0301"]) assert.equal(shown(text), text);
});

test("line breaks are kept in values only", () => {
  assert.equal(shown("a\n  b\tc", true), "a\n  b\tc");
  assert.equal(shown("a\n  b\tc"), "a b c");
});

test("no character is lost, and none that turns text is left plain", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const all = pieces(text, true);
    const back = all.map((piece) => piece.isMark ? String.fromCodePoint(parseInt(piece.text.slice(2), 16)) : piece.text).join("");
    assert.equal(back, text);
    for (const piece of all) if (!piece.isMark) assert.doesNotMatch(piece.text, /[\u0000-\u0008\u001b\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/);
  }));
});
