import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { WireColumns, WireTimeline } from "../src/waterfall/decode";
import { merge } from "../src/waterfall/merge";
import { PROVISIONAL } from "../src/waterfall/timeline";

interface Made { trace: number; id: string; parent: number; name: string; start: number; top: number; flags: number }

const ZERO = 1_700_000_000_000_000_000n;

/** What the server tells of these spans: all of it, or the rows chosen with all above them. */
function answer(spans: Made[], { only, zero = 0, revision = 1 }: { only?: (index: number) => boolean; zero?: number; revision?: number } = {}): WireTimeline {
  const shown = spans.map((_, i) => !only || only(i));
  for (let i = spans.length - 1; i >= 0; i--) if (shown[i] && spans[i]!.parent >= 0) shown[spans[i]!.parent] = true;
  const turnAt = (i: number): number => { for (let at = i; at >= 0; at = spans[at]!.parent) if (spans[at]!.top >= 0) return spans[at]!.top; return -1; };
  const place = new Map<number, number>();
  const names: string[] = [];
  const columns: WireColumns = { trace: [], id: [], parent: [], name: [], service: [], label: [], startNs: [], lengthNs: [], role: [], flags: [], turn: [] };
  spans.forEach((span, i) => {
    if (!shown[i]) return;
    place.set(i, columns.id.length);
    if (!names.includes(span.name)) names.push(span.name);
    columns.trace.push(span.trace);
    columns.id.push(span.id);
    columns.parent.push(span.parent < 0 ? -1 : place.get(span.parent)!);
    columns.name.push(span.flags & PROVISIONAL ? -1 : names.indexOf(span.name));
    columns.service.push(-1);
    columns.label.push(-1);
    columns.startNs.push(span.start - zero);
    columns.lengthNs.push(1);
    columns.role.push(0);
    columns.flags.push(span.flags);
    columns.turn.push(turnAt(i));
  });
  const made = (trace: number): number => spans.filter((one) => one.trace === trace && one.flags & PROVISIONAL).length;
  return {
    kind: "call", id: "c", zero: new Date(Number((ZERO + BigInt(zero)) / 1_000_000n)).toISOString(), endNs: null, isLive: true, revision, isChanges: only !== undefined, isChanged: true,
    spanCount: spans.length - made(0) - made(1), spanTotal: spans.length, isCut: false, errorCount: 0, names, services: [], labels: [],
    traces: ["one", "two"].map((traceId, trace) => ({ traceId, rootName: null, rootSpanId: null, service: null, isOpen: false, startNs: 0, lengthNs: 0, lastSeenAt: "", spanCount: 0, errorCount: 0, missingParents: made(trace) })),
    columns, links: [], clocks: [],
    turns: [0, 1, 2].map((number) => {
      const tops = spans.filter((one) => one.top === number);
      return { number, kind: "spoken", outcome: "", isInterrupted: false, hasError: false, startNs: 0, lengthNs: 0, spanCount: 0, said: null, answer: null, topTraces: tops.map((one) => one.trace), topSpans: tops.map((one) => one.id), waits: [] };
    }),
  };
}

/** What a timeline says of each span, in whatever order its rows stand. */
function told(wire: WireTimeline): Map<string, unknown[]> {
  const c = wire.columns;
  return new Map(c.id.map((id, row) => [`${wire.traces[c.trace[row]!]!.traceId}/${id}`,
    [c.parent[row]! < 0 ? null : c.id[c.parent[row]!], wire.names[c.name[row]!] ?? null, c.startNs[row], c.flags[row], c.turn[row]]]));
}

const lists = fc.array(fc.record({ up: fc.nat(), start: fc.nat(1000), top: fc.integer({ min: -4, max: 2 }), isNew: fc.boolean(), name: fc.constantFrom("a", "b", "c", "new name"), isMade: fc.boolean() }), { minLength: 1, maxLength: 40 });

