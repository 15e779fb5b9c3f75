// Time to place: a window onto the axis, in which long stretches without any span are 24 pixels wide. Nothing else
// bends the axis. Pure.
import { endOf, extentOf, type Timeline } from "./timeline";

export interface Gap { from: number; to: number }
export interface Break { gap: Gap; left: string }

export const GAP_LEAST = 30 * 60e9; // 30 min
export const BREAK_PX = 24;

/** Stretches of over 30 min, between the axis' ends, that no span covers. */
export function gapsOf(timeline: Timeline): Gap[] {
  const [from, to] = extentOf(timeline);
  if (to - from <= GAP_LEAST) return [];
  const order = Array.from(timeline.start, (_, span) => span).sort((a, b) => timeline.start[a]! - timeline.start[b]!);
  const gaps: Gap[] = [];
  let covered = from;
  for (const span of order) {
    if (timeline.start[span]! - covered > GAP_LEAST) gaps.push({ from: covered, to: timeline.start[span]! });
    covered = Math.max(covered, endOf(timeline, span));
  }
  if (to - covered > GAP_LEAST) gaps.push({ from: covered, to });
  return gaps;
}

const ROOMS = [10, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 2700, 3600].map((s) => s * 1e9);
const LONG_ROOM = 1800e9;

/** Up to when the axis of a running call reaches: a round time behind what came, so that it is drawn anew seldom. */
export const roomFor = (end: number): number => ROOMS.find((one) => one > end) ?? (Math.floor(end / LONG_ROOM) + 1) * LONG_ROOM;

/** Time without what is broken out of it. */
export function flat(at: number, gaps: readonly Gap[]): number {
  let out = at;
  for (const gap of gaps) {
    if (at <= gap.from) break;
    out -= Math.min(at, gap.to) - gap.from;
  }
  return out;
}

/** The time of a flat one; at a break its beginning, or its end when `isAfter`. */
export function unflat(place: number, gaps: readonly Gap[], isAfter = false): number {
  let at = place;
  for (const gap of gaps) {
    if (at < gap.from || (at === gap.from && !isAfter)) break;
    at += gap.to - gap.from;
  }
  return at;
}

export class Scale {
  private readonly gaps: readonly Gap[]; // those in the window, cut to it
  private readonly begin: number;
  private readonly length: number;

  constructor(readonly from: number, readonly to: number, gaps: readonly Gap[] = []) {
    const inside = gaps.map((gap) => ({ from: Math.max(gap.from, from), to: Math.min(gap.to, to) })).filter((gap) => gap.to > gap.from);
    // A window that lies in one of them shows it as it is.
    this.gaps = inside.some((gap) => gap.from === from && gap.to === to) ? [] : inside;
    this.begin = flat(from, this.gaps);
    this.length = flat(to, this.gaps) - this.begin;
  }

  /** The share of what is not broken, and how many pixels of breaks stand before it. */
  private place(at: number): [number, number] {
    let px = 0;
    for (const gap of this.gaps) px += BREAK_PX * Math.min(Math.max((at - gap.from) / (gap.to - gap.from), 0), 1);
    return [(flat(at, this.gaps) - this.begin) / this.length, px];
  }

  private css([share, px]: [number, number]): string {
    const broken = this.gaps.length * BREAK_PX;
    return broken === 0 ? `${share * 100}%` : `calc((100% - ${broken}px) * ${share} + ${px}px)`;
  }

  /** Where a time stands, as CSS. */
  left(at: number): string { return this.css(this.place(at)); }

  /** How wide a stretch is, as CSS. */
  width(from: number, to: number): string {
    const [a, before] = this.place(from);
    const [b, behind] = this.place(to);
    return this.css([b - a, behind - before]);
  }

  /** Where a time stands on so many pixels. */
  px(at: number, width: number): number {
    const [share, px] = this.place(at);
    return share * (width - this.gaps.length * BREAK_PX) + px;
  }

  /** The time at a pixel. */
  timeAt(px: number, width: number): number {
    const rest = width - this.gaps.length * BREAK_PX;
    let at = px;
    for (const gap of this.gaps) {
      const left = (flat(gap.from, this.gaps) - this.begin) / this.length * rest;
      if (at <= left) break;
      if (at < left + BREAK_PX) return gap.from + (at - left) / BREAK_PX * (gap.to - gap.from);
      at -= BREAK_PX;
    }
    return unflat(this.begin + at / rest * this.length, this.gaps, true);
  }

  get breaks(): Break[] { return this.gaps.map((gap) => ({ gap, left: this.left(gap.from) })); }

  /** Time per pixel, were it one of 1,000: what a mark must tell apart. */
  get resolution(): number { return this.length / 1000; }

  /** The break that a time falls into. */
  brokenAt(at: number): Gap | undefined { return this.gaps.find((gap) => at > gap.from && at < gap.to); }
}
