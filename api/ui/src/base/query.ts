// The address is the view: filters are read from it and written to it.
import { useLocation } from "preact-iso";
import { withQuery } from "./api";

export type Query = Record<string, string>;

/** The parameters of this address, and a way to change them: filters push history, the rest replaces it. */
export function useQuery(): [Query, (changes: Record<string, string | undefined>, replace?: boolean) => void] {
  const { path, query, route } = useLocation();
  const set = (changes: Record<string, string | undefined>, replace = false) => {
    const next: Record<string, string | undefined> = { ...query, ...changes };
    route(withQuery(path, next), replace);
  };
  return [query as Query, set];
}

export interface Span { id: string; label: string; ms: number | null }

export const SPANS: Span[] = [
  { id: "1h", label: "Last hour", ms: 3600e3 },
  { id: "6h", label: "Last 6 hours", ms: 6 * 3600e3 },
  { id: "24h", label: "Last 24 hours", ms: 24 * 3600e3 },
  { id: "7d", label: "Last 7 days", ms: 7 * 24 * 3600e3 },
  { id: "30d", label: "Last 30 days", ms: 30 * 24 * 3600e3 },
  { id: "all", label: "Any time", ms: null },
];

/** The time range that an address means: absolute from and to, else a span up to now. */
export function rangeOf(query: Query, initial: string, now: number): { from?: string; to?: string } {
  if (query["from"] || query["to"]) {
    return { ...(query["from"] ? { from: query["from"] } : {}), ...(query["to"] ? { to: query["to"] } : {}) };
  }
  const span = SPANS.find((one) => one.id === (query["span"] ?? initial)) ?? SPANS.find((one) => one.id === initial)!;
  return span.ms === null ? {} : { from: new Date(now - span.ms).toISOString() };
}

/** The address as it was, with the time that its span meant: from then until now. Absolute ones stay. */
export function fixTime(query: Query, initial: string, now: number): void {
  const range = rangeOf(query, initial, now);
  if (query["from"] || query["to"] || !range.from) return;
  const address = new URL(location.href);
  address.searchParams.delete("span");
  address.searchParams.set("from", range.from);
  address.searchParams.set("to", new Date().toISOString());
  history.replaceState(null, "", address);
}
