// Filters of the explorer: what a chip says, and how it stands in the address, which has the API's own names. Pure.

export type Field = "name" | "root" | "service" | "attr" | "tag" | "status" | "duration" | "linked";
export type Relation = "is" | "contains" | "exists" | "is absent" | "below" | "above" | "at least" | "at most";

export interface Filter {
  field: Field;
  relation: Relation;
  /** Of attributes and tags. */
  key?: string;
  /** Of "exists" and "is absent" there is none. */
  value?: string;
}

export const FIELDS: Record<Field, { label: string; relations: Relation[] }> = {
  name: { label: "name", relations: ["contains", "is"] },
  root: { label: "root name", relations: ["is", "is absent"] },
  service: { label: "service", relations: ["is", "is absent"] },
  attr: { label: "attribute", relations: ["is", "exists", "below", "above"] },
  tag: { label: "tag", relations: ["is", "is absent"] },
  status: { label: "status", relations: ["is"] },
  duration: { label: "duration", relations: ["at least", "at most"] },
  linked: { label: "linked", relations: ["is"] },
};

export const hasValue = (relation: Relation | undefined): boolean => relation !== "exists" && relation !== "is absent";

/** The attributes by which calls are found; "call key" offers them by name. */
export const CALL_KEYS: [string, string][] = [
  ["roark.external_id", "external id"], ["livekit.room.id", "LiveKit room SID"], ["vapi.call.id", "VAPI call"],
  ["conversation.id", "Pipecat conversation"],
];

export const PARAMETERS = ["name", "nameIs", "rootName", "service", "attr", "tag", "without", "status", "minDurationMs", "maxDurationMs", "linked"] as const;
const REPEATED: ReadonlySet<string> = new Set(["name", "nameIs", "attr", "tag", "without"]);
export type Parameter = typeof PARAMETERS[number];

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const UNITS: Record<string, number> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

/** Milliseconds of "250 ms" or "2 s"; null: it is none. */
export function msOf(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|min|h)$/.exec(text.trim());
  if (!match) return null;
  const ms = Math.round(Number(match[1]) * UNITS[match[2]!]!);
  return ms <= 9_223_372_036_854 ? ms : null;
}

/** The largest unit that says it without a fraction. */
export function msText(ms: number): string {
  for (const unit of ["h", "min", "s"]) {
    if (ms > 0 && ms % UNITS[unit]! === 0) return `${ms / UNITS[unit]!} ${unit}`;
  }
  return `${ms} ms`;
}

