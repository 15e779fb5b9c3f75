// Times as the two fields of the histogram take them, in the reader's zone. Pure but for the zone.
import { zone } from "../base/format";

const two = (n: number): string => String(n).padStart(2, "0");

/** 2026-11-22T15:43:45, in the reader's zone. */
export function fieldText(ms: number): string {
  const date = new Date(ms);
  if (zone.value === "utc") return date.toISOString().slice(0, 19);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** null: it is no time. */
export function msOfField(text: string): number | null {
  const ms = Date.parse(zone.value === "utc" ? `${text}Z` : text);
  return Number.isNaN(ms) ? null : ms;
}

const UNITS: [number, string][] = [[86_400_000, "day"], [3_600_000, "hour"], [60_000, "minute"], [1000, "second"], [1, "millisecond"]];

/** "5 minutes", "1 hour": how long one bar is. */
export function lengthText(ms: number): string {
  const [unit, name] = UNITS.find(([one]) => ms % one === 0) ?? UNITS[4]!;
  return ms === unit ? name : `${ms / unit} ${name}s`;
}
