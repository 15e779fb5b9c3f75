// Times, durations, numbers and ids as the pages write them. Pure but for the reader's settings.
import { signal } from "@preact/signals";

export type Zone = "local" | "utc";
export const zone = signal<Zone>("local");

/** Nanoseconds since 1970 of an ISO time or of OTLP's decimal text; a bigint, because a double loses digits. */
export function nsOf(time: string): bigint | null {
  if (/^-?\d+$/.test(time)) return BigInt(time);
  const match = /^(.*?:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)?$/.exec(time);
  if (!match) return null;
  const seconds = Date.parse(`${match[1]}${match[3] ?? "Z"}`);
  return Number.isNaN(seconds) ? null : BigInt(seconds) * 1_000_000n + BigInt((match[2] ?? "").padEnd(9, "0"));
}

/** 2026-11-22T14:43:45.123456789Z */
export function exactTime(ns: bigint): string {
  const inMs = ns / 1_000_000n - (ns % 1_000_000n < 0n ? 1n : 0n);
  const date = new Date(Number(inMs));
  if (Number.isNaN(date.getTime())) return `${ns} ns`;
  const rest = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return `${date.toISOString().slice(0, 19)}.${rest.toString().padStart(9, "0")}Z`;
}

export function zoneName(): string {
  if (zone.value === "utc") return "UTC";
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" }).formatToParts(new Date());
  return (parts.find((part) => part.type === "timeZoneName")?.value ?? "local").replace("GMT", "UTC");
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function fields(ms: number) {
  const date = new Date(ms);
  return zone.value === "utc"
    ? { y: date.getUTCFullYear(), mo: date.getUTCMonth(), d: date.getUTCDate(), h: date.getUTCHours(), mi: date.getUTCMinutes(), s: date.getUTCSeconds() }
    : { y: date.getFullYear(), mo: date.getMonth(), d: date.getDate(), h: date.getHours(), mi: date.getMinutes(), s: date.getSeconds() };
}

const two = (n: number) => String(n).padStart(2, "0");

/** Today 15:43:45, else 22 Nov 15:43:45, of another year with the year. */
export function clockTime(ms: number, now: number = Date.now()): string {
  const at = fields(ms);
  const today = fields(now);
  const time = `${two(at.h)}:${two(at.mi)}:${two(at.s)}`;
  if (at.y !== today.y) return `${at.d} ${MONTHS[at.mo]} ${at.y} ${time}`;
  return at.mo === today.mo && at.d === today.d ? time : `${at.d} ${MONTHS[at.mo]} ${time}`;
}

/** 15:43, as a window's title has it. */
export function shortTime(ms: number): string {
  const at = fields(ms);
  return `${two(at.h)}:${two(at.mi)}`;
}

/** 22 Nov 2026 15:43:45 */
export function longTime(ms: number): string {
  const at = fields(ms);
  return `${at.d} ${MONTHS[at.mo]} ${at.y} ${two(at.h)}:${two(at.mi)}:${two(at.s)}`;
}

const significant = (value: number) => value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);

/** 0, 850 ns, 420 us, 477 ms, 2.11 s, 14.3 s, 8 min 16 s, 1 h 02 min. A negative one keeps its sign. */
export function duration(ns: number): string {
  if (ns < 0) return `-${duration(-ns)}`;
  if (ns === 0) return "0";
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  if (ns < 999.5e3) return `${Math.round(ns / 1e3)} \u00b5s`;
  if (ns < 999.5e6) return `${Math.round(ns / 1e6)} ms`;
  if (ns < 59.95e9) return `${significant(ns / 1e9)} s`;
  const seconds = Math.round(ns / 1e9);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} min`;
}

export const durationMs = (ms: number): string => duration(ms * 1e6);

/** An offset on the axis: m:ss.mmm cut to what `resolution` (ns) tells apart, h:mm:ss from one hour. */
export function offset(ns: number, resolution = 1e9): string {
  const sign = ns < 0 ? "-" : "";
  const ms = Math.round(Math.abs(ns) / 1e6);
  const seconds = Math.floor(ms / 1000);
  const decimals = resolution >= 1e9 ? 0 : resolution >= 1e8 ? 1 : resolution >= 1e7 ? 2 : 3;
  const part = decimals ? `.${String(ms % 1000).padStart(3, "0").slice(0, decimals)}` : "";
  if (seconds >= 3600) return `${sign}${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${part}`;
  return `${sign}${Math.floor(seconds / 60)}:${two(seconds % 60)}${part}`;
}

const counts = new Intl.NumberFormat();
export const count = (n: number): string => counts.format(n);
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** 4.5 MB; decimal. */
export function bytes(n: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let at = 0;
  let value = n;
  while (value >= 999.5 && at < units.length - 1) { value /= 1000; at++; }
  return at === 0 ? `${n} bytes` : `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${units[at]}`;
}

/** 9f31..c0de */
export const shortId = (id: string): string => id.length > 12 ? `${id.slice(0, 4)}..${id.slice(-4)}` : id;
