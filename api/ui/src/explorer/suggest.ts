// What the filter box offers: fields, relations and values, each with the words of the project.
import { useEffect, useState } from "preact/hooks";
import { get, withQuery } from "../base/api";
import { CALL_KEYS, FIELDS, hasValue, type Field, type Filter, type Relation } from "./filters";

const PAUSE_MS = 150;
const KEYS_MOST = 8;
const VALUES_MOST = 12;

export interface Draft {
  field?: Field;
  key?: string;
  relation?: Relation;
  /** The chip that this one takes the place of. */
  replaces?: number;
}

export type Step = "field" | "relation" | "value";
export const stepOf = (draft: Draft): Step => !draft.field ? "field" : !draft.relation ? "relation" : "value";

/** One line of the list: either it carries the draft on, or it is a value. */
export interface Option { id: string; label: string; hint: string; draft?: Draft; value?: string; isOutside?: boolean }

/** The next draft behind a field: where there is one relation only, that step is left out. */
function fieldDraft(field: Field, key?: string): Draft {
  const { relations } = FIELDS[field];
  return { field, ...(key === undefined ? {} : { key }), ...(relations.length === 1 ? { relation: relations[0]! } : {}) };
}

const PLAIN: [Field, string][] = [
  ["service", "which program"], ["name", "of a span"], ["root", "of the span without a parent"], ["status", "with errors or without"], ["duration", "of the trace"], ["linked", "to a call or chat"],
];

const fits = (label: string, text: string): boolean => label.toLowerCase().includes(text.toLowerCase());

export function fieldOptions(text: string, attributes: string[], tags: string[]): Option[] {
  const plain = PLAIN.filter(([field]) => fits(FIELDS[field].label, text))
    .map(([field, hint]): Option => ({ id: field, label: FIELDS[field].label, hint, draft: fieldDraft(field) }));
  const keys = CALL_KEYS.filter(([key, label]) => fits(`call key ${label} ${key}`, text))
    .map(([key, label]): Option => ({ id: `key ${key}`, label: key, hint: `call key, ${label}`, draft: fieldDraft("attr", key) }));
  const known = new Set(CALL_KEYS.map(([key]) => key));
  const ofTags = tags.map((key): Option => ({ id: `tag ${key}`, label: key, hint: "tag", isOutside: true, draft: fieldDraft("tag", key) }));
  const ofSpans = attributes.filter((key) => !known.has(key))
    .map((key): Option => ({ id: `attr ${key}`, label: key, hint: "attribute", isOutside: true, draft: fieldDraft("attr", key) }));
  // A key that no span of the dictionary has may still be asked for.
  const own: Option[] = text !== "" && !attributes.includes(text)
    ? [{ id: "own", label: text, hint: "attribute, as typed", isOutside: true, draft: fieldDraft("attr", text) }] : [];
  return [...plain, ...ofTags, ...keys, ...ofSpans, ...own];
}

export const relationOptions = (draft: Draft, text: string): Option[] => FIELDS[draft.field!].relations
  .filter((relation) => fits(relation, text))
  .map((relation) => ({ id: relation, label: relation, hint: "", draft: { ...draft, relation } }));

const FIXED: Partial<Record<Field, [string, string][]>> = {
  status: [["error", "a span of it failed"], ["ok", "no span of it failed"]],
  linked: [["yes", "it has its call"], ["no", "it has none"]],
  duration: [["500 ms", ""], ["1 s", ""], ["5 s", ""], ["1 min", ""], ["10 min", ""]],
};

export const fixedValues = (draft: Draft, text: string): Option[] => (FIXED[draft.field!] ?? [])
  .filter(([value]) => fits(value, text)).map(([value, hint]) => ({ id: value, label: value, hint, value }));

const words = async (parameters: Record<string, string | number>, abort: AbortSignal): Promise<string[]> =>
  (await get<{ values: string[] }>(withQuery("/v1/traces/suggest", parameters), abort)).values;

async function offered(draft: Draft, text: string, abort: AbortSignal): Promise<Option[]> {
  const step = stepOf(draft);
  if (step === "field") {
    const [attributes, tags] = await Promise.all([
      words({ field: "attr", q: text, limit: KEYS_MOST }, abort), words({ field: "tag", q: text, limit: KEYS_MOST }, abort)]);
    return fieldOptions(text, attributes, tags);
  }
  if (step === "relation") return relationOptions(draft, text);
  if (FIXED[draft.field!]) return fixedValues(draft, text);
  if (draft.relation === "below" || draft.relation === "above") return [];
  const field = draft.field === "attr" ? "attrValue" : draft.field === "tag" ? "tagValue" : draft.field === "root" ? "name" : draft.field!;
  const values = await words({ field, ...(draft.key ? { key: draft.key } : {}), q: text, limit: VALUES_MOST }, abort);
  return values.map((value) => ({ id: `= ${value}`, label: value, hint: "", value, isOutside: true }));
}

/** Without the project's words, at once. */
function atOnce(draft: Draft, text: string): Option[] {
  const step = stepOf(draft);
  return step === "field" ? fieldOptions(text, [], []) : step === "relation" ? relationOptions(draft, text) : fixedValues(draft, text);
}

export interface Offer { options: Option[]; isWhole: boolean }

export function useOptions(draft: Draft, text: string, isOpen: boolean): Offer {
  const [offer, set] = useState<Offer & { of: string }>({ options: [], isWhole: false, of: "" });
  const of = JSON.stringify([draft.field, draft.key, draft.relation, text]);
  useEffect(() => {
    if (!isOpen) return undefined;
    const abort = new AbortController();
    const show = (options: Option[], isWhole: boolean) => { if (!abort.signal.aborted) set({ options, isWhole, of }); };
    show(atOnce(draft, text), stepOf(draft) === "relation");
    // Without suggestions the box still works: what is typed counts.
    const soon = setTimeout(() => {
      offered(draft, text, abort.signal).then((found) => show(found, true), () => show(atOnce(draft, text), true));
    }, PAUSE_MS);
    return () => { clearTimeout(soon); abort.abort(); };
  }, [of, isOpen]);
  return offer.of === of ? offer : { options: [], isWhole: false };
}

/** What a finished draft is. */
export const filterOfDraft = (draft: Draft, value: string): Filter => ({
  field: draft.field!, relation: draft.relation!, ...(draft.key === undefined ? {} : { key: draft.key }),
  ...(hasValue(draft.relation) ? { value } : {}),
});
