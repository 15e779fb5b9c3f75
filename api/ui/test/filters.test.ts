// Chips and the address say the same, whatever stands in them.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { filterOf, filtersOf, msOf, msText, parameterOf, problemOf, refusedFilter, withFilters, type Filter } from "../src/explorer/filters";
import { filterOfGroup } from "../src/explorer/groups";

const text = fc.string({ unit: "binary", minLength: 1, maxLength: 30 }).filter((one) => !/\p{Surrogate}/u.test(one));
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((one) => JSON.stringify(one));
const filters: fc.Arbitrary<Filter> = fc.oneof(
  fc.record({ value: text, relation: fc.constantFrom("contains" as const, "is" as const) }).map((one): Filter => ({ field: "name", ...one })),
  text.map((key): Filter => ({ field: "tag", relation: "is absent", key })),
  fc.record({ key: text, value: text }).map((one): Filter => ({ field: "attr", relation: "is", ...one })),
  text.map((key): Filter => ({ field: "attr", relation: "exists", key })),
  fc.record({ key: text, value: number, relation: fc.constantFrom("below" as const, "above" as const) }).map((one): Filter => ({ field: "attr", ...one })),
  fc.record({ key: text, value: text }).map((one): Filter => ({ field: "tag", relation: "is", ...one })));

test("a filter comes back from its address as it was", () => {
  fc.assert(fc.property(fc.array(filters, { maxLength: 6 }), (list) => {
    for (const filter of list) assert.equal(problemOf(filter), "");
    const address = withFilters(new URLSearchParams("span=7d"), list);
    assert.deepEqual(filtersOf(new URLSearchParams(address.toString())), list);
    assert.equal(address.get("span"), "7d");
  }));
});

test("a key with the API's own signs is escaped as the API reads it", () => {
  assert.deepEqual(parameterOf({ field: "attr", relation: "is", key: "a:b<c>d\\e", value: "x:y" }), ["attr", "a\\:b\\<c\\>d\\\\e:x:y"]);
  assert.deepEqual(parameterOf({ field: "tag", relation: "is", key: "a:b<c", value: "x" }), ["tag", "a\\:b<c:x"]);
  assert.deepEqual(parameterOf({ field: "attr", relation: "above", key: "n", value: "100" }), ["attr", "n>100"]);
  assert.deepEqual(filterOf("attr", "a\\"), { field: "attr", relation: "exists", key: "a\\" });
});

test("words of the chips are the API's values", () => {
  assert.deepEqual(parameterOf({ field: "linked", relation: "is", value: "no" }), ["linked", "false"]);
  assert.deepEqual(parameterOf({ field: "duration", relation: "at least", value: "2 s" }), ["minDurationMs", "2000"]);
  assert.deepEqual(filterOf("maxDurationMs", "90000"), { field: "duration", relation: "at most", value: "90 s" });
  assert.deepEqual(filterOf("maxDurationMs", "long"), { field: "duration", relation: "at most", value: "long" });
});

test("durations need a number and a unit", () => {
  assert.deepEqual(["250 ms", "2 s", "1.5s", "10 min", "1 h", " 3 s "].map(msOf), [250, 2000, 1500, 600_000, 3_600_000, 3000]);
  for (const wrong of ["", "2", "s", "-1 s", "2 days", "1e3 ms", "9".repeat(30) + " h"]) assert.equal(msOf(wrong), null, wrong);
  fc.assert(fc.property(fc.nat(9_000_000_000), (ms) => { assert.equal(msOf(msText(ms)), ms); }));
});

test("every wrong value has a sentence", () => {
  const wrong: Filter[] = [
    { field: "duration", relation: "at least", value: "2" }, { field: "attr", relation: "above", key: "n", value: "many" }, { field: "attr", relation: "below", key: "n", value: "01" },
    { field: "attr", relation: "is", key: "", value: "x" }, { field: "tag", relation: "is", value: "x" }, { field: "tag", relation: "is", key: "env", value: "" },
    { field: "status", relation: "is", value: "fine" }, { field: "tag", relation: "is absent", key: "" }, { field: "root", relation: "is", value: "" }, { field: "linked", relation: "is", value: "perhaps" }, { field: "name", relation: "contains", value: "" }, { field: "service", relation: "is" },
  ];
  for (const filter of wrong) assert.match(problemOf(filter), /^[A-Z].*\.$/, JSON.stringify(filter));
  assert.equal(problemOf({ field: "attr", relation: "is", key: "empty", value: "" }), "");
});

test("a refusal is laid at the filter that it is about", () => {
  const list: Filter[] = [{ field: "attr", relation: "exists", key: "a" }, { field: "attr", relation: "above", key: "b", value: "x" }, { field: "name", relation: "contains", value: "n" }];
  assert.equal(refusedFilter(list, "attr needs a number behind < or >"), 1);
  assert.equal(refusedFilter(list, "name must have at most 4096 octets"), 2);
  assert.equal(refusedFilter(list, "from must be an ISO 8601 time"), -1);
});

test("a parameter that may stand once is the last chip's", () => {
  const address = withFilters(new URLSearchParams(), [{ field: "service", relation: "is", value: "a" }, { field: "service", relation: "is", value: "b" }]);
  assert.deepEqual(address.getAll("service"), ["b"]);
});

test("a group's traces are found by its filter, where there is one", () => {
  assert.deepEqual(filterOfGroup("tag:env", "prod"), { field: "tag", relation: "is", key: "env", value: "prod" });
  assert.deepEqual(filterOfGroup("status", "error"), { field: "status", relation: "is", value: "error" });
  assert.deepEqual(filterOfGroup("status", "ok"), { field: "status", relation: "is", value: "ok" });
  assert.deepEqual(filterOfGroup("name", "agent_session"), { field: "root", relation: "is", value: "agent_session" });
  for (const by of ["tag:env", "tag:tag:service", "service", "name"]) {
    const filter = filterOfGroup(by, null);
    assert.equal(problemOf(filter), "");
    assert.deepEqual(parameterOf(filter), ["without", by]);
    assert.deepEqual(filterOf("without", by), filter);
  }
});
