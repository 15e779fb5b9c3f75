// What changed since an answer, put into that answer. Pure.
//
// A changed row comes with all rows above it; traces, turns, links and clocks come whole. So a row that did not come is
// as it was, but for the number of its trace, the place of zero, and its turn, which the turns' first spans tell.
import { nsOf } from "../base/format";
import type { WireColumns, WireTimeline } from "./decode";
import { PROVISIONAL } from "./timeline";

/** The words of both, and where those of the second stand in them. */
function joined(old: string[], next: string[]): { words: string[]; places: number[] } {
  const words = [...old];
  const known = new Map(old.map((word, index) => [word, index]));
  const places = next.map((word) => {
    let place = known.get(word);
    if (place === undefined) {
      place = words.push(word) - 1;
      known.set(word, place);
    }
    return place;
  });
  return { words, places };
}

const keysOf = (wire: WireTimeline): string[] => wire.columns.id.map((id, row) => `${wire.traces[wire.columns.trace[row]!]!.traceId}/${id}`);

/** The turn of rows that did not come: that of the nearest row above them which has one or begins one. */
function turnsOf(columns: WireColumns, wire: WireTimeline, isNew: boolean[]): void {
  const begins = new Map<string, number>();
  wire.turns.forEach((turn, index) => turn.topSpans.forEach((id, i) => begins.set(`${turn.topTraces[i]}/${id}`, index)));
  const isKnown = [...isNew];
  for (let row = 0; row < columns.id.length; row++) {
    const path: number[] = [];
    let at = row;
    while (at >= 0 && !isKnown[at]) {
      const begun = begins.get(`${columns.trace[at]}/${columns.id[at]}`);
      if (begun !== undefined) columns.turn[at] = begun;
      else { path.push(at); columns.turn[at] = -1; }
      isKnown[at] = true; // also where parents made a circle
      if (begun !== undefined) break;
      at = columns.parent[at]!;
    }
    for (const one of path) columns.turn[one] = at < 0 ? -1 : columns.turn[at]!;
  }
}

/** `old` is whole, and so is what comes out. Null: they do not fit, and all must be read again. */
export function merge(old: WireTimeline, next: WireTimeline): WireTimeline | null {
  if (!next.isChanges) return next;
  if (!next.isChanged) return { ...old, endNs: next.endNs, isLive: next.isLive, revision: next.revision };
  const [zero, zeroNow] = [nsOf(old.zero), nsOf(next.zero)];
  if (old.isCut || next.isCut || zero === null || zeroNow === null) return null;
  const moved = Number(zero - zeroNow);
  const known = new Set(old.traces.map((trace) => trace.traceId));
  // What a trace holds that was linked since may have come long before.
  if (next.traces.some((trace) => !known.has(trace.traceId))) return null;
  const traces = new Map(next.traces.map((trace, index) => [trace.traceId, index]));
  const [names, services, labels] = [joined(old.names, next.names), joined(old.services, next.services), joined(old.labels, next.labels)];
  const at = (places: number[], word: number): number => word < 0 ? -1 : places[word]!;
  const columns: WireColumns = { trace: [], id: [], parent: [], name: [], service: [], label: [], startNs: [], lengthNs: [], role: [], flags: [], turn: [] };
  const rows = new Map<string, number>();
  const isNew: boolean[] = [];
  const parents: (string | null)[] = [];
  const take = (wire: WireTimeline, row: number, key: string, keys: string[]): void => {
    const c = wire.columns;
    const isFresh = wire === next;
    const trace = traces.get(wire.traces[c.trace[row]!]!.traceId);
    if (trace === undefined) return; // no longer linked
    const place = rows.get(key) ?? columns.id.length;
    rows.set(key, place);
    isNew[place] = isFresh;
    parents[place] = c.parent[row]! < 0 ? null : keys[c.parent[row]!]!;
    columns.trace[place] = trace;
    columns.id[place] = c.id[row]!;
    columns.name[place] = isFresh ? at(names.places, c.name[row]!) : c.name[row]!;
    columns.service[place] = isFresh ? at(services.places, c.service[row]!) : c.service[row]!;
    columns.label[place] = isFresh ? at(labels.places, c.label[row]!) : c.label[row]!;
    columns.startNs[place] = c.startNs[row]! + (isFresh ? 0 : moved);
    columns.lengthNs[place] = c.lengthNs[row]!;
    columns.role[place] = c.role[row]!;
    columns.flags[place] = c.flags[row]!;
    columns.turn[place] = isFresh ? c.turn[row]! : -1;
  };
  for (const wire of [old, next]) {
    const keys = keysOf(wire);
    keys.forEach((key, row) => take(wire, row, key, keys));
  }
  for (let row = 0; row < parents.length; row++) {
    const parent = parents[row] === null ? -1 : rows.get(parents[row]!);
    if (parent === undefined) return null;
    columns.parent[row] = parent;
  }
  const made = columns.flags.filter((flags) => (flags & PROVISIONAL) !== 0).length;
  const missing = next.traces.reduce((sum, trace) => sum + trace.missingParents, 0);
  // A row is gone, as when a later copy of a span names another parent.
  if (made !== missing || columns.id.length - made !== next.spanCount) return null;
  turnsOf(columns, next, isNew);
  return { ...next, isChanges: false, names: names.words, services: services.words, labels: labels.words, columns };
}
