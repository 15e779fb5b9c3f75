// Response times, one column a turn: where a turn lost its time, before anyone scrolls.
import { useEffect, useRef, useState } from "preact/hooks";
import { duration, offset } from "../base/format";
import { hidesSensitive, targetMs } from "../base/settings";
import { Outside } from "../base/text";
import { figureText } from "./bars";
import { COLUMNS, figureOf, footOf, RANKED_LEAST, sorted, writerOf, type Foot, type SortBy } from "./figures";
import type { WaterfallState } from "./state";
import { responseNs, slowestTurn, STAGE_NAMES, STAGES, type Stage, type Turn } from "./timeline";

const seconds = (ns: number): string => `${(ns / 1e9).toFixed(2)} s`;
const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1);
const nameOf = (turn: Turn): string => turn.number === 0 ? "Opening" : String(turn.number);

/** The stage that took the most of a wait. */
function largest(turn: Turn): [Stage, number] | null {
  const wait = turn.waits[0];
  if (!wait || wait.isOver) return null;
  let best: [Stage, number] | null = null;
  for (const stage of STAGES) if (!best || wait.parts[stage] > best[1]) best = [stage, wait.parts[stage]];
  return best;
}

export function slowestSentence(turns: Turn[]): string | null {
  const turn = slowestTurn(turns);
  if (!turn) return null;
  const part = largest(turn);
  return `Slowest: turn ${turn.number}, ${seconds(responseNs(turn)!)}${part ? `, of it ${STAGE_NAMES[part[0]]} ${seconds(part[1])}` : ""}`;
}

interface ColumnProps { turn: Turn; index: number; most: number; isSlowest: boolean; isSelected: boolean; isStop: boolean; hasNumber: boolean; onOpen: (index: number) => void }

function Column({ turn, index, most, isSlowest, isSelected, isStop, hasNumber, onOpen }: ColumnProps) {
  const ns = responseNs(turn);
  const wait = turn.waits[0];
  const part = largest(turn);
  const label = `Turn ${turn.number}, ${ns === null ? turn.outcome : `${(ns / 1e9).toFixed(2)} seconds${part ? `, ${STAGE_NAMES[part[0]]} ${(part[1] / 1e9).toFixed(2)}` : ""}`}${turn.isInterrupted ? ", interrupted" : ""}`;
  return (
    <li class="strip-column">
      <button type="button" class={`column${isSlowest ? " slowest" : ""}${isSelected ? " selected" : ""}`} tabIndex={isStop ? 0 : -1} aria-label={label} title={label} aria-pressed={isSelected} onClick={() => onOpen(index)}>
        <span class="column-space">
          <span class="stack-bar" style={{ height: `${ns === null ? 0 : Math.max(2, ns / most * 100)}%` }}>
            {turn.isInterrupted ? <span class="notch" /> : null}
            {!wait || !ns ? null : wait.isOver ? <span class="stack-part stage-over" style={{ flexGrow: 1 }} />
              : STAGES.slice().reverse().map((stage) => wait.parts[stage] > 0 ? <span key={stage} class={`stack-part stage-${stage}`} style={{ flexGrow: wait.parts[stage] }} /> : null)}
          </span>
        </span>
        <span class="column-number" aria-hidden="true">{hasNumber ? turn.number : ""}</span>
      </button>
    </li>
  );
}

/** With many turns the columns are too narrow for each number. */
const numberEvery = (turns: number): number => turns <= 40 ? 1 : turns <= 80 ? 5 : 10;

