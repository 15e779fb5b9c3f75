// How many traces over time, with and without errors. The drawing is for the eye and the pointer; the table of counts
// and the two time fields say and do the same.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { clockTime, count, plural, zone } from "../base/format";
import { Time } from "../base/parts";
import { shownTheme, textScale } from "../base/settings";
import { Hidden } from "../base/text";
import { fieldText, lengthText, msOfField } from "./time";

export interface Bucket { start: string; ok: number; error: number }
export interface Counts {
  from: string | null; to: string | null; bucketMs: number; buckets: Bucket[]; total: { ok: number; error: number }; isPartial: boolean;
}
export type Choose = (from: number, to: number) => void;

const HEIGHT = 96;

/** Errors stand on top of the rest: the whole bar is drawn first, in their colour. */
function dataOf(counts: Counts): uPlot.AlignedData {
  const starts = counts.buckets.map((bucket) => Date.parse(bucket.start) / 1000 + counts.bucketMs / 2000);
  return [starts, counts.buckets.map((bucket) => bucket.ok + bucket.error), counts.buckets.map((bucket) => bucket.ok)];
}

function optionsOf(element: HTMLElement, counts: Counts, choose: Choose, hover: (index: number | null) => void): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (token: string): string => style.getPropertyValue(token).trim() || "gray";
  const bars = uPlot.paths.bars!({ size: [0.8, 40, 1], align: 0 });
  const scale = textScale();
  const font = `${11 * scale}px ${colour("--sans")}`;
  const axis = { stroke: colour("--text-2"), font, ticks: { stroke: colour("--border"), width: 1 }, grid: { show: false } };
  const series = (token: string): uPlot.Series => ({ stroke: colour(token), fill: colour(token), width: 0, paths: bars, points: { show: false } });
  return {
    width: element.clientWidth, height: HEIGHT * scale, legend: { show: false }, pxAlign: 1, padding: [10, 8, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 4 } },
    scales: { x: { range: [Date.parse(counts.buckets[0]!.start) / 1000, Date.parse(counts.buckets.at(-1)!.start) / 1000 + counts.bucketMs / 1000] },
      y: { range: (_plot, _least, most) => [0, Math.max(1, most)] } },
    axes: [
      { ...axis, values: (_plot, splits) => splits.map((at) => clockTime(at * 1000).replace(/:00$/, "")), space: 110 * scale, size: 24 * scale },
      { ...axis, values: (_plot, splits) => splits.map((n) => Number.isInteger(n) ? count(n) : ""), size: 44 * scale, space: 30 * scale },
    ],
    ...(zone.value === "utc" ? { tzDate: (at: number) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC") } : {}),
    series: [{}, series("--error-mark"), series("--bar-ok")],
    hooks: {
      setCursor: [(plot) => hover(plot.cursor.idx ?? null)],
      setSelect: [(plot) => {
        if (plot.select.width < 4) return;
        choose(Math.round(plot.posToVal(plot.select.left, "x") * 1000), Math.round(plot.posToVal(plot.select.left + plot.select.width, "x") * 1000));
      }],
    },
  };
}

function Chart({ counts, choose }: { counts: Counts; choose: Choose }) {
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | null>(null);
  useEffect(() => {
    const element = box.current!;
    const plot = new uPlot(optionsOf(element, counts, choose, setAt), dataOf(counts), element);
    const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT * textScale() }));
    watch.observe(element);
    return () => { watch.disconnect(); plot.destroy(); };
  }, [counts, shownTheme.value, zone.value]);
  const bucket = at === null ? undefined : counts.buckets[at];
  return (
    <div aria-hidden="true">
      <div class="histogram" ref={box} />
      <p class="histogram-note quiet">
        {bucket ? `${clockTime(Date.parse(bucket.start))}: ${count(bucket.ok)} ok, ${plural(bucket.error, "error")}`
          : <><span class="swatch ok" /> ok <span class="swatch error" /> with errors, per {lengthText(counts.bucketMs)}; drag to narrow</>}
      </p>
    </div>
  );
}

function Table({ counts, choose }: { counts: Counts; choose: Choose }) {
  const rows = counts.buckets.filter((bucket) => bucket.ok + bucket.error > 0);
  return (
    <table>
      <caption class="hidden-text">Traces per {lengthText(counts.bucketMs)}; times without traces are left out</caption>
      <thead><tr><th>From</th><th class="number">Ok</th><th class="number">With errors</th><th><span class="hidden-text">Narrow</span></th></tr></thead>
      <tbody>
        {rows.map((bucket) => {
          const start = Date.parse(bucket.start);
          return (
            <tr key={bucket.start}>
              <td><Time at={bucket.start} /></td><td class="number">{count(bucket.ok)}</td><td class="number">{count(bucket.error)}</td>
              <td><button type="button" class="button small plain" onClick={() => choose(start, start + counts.bucketMs)}>
                Narrow to it<Hidden>, {clockTime(start)}</Hidden></button></td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function TimeFields({ counts, choose }: { counts: Counts; choose: Choose }) {
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [problem, setProblem] = useState("");
  useEffect(() => {
    setFrom(counts.from ? fieldText(Date.parse(counts.from)) : "");
    setTo(counts.to ? fieldText(Date.parse(counts.to)) : "");
  }, [counts.from, counts.to, zone.value]);
  const submit = (event: Event) => {
    event.preventDefault();
    const [start, end] = [msOfField(from), msOfField(to)];
    if (start === null || end === null) setProblem("Both times are needed.");
    else if (end <= start) setProblem("The end must lie behind the start.");
    else { setProblem(""); choose(start, end); }
  };
  const field = (id: string, label: string, value: string, set: (text: string) => void) => (
    <div class="field"><label for={id}>{label}</label>
      <input id={id} class="input" type="datetime-local" step={1} value={value} aria-describedby={problem ? "time-problem" : undefined}
        onInput={(event) => set(event.currentTarget.value)} /></div>
  );
  return (
    <form class="row time-fields" onSubmit={submit}>
      {field("time-from", "From", from, setFrom)}{field("time-to", "To", to, setTo)}
      <button type="submit" class="button">Show this time</button>
      {problem ? <p id="time-problem" class="error-text" role="alert">{problem}</p> : null}
    </form>
  );
}

/** Holds the place while the first counts load: what stands below must not move. */
export const HistogramRoom = () => <div class="histogram-room" aria-hidden="true" />;

/** `isStale`: of the filters before, while those of the new ones load. */
export function Histogram({ counts, choose, isStale }: { counts: Counts; choose: Choose; isStale: boolean }) {
  const [isTable, setTable] = useState(false);
  const { ok, error } = counts.total;
  return (
    <section class={`stack${isStale ? " stale" : ""}`} aria-label="Traces over time" aria-busy={isStale}>
      <div class="row spread">
        <p role="status">{counts.isPartial ? "At least " : ""}{plural(ok + error, "trace")}, {count(error)} with errors</p>
        <button type="button" class="button small" aria-expanded={isTable} onClick={() => setTable(!isTable)}>Table of counts</button>
      </div>
      {counts.buckets.length && ok + error > 0 ? <Chart counts={counts} choose={choose} /> : null}
      {isTable ? <div class="stack counts"><TimeFields counts={counts} choose={choose} /><div class="table-scroll counts-table"><Table counts={counts} choose={choose} /></div></div> : null}
    </section>
  );
}
