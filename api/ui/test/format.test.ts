import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytes, clockTime, duration, exactTime, longTime, nsOf, offset, shortId, zone } from "../src/base/format";

zone.value = "utc";

test("durations are written in the unit that people think in", () => {
  const cases: [number, string][] = [[0, "0"], [850, "850 ns"], [420e3, "420 \u00b5s"], [477e6, "477 ms"], [2.11e9, "2.11 s"], [14.3e9, "14.3 s"],
    [496e9, "8 min 16 s"], [3720e9, "1 h 02 min"], [999_600, "1 ms"], [999.6e6, "1.00 s"], [59.97e9, "1 min 00 s"], [3599.6e9, "1 h 00 min"], [-3e6, "-3 ms"]];
  for (const [ns, text] of cases) assert.equal(duration(ns), text);
});

test("a negative duration is never clamped, and no duration is empty", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (ns) => {
    assert.equal(duration(-ns), `-${duration(ns)}`);
    assert.match(duration(ns), /^\d/);
  }));
});

test("times keep their nanoseconds both ways", () => {
  assert.equal(nsOf("2026-11-22T14:43:45.123456789Z"), 1795358625123456789n);
  assert.equal(nsOf("2026-11-22T15:43:45+01:00"), nsOf("2026-11-22T14:43:45Z"));
  assert.equal(nsOf("1795358625123456789"), 1795358625123456789n);
  for (const wrong of ["", "soon", "2026-13-45T00:00:00Z", "2026-11-22"]) assert.equal(nsOf(wrong), null);
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 253402300799_999999999n }), (ns) => { assert.equal(nsOf(exactTime(ns)), ns); }));
});

test("times before 1970 and beyond what a date holds are not lost", () => {
  assert.equal(exactTime(-1n), "1969-12-31T23:59:59.999999999Z");
  assert.equal(exactTime(10n ** 30n), `${10n ** 30n} ns`);
});

test("today has no date, this year no year", () => {
  const now = Date.parse("2026-11-22T20:00:00Z");
  assert.equal(clockTime(Date.parse("2026-11-22T15:43:45Z"), now), "15:43:45");
  assert.equal(clockTime(Date.parse("2026-11-21T15:43:45Z"), now), "21 Nov 15:43:45");
  assert.equal(clockTime(Date.parse("2025-11-22T15:43:45Z"), now), "22 Nov 2025 15:43:45");
  assert.equal(longTime(Date.parse("2026-01-02T03:04:05Z")), "2 Jan 2026 03:04:05");
});

test("offsets show what the window resolves, with their sign", () => {
  assert.equal(offset(101_400e6), "1:41");
  assert.equal(offset(101_400e6, 1e8), "1:41.4");
  assert.equal(offset(101_400e6, 1e6), "1:41.400");
  assert.equal(offset(-2_310e6, 1e7), "-0:02.31");
  assert.equal(offset(3_723e9), "1:02:03");
});

test("bytes are decimal, ids are cut in the middle", () => {
  assert.deepEqual([0, 999, 1000, 4_500_000, 71_000_000, 999_600].map(bytes), ["0 bytes", "999 bytes", "1.0 kB", "4.5 MB", "71 MB", "1.0 MB"]);
  assert.equal(shortId("9f31aaaaaaaac0de"), "9f31..c0de");
  assert.equal(shortId("short"), "short");
});