function Columns({ state, slowest, most }: { state: WaterfallState; slowest: Turn; most: number }) {
  const { turns } = state.timeline.value;
  const list = useRef<HTMLOListElement>(null);
  const [stop, setStop] = useState(turns.indexOf(slowest)); // one stop of the Tab key: the slowest, then where the reader was
  const at = Math.min(stop, turns.length - 1);
  const every = numberEvery(turns.length);
  // Where the columns do not fit, the slow one is in view all the same.
  useEffect(() => {
    const element = list.current!.querySelector<HTMLElement>(".slowest")!;
    const body = list.current!.parentElement!;
    if (element.offsetLeft + element.offsetWidth > body.clientWidth) body.scrollLeft = element.offsetLeft - body.clientWidth / 2;
  }, []);
  const onKey = (event: KeyboardEvent): void => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: turns.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = Math.min(Math.max(to, 0), turns.length - 1);
    setStop(next);
    list.current!.querySelectorAll<HTMLElement>(".column")[next]?.focus();
  };
  return (
    <ol class="strip-columns" ref={list} aria-label="Turns, by the arrow keys" onKeyDown={onKey}>
      {turns.map((turn, index) => (
        <Column key={index} turn={turn} index={index} most={most} isSlowest={turn === slowest} isStop={index === at} isSelected={state.selected.value === `turn-${turn.number}`}
          hasNumber={turn.number % every === 0 || every === 1 || turn === slowest} onOpen={(n) => { setStop(n); state.showTurn(n); }} />
      ))}
    </ol>
  );
}

function Cell({ turn, stage, text }: { turn: Turn; stage: Stage; text: (ns: number) => string }) {
  const ns = figureOf(turn, stage);
  const own = turn.waits[0]?.stages.filter((one) => one.stage === stage && (one.attribute || one.ownNs !== one.inWaitNs)) ?? [];
  return <td class="number" title={own.map(figureText).join("\n") || undefined}>{ns === null ? "" : text(ns)}</td>;
}

function ResponseCell({ turn, text }: { turn: Turn; text: (ns: number) => string }) {
  const ns = responseNs(turn);
  const wait = turn.waits[0];
  const differs = wait && wait.reportedNs !== null && wait.measuredNs !== null && Math.abs(wait.reportedNs - wait.measuredNs) > 50e6;
  return (
    <td class="number">{ns === null ? turn.outcome : text(ns)}
      {differs ? <div class="quiet">reported {text(wait.reportedNs!)}, spans {text(wait.measuredNs!)}</div> : null}
      {wait?.isOver ? <div class="quiet">Stages overlap; they add up to {duration(wait.sumsNs)}</div> : null}
      {turn.waits.slice(1).map((one, n) => <div key={n} class="quiet">{n === 0 ? "second" : "further"} wait {text(one.to - one.from)}</div>)}</td>
  );
}

const FOOTS: [string, keyof Foot][] = [["Median", "median"], ["p95", "p95"], ["Slowest", "slowest"]];

function Table({ state }: { state: WaterfallState }) {
  const [sort, setSort] = useState<SortBy>("number");
  const { turns } = state.timeline.value;
  const feet = COLUMNS.map((column) => footOf(turns, column));
  const writers = feet.map((foot) => writerOf(foot.slowest ?? 0));
  const isUp = sort === "number" || sort === "start" || sort === "said";
  const header = (name: SortBy, text: string, number = true) => (
    <th class={number ? "number" : undefined} aria-sort={sort === name ? (isUp ? "ascending" : "descending") : "none"}><button type="button" class="button plain small" onClick={() => setSort(name)}>{text}</button></th>
  );
  const footCell = (value: number | null, what: keyof Foot, index: number): string => value === null ? (what === "p95" && feet[index]!.median !== null ? `needs ${RANKED_LEAST} turns` : "") : writers[index]!(value);
  return (
    <div class="table-scroll" tabIndex={0} role="group" aria-label="Response times by turn">
      <table>
        <caption class="hidden-text">Response times by turn</caption>
        <thead><tr>{header("number", "Turn")}{header("start", "Starts")}{header("said", "Said", false)}{STAGES.map((stage) => header(stage, capital(STAGE_NAMES[stage])))}{header("response", "Response time")}{header("interrupted", "Interrupted", false)}</tr></thead>
        <tbody>
          {sorted(turns, sort).map((index) => {
            const turn = turns[index]!;
            return (
              <tr key={index}>
                <td class="number"><button type="button" class="button plain small" onClick={() => state.showTurn(index)}>{nameOf(turn)}</button></td>
                <td class="number">{offset(turn.start, 1e8)}</td>
                <td>{hidesSensitive.value && turn.said ? "hidden" : <Outside text={turn.said} most={80} />}</td>
                {STAGES.map((stage, n) => <Cell key={stage} turn={turn} stage={stage} text={writers[n]!} />)}
                <ResponseCell turn={turn} text={writers[STAGES.length]!} />
                <td>{turn.isInterrupted ? "yes" : ""}</td>
              </tr>
            );
          })}
        </tbody>
        <tfoot>{FOOTS.map(([name, what]) => (
          <tr key={name}><th colSpan={3}>{name}</th>{feet.map((foot, index) => <td key={index} class="number">{footCell(foot[what], what, index)}</td>)}<td /></tr>
        ))}</tfoot>
      </table>
    </div>
  );
}