test("an answer with what changed in it is the whole answer", () => {
  fc.assert(fc.property(lists, fc.constantFrom(0, -5, 7), (list, moved) => {
    const all: Made[] = [];
    list.forEach((one, i) => {
      const parent = i === 0 || one.up % 5 === 0 ? -1 : one.up % i;
      all.push({ trace: parent < 0 ? one.up % 2 : all[parent]!.trace, id: `s${i}`, parent, name: one.name, start: one.start * 1e6, top: one.top < 0 ? -1 : one.top, flags: one.isMade && parent < 0 ? PROVISIONAL : 0 });
    });
    // New ones are new from some row down: what is below a new span came with it or is told by the same id.
    const isNew = list.map((one) => one.isNew);
    const kept = all.map((_, i) => { for (let at = i; at >= 0; at = all[at]!.parent) if (isNew[at]) return false; return true; });
    const place = new Map<number, number>();
    const before = all.flatMap((span, i) => { if (!kept[i]) return []; place.set(i, place.size); return [{ ...span, parent: span.parent < 0 ? -1 : place.get(span.parent)! }]; });
    const old = answer(before);
    const whole = answer(all, { zero: moved * 1e6, revision: 2 });
    const merged = merge(old, answer(all, { only: (i) => !kept[i], zero: moved * 1e6, revision: 2 }));
    assert.ok(merged, "they fit");
    assert.deepEqual(new Map([...told(merged)].sort()), new Map([...told(whole)].sort()));
    assert.equal(merged.revision, 2);
  }));
});

const few = (): Made[] => [{ trace: 0, id: "s0", parent: -1, name: "root", start: 0, top: -1, flags: 0 }, { trace: 0, id: "s1", parent: 0, name: "a", start: 1, top: 0, flags: 0 }, { trace: 0, id: "s2", parent: 1, name: "b", start: 2, top: -1, flags: 0 }];

test("a whole answer replaces, an empty one leaves all but the state", () => {
  const old = answer(few());
  const whole = answer(few().slice(0, 2));
  assert.equal(merge(old, whole), whole);
  const same = merge(old, { ...answer(few(), { only: () => false }), isChanged: false, isLive: false, revision: 9 })!;
  assert.deepEqual([same.columns, same.isLive, same.revision], [old.columns, false, 9]);
});

test("a parent that comes takes the row that stood for it", () => {
  const waiting: Made[] = [{ trace: 0, id: "p", parent: -1, name: "", start: 1, top: -1, flags: PROVISIONAL }, { trace: 0, id: "c", parent: 0, name: "child", start: 1, top: -1, flags: 0 }];
  const come: Made[] = [{ ...waiting[0]!, name: "parent", start: 0, flags: 0 }, waiting[1]!];
  const merged = merge(answer(waiting), answer(come, { only: (i) => i === 0 }))!;
  assert.deepEqual(told(merged).get("one/p"), [null, "parent", 0, 0, -1]);
  assert.equal(merged.columns.id.length, 2);
});

test("what does not fit is read again", () => {
  const old = answer(few());
  const changes = (): WireTimeline => answer([...few(), { trace: 0, id: "s3", parent: 0, name: "c", start: 3, top: -1, flags: 0 }], { only: (i) => i === 3 });
  assert.ok(merge(old, changes()));
  assert.equal(merge({ ...old, isCut: true }, changes()), null);
  assert.equal(merge(old, { ...changes(), isCut: true }), null);
  assert.equal(merge(old, { ...changes(), spanCount: 9 }), null); // a row is missing
  const linked = changes();
  linked.traces = [...linked.traces, { ...linked.traces[0]!, traceId: "linked since" }];
  assert.equal(merge(old, linked), null);
  assert.equal(merge({ ...old, zero: "never" }, changes()), null);
});

test("a trace that is no longer linked takes its rows along", () => {
  const two: Made[] = [...few(), { trace: 1, id: "x", parent: -1, name: "other", start: 1, top: -1, flags: 0 }];
  const next = answer(few(), { only: (i) => i === 2 });
  next.traces = [next.traces[0]!];
  const merged = merge(answer(two), next)!;
  assert.deepEqual([...told(merged).keys()].sort(), ["one/s0", "one/s1", "one/s2"]);
});
