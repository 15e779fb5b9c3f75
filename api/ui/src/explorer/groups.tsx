// Traces by a tag, by service, by root name or by status; two ticked groups stand side by side.
import { useEffect, useState } from "preact/hooks";
import { get, withQuery } from "../base/api";
import { count, durationMs } from "../base/format";
import { Loading, Problem, Time, useLoaded } from "../base/parts";
import { Hidden, Outside } from "../base/text";
import type { Filter } from "./filters";

export interface Group {
  value: string | null; traces: number; linked: number; errors: number; durationP50Ms: number; durationP95Ms: number; lastSeenAt: string;
}
export interface Groups { by: string; values: Group[]; none: Group | null; valueCount: number; traceCount: number; isPartial: boolean }

/** The filter that shows one group's traces, those without a value too. */
export function filterOfGroup(by: string, value: string | null): Filter {
  const what: Pick<Filter, "field" | "key"> = by === "service" || by === "status" ? { field: by } : by === "name" ? { field: "root" }
    : { field: "tag", key: by.slice("tag:".length) };
  return value === null ? { ...what, relation: "is absent" } : { ...what, relation: "is", value };
}

const PLAIN: [string, string][] = [["service", "service"], ["name", "root name"], ["status", "status"]];

export function GroupBy({ by, onChange }: { by: string | undefined; onChange: (by: string | undefined) => void }) {
  const [tags, setTags] = useState<string[]>([]);
  useEffect(() => {
    const abort = new AbortController();
    get<{ values: string[] }>(withQuery("/v1/traces/suggest", { field: "tag", limit: 50 }), abort.signal)
      .then(({ values }) => setTags(values), () => undefined);
    return () => abort.abort();
  }, []);
  const known = by?.startsWith("tag:") && !tags.includes(by.slice(4)) ? [by.slice(4), ...tags] : tags;
  return (
    <select class="select" aria-label="Group by" value={by ?? ""} onChange={(event) => onChange(event.currentTarget.value || undefined)}>
      <option value="">Group by: nothing</option>
      {PLAIN.map(([value, label]) => <option key={value} value={value}>Group by {label}</option>)}
      {known.map((tag) => <option key={tag} value={`tag:${tag}`}>Group by tag {tag.slice(0, 60)}</option>)}
    </select>
  );
}

const share = (part: number, whole: number): string => whole === 0 ? "" : ` (${Math.round(100 * part / whole)} %)`;

/** What is told of a group; narrow windows have the list without some, the comparison with all. */
const ROWS: [string, (group: Group) => string, string?][] = [
  ["Traces", (group) => count(group.traces)],
  ["Linked", (group) => count(group.linked) + share(group.linked, group.traces), "medium-up"],
  ["With errors", (group) => count(group.errors) + share(group.errors, group.traces)],
  ["Duration, median", (group) => durationMs(group.durationP50Ms)],
  ["Duration, p95", (group) => durationMs(group.durationP95Ms), "medium-up"],
];

function Open({ by, group, hrefOf }: { by: string; group: Group; hrefOf: (filter: Filter) => string }) {
  return <a href={hrefOf(filterOfGroup(by, group.value))}>Show traces<Hidden> of {group.value ?? "none"}</Hidden></a>;
}

const sign = (n: number): string => n > 0 ? "+" : n < 0 ? "\u2212" : "";
const points = (part: number, whole: number): number => whole === 0 ? 0 : Math.round(100 * part / whole);
const times = (a: number, b: number): string => {
  const by = b - a;
  if (by === 0) return "same";
  return `${sign(by)}${durationMs(Math.abs(by))}${a > 0 ? ` (${sign(by)}${Math.round(100 * Math.abs(by) / a)} %)` : ""}`;
};
const shares = (a: Group, b: Group, of: (group: Group) => number): string => {
  const by = points(of(b), b.traces) - points(of(a), a.traces);
  return by === 0 ? "same share" : `${sign(by)}${Math.abs(by)} points`;
};

/** What the second of two groups has more or less than the first, row by row. */
export const differences = (a: Group, b: Group): string[] => [
  a.traces === b.traces ? "same" : `${sign(b.traces - a.traces)}${count(Math.abs(b.traces - a.traces))}`,
  shares(a, b, (group) => group.linked), shares(a, b, (group) => group.errors),
  times(a.durationP50Ms, b.durationP50Ms), times(a.durationP95Ms, b.durationP95Ms),
];

