// Response times, one column a turn: where a turn lost its time, before anyone scrolls.
import { useState } from "preact/hooks";
import { duration, offset } from "../base/format";
import { targetMs } from "../base/settings";
import { Outside } from "../base/text";
import { responseFigures } from "./rows";
import type { WaterfallState } from "./state";
import { responseNs, slowestTurn, STAGE_NAMES, STAGES, type Stage, type Turn } from "./timeline";

export const outcomeWord = (turn: Turn): string => turn.outcome;

const seconds = (ns: number): string => `${(ns / 1e9).toFixed(2)} s`;

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

function Column({ turn, index, most, isSlowest, isSelected, onOpen }: { turn: Turn; index: number; most: number; isSlowest: boolean; isSelected: boolean; onOpen: (index: number) => void }) {
  const ns = responseNs(turn);
  const wait = turn.waits[0];
  const part = largest(turn);
  const label = `Turn ${turn.number}, ${ns === null ? outcomeWord(turn) : `${(ns / 1e9).toFixed(2)} seconds${part ? `, ${STAGE_NAMES[part[0]]} ${(part[1] / 1e9).toFixed(2)}` : ""}`}${turn.isInterrupted ? ", interrupted" : ""}`;
  return (
    <li class="strip-column">
      <button type="button" class={`column${isSlowest ? " slowest" : ""}${isSelected ? " selected" : ""}`} aria-label={label} title={label} aria-pressed={isSelected} onClick={() => onOpen(index)}>
        <span class="stack-bar" style={{ height: `${ns === null ? 0 : Math.max(2, ns / most * 100)}%` }}>
          {turn.isInterrupted ? <span class="notch" /> : null}
          {wait && ns ? STAGES.slice().reverse().map((stage) => wait.parts[stage] > 0 ? <span key={stage} class={`stack-part stage-${stage}`} style={{ flexGrow: wait.parts[stage] }} /> : null) : null}
        </span>
        <span class="column-number">{turn.number}</span>
      </button>
    </li>
  );
}

type Sort = "number" | "response" | Stage;

function Table({ state }: { state: WaterfallState }) {
  const [sort, setSort] = useState<Sort>("number");
  const { turns } = state.timeline.value;
  const value = (turn: Turn): number => sort === "number" ? turn.number : sort === "response" ? -(responseNs(turn) ?? -1) : -(turn.waits[0]?.parts[sort] ?? -1);
  const list = turns.map((turn, index) => ({ turn, index })).sort((a, b) => value(a.turn) - value(b.turn));
  const figures = responseFigures(state.timeline.value, targetMs.value * 1e6);
  const header = (name: Sort, text: string, number = true) => (
    <th class={number ? "number" : undefined} aria-sort={sort === name ? (name === "number" ? "ascending" : "descending") : "none"}><button type="button" class="button plain small" onClick={() => setSort(name)}>{text}</button></th>
  );
  return (
    <div class="table-scroll">
      <table>
        <caption class="hidden-text">Response times by turn</caption>
        <thead><tr>{header("number", "Turn")}<th class="number">Starts</th><th>Said</th>{STAGES.map((stage) => header(stage, STAGE_NAMES[stage]))}{header("response", "Response time")}<th>Interrupted</th></tr></thead>
        <tbody>
          {list.map(({ turn, index }) => {
            const ns = responseNs(turn);
            const wait = turn.waits[0];
            const differs = wait && wait.reportedNs !== null && wait.measuredNs !== null && Math.abs(wait.reportedNs - wait.measuredNs) > 50e6;
            return (
              <tr key={index}>
                <td class="number"><button type="button" class="button plain small" onClick={() => state.showTurn(index)}>{turn.number === 0 ? "Opening" : turn.number}</button></td>
                <td class="number">{offset(turn.start, 1e8)}</td>
                <td><Outside text={turn.said} most={80} /></td>
                {STAGES.map((stage) => <td key={stage} class="number" title={wait?.stages.filter((one) => one.stage === stage && one.attribute).map((one) => `${one.attribute} ${one.ownNs === null ? "" : duration(one.ownNs)}`).join(", ") || undefined}>
                  {wait && !wait.isOver ? duration(wait.parts[stage]) : ""}</td>)}
                <td class="number">{ns === null ? outcomeWord(turn) : duration(ns)}
                  {differs ? <div class="quiet">reported {duration(wait.reportedNs!)}, spans {duration(wait.measuredNs!)}</div> : null}
                  {wait?.isOver ? <div class="quiet">Stages overlap; they add up to {duration(wait.sumsNs)}</div> : null}
                  {turn.waits.length > 1 ? <div class="quiet">{turn.waits.length - 1} more {turn.waits.length === 2 ? "wait" : "waits"}, {duration(turn.waits.slice(1).reduce((sum, one) => sum + one.to - one.from, 0))}</div> : null}</td>
                <td>{turn.isInterrupted ? "yes" : ""}</td>
              </tr>
            );
          })}
        </tbody>
        <tfoot><tr><th colSpan={3}>Median {figures.median === null ? "none" : duration(figures.median)}, p95 {figures.p95 === null ? "needs 20 turns" : duration(figures.p95)}</th><td colSpan={STAGES.length + 2} /></tr></tfoot>
      </table>
    </div>
  );
}

export function Strip({ state }: { state: WaterfallState }) {
  const [isTable, setTable] = useState(false);
  const timeline = state.timeline.value;
  const { turns } = timeline;
  if (turns.length === 0) return null;
  const figures = responseFigures(timeline, targetMs.value * 1e6);
  const slowest = slowestTurn(turns);
  if (!slowest) return <p class="note strip">No turn has a response time: {turns.length} turns, {[...new Set(turns.map(outcomeWord))].join(", ")}.</p>;
  const most = Math.max(targetMs.value * 1e6, responseNs(slowest)!);
  return (
    <section class="strip" aria-label="Response time">
      <div class="row strip-head">
        <h2>Response time</h2>
        <span>median {figures.median === null ? "none" : seconds(figures.median)}</span>
        <span>p95 {figures.p95 === null ? "needs 20 turns" : seconds(figures.p95)}</span>
        <b class="slowest-sentence">{slowestSentence(turns)}</b>
        <span>{figures.over} of {figures.of} over <label class="row target"><span class="hidden-text">Target in seconds</span>
          <input class="input" type="number" min="0.1" step="0.1" value={targetMs.value / 1000} onChange={(event) => { const v = Number(event.currentTarget.value); if (v > 0) targetMs.value = v * 1000; }} /> s</label></span>
        <button type="button" class="button small" aria-pressed={isTable} onClick={() => setTable(!isTable)}>{isTable ? "Show as strip" : "Show as table"}</button>
      </div>
      {isTable ? <Table state={state} /> : (
        <div class="strip-body">
          <span class="target-line" style={{ bottom: `calc(16px + (100% - 16px) * ${targetMs.value * 1e6 / most})` }} aria-hidden="true" />
          <ol class="strip-columns">
            {turns.map((turn, index) => <Column key={index} turn={turn} index={index} most={most} isSlowest={turn === slowest} isSelected={state.selected.value === `turn-${turn.number}`} onOpen={(at) => state.showTurn(at)} />)}
          </ol>
        </div>
      )}
      <ul class="legend row" aria-label="Colours">
        {STAGES.map((stage) => <li key={stage} class="row"><span class={`swatch stage-${stage}`} aria-hidden="true" />{STAGE_NAMES[stage]}</li>)}
      </ul>
    </section>
  );
}
