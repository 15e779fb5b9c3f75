import assert from "node:assert/strict";
import { test } from "node:test";
import { withQuery } from "../src/base/api";
import { zone } from "../src/base/format";
import { rangeOf } from "../src/base/query";
import { fieldText, lengthText, msOfField } from "../src/explorer/time";

const NOW = Date.parse("2026-11-22T12:00:00Z");

test("a span of the address ends now, an absolute range stands as it is", () => {
  assert.deepEqual(rangeOf({}, "24h", NOW), { from: "2026-11-21T12:00:00.000Z" });
  assert.deepEqual(rangeOf({ span: "1h" }, "24h", NOW), { from: "2026-11-22T11:00:00.000Z" });
  assert.deepEqual(rangeOf({ span: "all" }, "24h", NOW), {});
  assert.deepEqual(rangeOf({ span: "never heard of" }, "6h", NOW), { from: "2026-11-22T06:00:00.000Z" });
  assert.deepEqual(rangeOf({ from: "2026-01-01T00:00:00Z", span: "1h" }, "24h", NOW), { from: "2026-01-01T00:00:00Z" });
  assert.deepEqual(rangeOf({ to: "x" }, "24h", NOW), { to: "x" });
});

test("what is not set stands in no address, lists repeat", () => {
  assert.equal(withQuery("/v1/call", { a: undefined, b: null, c: "", d: 0, e: false, f: ["x", "y"] }), "/v1/call?d=0&e=false&f=x&f=y");
  assert.equal(withQuery("/v1/call", {}), "/v1/call");
  assert.equal(withQuery("/v1/call", { q: "a&b=c #" }), "/v1/call?q=a%26b%3Dc+%23");
});

test("the two time fields read what they show", () => {
  zone.value = "utc";
  assert.equal(fieldText(NOW), "2026-11-22T12:00:00");
  assert.equal(msOfField("2026-11-22T12:00:00"), NOW);
  zone.value = "local";
  assert.equal(msOfField(fieldText(NOW)), NOW);
  assert.equal(msOfField(""), null);
});

test("a bar's length is said in words", () => {
  assert.deepEqual([1, 10, 1000, 60_000, 300_000, 1_800_000, 3_600_000, 86_400_000, 604_800_000].map(lengthText),
    ["millisecond", "10 milliseconds", "second", "minute", "5 minutes", "30 minutes", "hour", "day", "7 days"]);
});