interface CompareProps { by: string; two: Group[]; hrefOf: (filter: Filter) => string; onSwap: () => void; onClear: () => void }

function Compare({ by, two, hrefOf, onSwap, onClear }: CompareProps) {
  const changes = differences(two[0]!, two[1]!);
  return (
    <section class="stack compare" aria-labelledby="compare">
      <div class="row spread"><h2 id="compare">Side by side</h2>
        <span class="row"><button type="button" class="button small" onClick={onSwap}>Swap</button><button type="button" class="button small" onClick={onClear}>Clear ticks</button></span></div>
      <div class="table-scroll"><table>
        <thead><tr><th><span class="hidden-text">What</span></th>{two.map((group) => <th key={group.value} class="number" scope="col"><Outside text={group.value ?? ""} most={60} /></th>)}<th class="number" scope="col">Change</th></tr></thead>
        <tbody>
          {ROWS.map(([label, text], n) => <tr key={label}><th scope="row">{label}</th>{two.map((group) => <td key={group.value} class="number">{text(group)}</td>)}<td class="number">{changes[n]}</td></tr>)}
          <tr><th scope="row">Last seen</th>{two.map((group) => <td key={group.value} class="number"><Time at={group.lastSeenAt} /></td>)}<td /></tr>
          <tr><th scope="row">List</th>{two.map((group) => <td key={group.value} class="number"><Open by={by} group={group} hrefOf={hrefOf} /></td>)}<td /></tr>
        </tbody>
      </table></div>
    </section>
  );
}

export interface GroupListProps {
  address: string; by: string; picked: string[]; onPick: (values: string[]) => void; hrefOf: (filter: Filter) => string;
}

export function GroupList({ address, by, picked, onPick, hrefOf }: GroupListProps) {
  const loaded = useLoaded(address, (abort) => get<Groups>(address, abort));
  const groups = loaded.data;
  if (loaded.failure) return <Problem failure={loaded.failure} again={loaded.again} />;
  if (!groups) return <Loading what="Loading groups" />;
  if (!groups.values.length && !groups.none) return <p class="empty">No trace matches, so there are no groups.</p>;
  const two = picked.map((value) => groups.values.find((group) => group.value === value)).filter((group) => group !== undefined);
  const tick = (value: string, isTicked: boolean) => onPick(isTicked ? [...picked, value].slice(-2) : picked.filter((one) => one !== value));
  const line = (group: Group) => (
    <tr key={group.value ?? "none"}>
      <td>{group.value === null ? null : <input type="checkbox" checked={picked.includes(group.value)} aria-label={`Compare ${group.value}`}
        onChange={(event) => tick(group.value!, event.currentTarget.checked)} />}</td>
      <td>{group.value === null ? <span class="quiet">none</span> : <Outside text={group.value} most={80} />}</td>
      {ROWS.map(([label, text, where = ""]) => <td key={label} class={`number ${where}`}>{text(group)}</td>)}
      <td class="medium-up"><Time at={group.lastSeenAt} /></td><td><Open by={by} group={group} hrefOf={hrefOf} /></td>
    </tr>
  );
  return (
    <div class="groups">
      <div class="compare-room">{two.length === 2 ? <Compare by={by} two={two} hrefOf={hrefOf} onSwap={() => onPick([...picked].reverse())} onClear={() => onPick([])} />
        : <p class="note">{two.length === 1 ? "Tick a second group to see both side by side." : "Tick two groups to see them side by side."}</p>}</div>
      <div class="stack">
      <div class="table-scroll"><table class="list">
        <thead><tr><th><span class="compare-word">Compare</span></th><th>Value</th>{ROWS.map(([label, , where = ""]) => <th key={label} class={`number ${where}`}>{label}</th>)}<th class="medium-up">Last seen</th><th>List</th></tr></thead>
        <tbody>{groups.values.map(line)}{groups.none ? line(groups.none) : null}</tbody>
      </table></div>
      {groups.valueCount > groups.values.length ? <p class="note">Showing {count(groups.values.length)} of {count(groups.valueCount)} values, the most frequent.</p> : null}
      {groups.isPartial ? <p class="note">Older traces of this time were not counted.</p> : null}
      </div>
    </div>
  );
}