function Head({ turns, isTable, setTable }: { turns: Turn[]; isTable: boolean; setTable: (isTable: boolean) => void }) {
  const { median, p95 } = footOf(turns, "response");
  const all = turns.map(responseNs).filter((ns): ns is number => ns !== null);
  return (
    <div class="row strip-head">
      <h2>Response time</h2>
      <span>median {median === null ? "none" : seconds(median)}</span>
      <span>p95 {p95 === null ? `needs ${RANKED_LEAST} turns` : seconds(p95)}</span>
      <b class="slowest-sentence">{slowestSentence(turns)}</b>
      <span>{all.filter((ns) => ns > targetMs.value * 1e6).length} of {all.length} over <label class="row target"><span class="hidden-text">Target in seconds</span>
        <input class="input" type="number" min="0.1" step="0.1" value={targetMs.value / 1000} onChange={(event) => { const v = Number(event.currentTarget.value); if (v > 0) targetMs.value = v * 1000; }} /> s</label></span>
      <button type="button" class="button small" aria-pressed={isTable} onClick={() => setTable(!isTable)}>{isTable ? "Show as strip" : "Show as table"}</button>
    </div>
  );
}

export function Strip({ state }: { state: WaterfallState }) {
  const [isTable, setTable] = useState(false);
  const { turns } = state.timeline.value;
  if (turns.length === 0) return null;
  const slowest = slowestTurn(turns);
  if (!slowest) return <p class="note strip">No turn has a response time: {turns.length} turns, {[...new Set(turns.map((turn) => turn.outcome))].join(", ")}.</p>;
  const most = Math.max(targetMs.value * 1e6, responseNs(slowest)!);
  const target = targetMs.value * 1e6 / most;
  return (
    <section class="strip" aria-label="Response time">
      <Head turns={turns} isTable={isTable} setTable={setTable} />
      {isTable ? <Table state={state} /> : (
        <div class="strip-area">
          <div class="strip-scale" aria-hidden="true">
            {target < 0.85 ? <span class="scale-mark" style={{ bottom: "100%" }}>{(most / 1e9).toFixed(1)}</span> : null}
            <span class="scale-mark" style={{ bottom: `${target * 100}%` }}>{(targetMs.value / 1000).toFixed(1)}</span>
          </div>
          <div class="strip-target" aria-hidden="true"><span class="target-line" style={{ bottom: `${target * 100}%` }} /></div>
          <div class="strip-body"><Columns state={state} slowest={slowest} most={most} /></div>
        </div>
      )}
      <ul class="legend row" aria-label="Colours">
        {STAGES.map((stage) => <li key={stage} class="row"><span class={`swatch stage-${stage}`} aria-hidden="true" />{STAGE_NAMES[stage]}</li>)}
      </ul>
    </section>
  );
}
