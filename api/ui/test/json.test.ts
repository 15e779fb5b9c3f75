import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { memberOf, printJson } from "../src/base/json";

const text = (source: string): string => {
  const printed = printJson(source);
  assert.ok(printed.ok, source);
  return printed.text;
};

test("what JSON.stringify writes is printed as it indents", () => {
  fc.assert(fc.property(fc.jsonValue(), fc.constantFrom("", "  ", "\t"), (value, space) => {
    assert.deepEqual(JSON.parse(text(JSON.stringify(value, null, space))), JSON.parse(JSON.stringify(value)));
  }));
  assert.equal(text('{"a":[1,{"b":null}],"c":{}}'), '{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ],\n  "c": {}\n}');
});

test("large integers, the order of keys and repeated keys survive", () => {
  assert.equal(text("12345678901234567890123"), "12345678901234567890123");
  assert.equal(text('{"b":1,"a":2,"b":3}'), '{\n  "b": 1,\n  "a": 2,\n  "b": 3\n}');
  assert.equal(text('"\\u00e9\\n"'), '"\\u00e9\\n"');
});

test("it says where it stops being JSON", () => {
  const cases: [string, number][] = [["", 0], ["{", 1], ["[1,]", 3], ['{"a": }', 6], ["01", 1], ["[1 2]", 3], ["nul", 0], ['{"a":1}}', 7], ['"\u0001"', 0], ["{'a':1}", 1], ["1.", 1], ['{"a" 1}', 5]];
  for (const [source, at] of cases) assert.deepEqual(printJson(source), { ok: false, at }, source);
});

test("any text is either whole or refused, and depth is no danger", () => {
  fc.assert(fc.property(fc.string(), (source) => {
    let isJson = true;
    try { JSON.parse(source); } catch { isJson = false; }
    assert.equal(printJson(source).ok, isJson, source);
  }));
  // Texts one character away from JSON.
  fc.assert(fc.property(fc.jsonValue(), fc.nat(), fc.constantFrom("", "{", "]", ",", '"', "0", "-"), (value, at, put) => {
    const whole = JSON.stringify(value);
    const source = whole.slice(0, at % (whole.length + 1)) + put + whole.slice((at % (whole.length + 1)) + 1);
    let isJson = true;
    try { JSON.parse(source); } catch { isJson = false; }
    assert.equal(printJson(source).ok, isJson, source);
  }));
  assert.ok(printJson("[".repeat(2000) + "]".repeat(2000)).ok);
  assert.deepEqual(printJson("[".repeat(2000)), { ok: false, at: 2000 });
});

test("a member is given as it was sent", () => {
  const source = '{ "data" : {"id": "a\\"}", "big": 12345678901234567890 , "data": {"x": [1, {"big": 2}]}, "none": null}}';
  const data = memberOf(source, "data")!;
  assert.equal(memberOf(data, "big"), "12345678901234567890");
  assert.equal(memberOf(data, "id"), '"a\\"}"');
  assert.equal(memberOf(data, "data"), '{"x": [1, {"big": 2}]}');
  assert.equal(memberOf(data, "none"), "null");
  assert.equal(memberOf(data, "x"), null);
  assert.equal(memberOf("[1]", "x"), null);
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (value, name) => {
    for (const key of [...Object.keys(value), name]) {
      const found = memberOf(JSON.stringify(value), key);
      assert.deepEqual(found === null ? undefined : JSON.parse(found), Object.hasOwn(value, key) ? JSON.parse(JSON.stringify(value[key])) : undefined);
    }
  }));
});