/** What is wrong with a filter, as a sentence; "" when nothing is. */
export function problemOf(filter: Filter): string {
  const value = filter.value ?? "";
  if ((filter.field === "attr" || filter.field === "tag") && !filter.key) return "The key is missing.";
  if (!hasValue(filter.relation)) return "";
  if (filter.field === "duration") return msOf(value) === null ? "Duration must be a number with a unit, such as 250 ms or 2 s." : "";
  if (filter.relation === "below" || filter.relation === "above") {
    return NUMBER.test(value) ? "" : "The value must be a number, such as 100 or 0.5.";
  }
  if (filter.field === "status") return value === "error" || value === "ok" ? "" : "Status is error or ok.";
  if (filter.field === "linked") return value === "yes" || value === "no" ? "" : "Linked is yes or no.";
  // An attribute may hold an empty text; nothing else may.
  return value === "" && filter.field !== "attr" ? `${sentence(FIELDS[filter.field].label)} needs a value.` : "";
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** In a key a backslash makes the next character an ordinary one. */
const escaped = (key: string, ends: RegExp): string => key.replace(ends, "\\$&");

function splitKey(text: string, ends: string): { key: string; end: string; value: string } {
  let key = "";
  let at = 0;
  for (; at < text.length && !ends.includes(text[at]!); at++) {
    if (text[at] === "\\" && at + 1 < text.length) at++;
    key += text[at];
  }
  return { key, end: text[at] ?? "", value: text.slice(at + 1) };
}

const ENDS: Record<string, Relation> = { ":": "is", "<": "below", ">": "above" };

/** A sound filter as a parameter of the API. */
export function parameterOf(filter: Filter): [Parameter, string] {
  const value = filter.value ?? "";
  const key = filter.key ?? "";
  // The names of groups (`by`), of which this filter takes the last one.
  if (filter.relation === "is absent") return ["without", filter.field === "root" ? "name" : filter.field === "tag" ? `tag:${key}` : filter.field];
  switch (filter.field) {
    case "name": return [filter.relation === "is" ? "nameIs" : "name", value];
    case "root": return ["rootName", value];
    case "service": return ["service", value];
    case "status": return ["status", value];
    case "linked": return ["linked", value === "yes" ? "true" : value === "no" ? "false" : value];
    case "tag": return ["tag", `${escaped(key, /[\\:]/g)}:${value}`];
    case "duration": return [filter.relation === "at least" ? "minDurationMs" : "maxDurationMs", String(msOf(value) ?? value)];
    case "attr": {
      const start = escaped(key, /[\\:<>]/g);
      const end = { exists: "", below: `<${value}`, above: `>${value}` }[filter.relation as string] ?? `:${value}`;
      return ["attr", start + end];
    }
  }
}

/** The filter that a parameter of an address means, however wrong its value is. */
export function filterOf(name: Parameter, text: string): Filter {
  switch (name) {
    case "name": return { field: "name", relation: "contains", value: text };
    case "nameIs": return { field: "name", relation: "is", value: text };
    case "rootName": return { field: "root", relation: "is", value: text };
    case "without":
      if (text === "name" || text === "service") return { field: text === "name" ? "root" : "service", relation: "is absent" };
      return { field: "tag", relation: "is absent", key: text.startsWith("tag:") ? text.slice("tag:".length) : "" };
    case "service": return { field: "service", relation: "is", value: text };
    case "status": return { field: "status", relation: "is", value: text };
    case "linked": return { field: "linked", relation: "is", value: text === "true" ? "yes" : text === "false" ? "no" : text };
    case "minDurationMs":
    case "maxDurationMs": return { field: "duration", relation: name === "minDurationMs" ? "at least" : "at most",
      value: /^\d{1,13}$/.test(text) ? msText(Number(text)) : text };
    case "tag": {
      const { key, value } = splitKey(text, ":");
      return { field: "tag", relation: "is", key, value };
    }
    case "attr": {
      const { key, end, value } = splitKey(text, ":<>");
      return end === "" ? { field: "attr", relation: "exists", key } : { field: "attr", relation: ENDS[end]!, key, value };
    }
  }
}

/** All filters of an address, in its order. */
export function filtersOf(query: URLSearchParams): Filter[] {
  const filters: Filter[] = [];
  for (const [name, value] of query) {
    if ((PARAMETERS as readonly string[]).includes(name) && value !== "") filters.push(filterOf(name as Parameter, value));
  }
  return filters;
}

/** The address with other filters; what else stands in it stays. */
export function withFilters(query: URLSearchParams, filters: Filter[]): URLSearchParams {
  const next = new URLSearchParams();
  for (const [name, value] of query) {
    if (!(PARAMETERS as readonly string[]).includes(name)) next.append(name, value);
  }
  // A parameter that may stand once is the last chip's.
  const single = new Map<string, string>();
  for (const [name, value] of filters.map(parameterOf)) {
    if (REPEATED.has(name)) next.append(name, value);
    else single.set(name, value);
  }
  for (const [name, value] of single) next.append(name, value);
  return next;
}

/** "service is agent", in the parts that are drawn apart. */
export function partsOf(filter: Filter): { field: string; relation: string; value: string } {
  const label = filter.key === undefined ? FIELDS[filter.field].label : filter.field === "tag" ? `tag ${filter.key}` : filter.key;
  return { field: label, relation: filter.relation, value: hasValue(filter.relation) ? filter.value ?? "" : "" };
}

/** Which filter a refusal of the API is about: its sentence begins with the parameter's name. */
export function refusedFilter(filters: Filter[], sentence: string): number {
  const name = /^\w+/.exec(sentence)?.[0];
  const same = filters.map((filter, i) => ({ i, parameter: parameterOf(filter), problem: problemOf(filter) }))
    .filter((one) => one.parameter[0] === name);
  return (same.find((one) => one.problem !== "") ?? same[0])?.i ?? -1;
}

/** What the trace page is asked to search for, so that a matching span is shown with what made it match. */
export function searchTerm(filters: Filter[]): string {
  const about = filters.find((filter) => (filter.field === "attr" && filter.relation === "is") || filter.field === "name");
  return about?.value ?? "";
}
