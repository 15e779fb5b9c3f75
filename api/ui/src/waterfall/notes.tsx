// What is said above the rows: what is not shown, clocks that run apart, breaks of the axis.
import { count, duration, plural } from "../base/format";
import { Outside } from "../base/text";
import type { WaterfallState } from "./state";
import { letter, type ClockNote, type Timeline } from "./timeline";

const clockAbout = (note: ClockNote): string => note.service ? `The clock of ${note.service}` : `The clock of trace ${letter(note.trace)}`;

export const clockSentence = (note: ClockNote): string =>
  `${clockAbout(note)} seems ${duration(Math.abs(note.aheadNs))} ${note.aheadNs > 0 ? "ahead" : "behind"}.`;

function Clock({ state, note }: { state: WaterfallState; note: ClockNote }) {
  const isShifted = state.isShifted(note);
  return (
    <p class="note row"><Outside text={clockSentence(note)} />
      <span>{isShifted ? `It is drawn ${duration(Math.abs(note.aheadNs))} ${note.aheadNs > 0 ? "earlier" : "later"} than received.` : "Times are shown as received."}</span>
      <button type="button" class="button small" onClick={() => state.setShift(note, !isShifted)}>{isShifted ? "Draw as received" : "Draw shifted"}</button></p>
  );
}

function Cut({ timeline }: { timeline: Timeline }) {
  const isOne = timeline.traces.length === 1;
  return (
    <p class="note row">Showing {count(timeline.shown)} of {count(timeline.total)} spans, the first by start.
      {timeline.traces.slice(0, 26).map((trace, index) => <a key={trace.id} href={`/v1/traces/${trace.id}`} download={`${trace.id}.json`}>{isOne ? "Download all" : `Download trace ${letter(index)}`}</a>)}</p>
  );
}

export function Notes({ timeline, state }: { timeline: Timeline; state: WaterfallState }) {
  const gaps = state.allGaps.value.length;
  return (
    <>
      {timeline.isCut ? <Cut timeline={timeline} /> : null}
      {timeline.clocks.map((note, index) => <Clock key={index} state={state} note={note} />)}
      {gaps ? (
        <label class="note row"><input type="checkbox" checked={state.breaksGaps.value} onChange={(event) => { state.breaksGaps.value = event.currentTarget.checked; }} />
          Break gaps: {plural(gaps, "stretch", "stretches")} of over 30 min without a span</label>
      ) : null}
      {state.missing ? <p class="note" role="status">Span {state.missing.slice(0, 4)}.. is not in this trace yet.</p> : null}
      {state.isFoldingLeftOut ? <p class="note">More than 50 rows were folded or opened: a copied link leaves the folding out.</p> : null}
    </>
  );
}
