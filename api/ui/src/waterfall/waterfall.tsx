// The waterfall put together: strip, toolbar, minimap, rows and panel, the address, the keys, and what comes live.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { get, withQuery } from "../base/api";
import { count, duration, plural } from "../base/format";
import { onLive } from "../base/live";
import { announce, Loading, Problem } from "../base/parts";
import { singleKeys } from "../base/settings";
import { Icon } from "../base/text";
import { decode, type WireTimeline } from "./decode";
import { Minimap } from "./minimap";
import { Panel } from "./panel";
import { RowsView } from "./rows-view";
import { WaterfallState } from "./state";
import { Strip } from "./strip";
import { INTERRUPTED, hasFlag, letter, roleOf, type Timeline } from "./timeline";

const NAME_WIDTH = "calltrace.name-width";

const KEYS: [string, string][] = [
  ["Up, Down, Page Up, Page Down, Home, End", "to another row"], ["Right, Left", "open, fold; to the parent"], ["Enter, Space", "open the panel"], ["Esc", "close it, then clear the search"],
  ["*", "open all siblings"], ["[ and ]", "fold, open one level everywhere"], ["w and s, a and d", "zoom in and out, move left and right"], ["f", "fit the span; 0: fit the call"],
  ["e and E", "next and previous error"], ["t and T", "next and previous turn"], ["n and N", "next and previous match"], ["/", "search"], ["c", "copy a link to this view"], ["?", "this list"],
];

function Help({ close }: { close: () => void }) {
  return (
    <div class="help-box stack" role="dialog" aria-label="Keys">
      <div class="row spread"><h2>Keys</h2><button type="button" class="button plain small" aria-label="Close" onClick={close}><Icon name="x" /></button></div>
      <label class="row"><input type="checkbox" checked={singleKeys.value} onChange={(event) => { singleKeys.value = event.currentTarget.checked; }} />Single keys work while the rows have the focus</label>
      <dl class="facts">{KEYS.map(([keys, what]) => <div key={keys} class="fact"><dt><kbd>{keys}</kbd></dt><dd>{what}</dd></div>)}</dl>
    </div>
  );
}

interface Found { spans: { spanId: string }[] }

/** Names and ids are searched here at once; values by the server, after a pause. */
function useServerSearch(state: WaterfallState): void {
  const text = state.query.value.trim();
  useEffect(() => {
    state.serverHits.value = new Set();
    if (text.length < 2) return;
    const abort = new AbortController();
    const soon = setTimeout(() => {
      for (const trace of state.timeline.value.traces) {
        get<Found>(withQuery(`/v1/traces/${trace.id}/search`, { q: text }), abort.signal).then((found) => {
          state.serverHits.value = new Set([...state.serverHits.value, ...found.spans.map((one) => one.spanId)]);
        }, () => { /* the names are searched all the same */ });
      }
    }, 250);
    return () => { abort.abort(); clearTimeout(soon); };
  }, [text, state]);
}

function Stepper({ label, spans, state, what }: { label: string; spans: number[]; state: WaterfallState; what: string }) {
  return (
    <span class="stepper">
      <span>{label} {count(spans.length)}</span>
      <button type="button" class="button plain small" aria-label={`Previous ${what}`} disabled={spans.length === 0} onClick={() => state.step(spans, -1, what)}>{"\u2039"}</button>
      <button type="button" class="button plain small" aria-label={`Next ${what}`} disabled={spans.length === 0} onClick={() => state.step(spans, 1, what)}>{"\u203a"}</button>
    </span>
  );
}

function Toolbar({ state, search, copyLink, help }: { state: WaterfallState; search: { current: HTMLInputElement | null }; copyLink: () => void; help: () => void }) {
  useServerSearch(state);
  const timeline = state.timeline.value;
  const hits = state.hits.value;
  const at = hits.findIndex((span) => timeline.ids[span] === state.selected.value);
  const tools = state.order.value.filter((span) => roleOf(timeline, span) === "tool");
  const interrupted = state.order.value.filter((span) => hasFlag(timeline, span, INTERRUPTED));
  return (
    <div class="toolbar row">
      <input ref={search} class="input" type="search" aria-label="Search spans and values" placeholder="Search spans and values" value={state.query.value}
        onInput={(event) => { state.query.value = event.currentTarget.value; }}
        onKeyDown={(event) => { if (event.key === "Enter") { event.preventDefault(); state.step(hits, event.shiftKey ? -1 : 1, "match"); } if (event.key === "Escape") state.query.value = ""; }} />
      {state.query.value ? (
        <><span role="status">{at >= 0 ? at + 1 : 0} of {count(hits.length)}</span><Stepper label="" spans={hits} state={state} what="match" />
          <label class="row"><input type="checkbox" checked={state.onlyMatches.value} onChange={(event) => { state.onlyMatches.value = event.currentTarget.checked; }} />Only matches</label></>
      ) : null}
      {timeline.errors ? <Stepper label="Errors" spans={state.errors} state={state} what="error" /> : null}
      {tools.length ? <Stepper label="Tools" spans={tools} state={state} what="tool" /> : null}
      {interrupted.length ? <Stepper label="Interrupted" spans={interrupted} state={state} what="interruption" /> : null}
      {timeline.turns.length ? (
        <select class="select" aria-label="Grouping" value={state.byTurn.value ? "turn" : "sent"} onChange={(event) => { state.byTurn.value = event.currentTarget.value === "turn"; }}>
          <option value="turn">By turn</option><option value="sent">As sent</option>
        </select>
      ) : null}
      <span class="row zoom">
        <button type="button" class="button small" aria-label="Zoom out" onClick={() => state.zoom(1 / 1.5)}><Icon name="minus" /></button>
        <button type="button" class="button small" aria-label="Zoom in" onClick={() => state.zoom(1.5)}><Icon name="plus" /></button>
        <button type="button" class="button small" onClick={() => state.fitAll()}>Fit</button>
      </span>
      <button type="button" class="button small" onClick={copyLink}><Icon name="link" />Copy link</button>
      <button type="button" class="button small plain" onClick={help}>Keys ?</button>
      {state.said.value ? <span class="note" role="status">{state.said.value}</span> : null}
    </div>
  );
}

function useNameWidth(): [number, (px: number) => void] {
  const initial = Number(localStorage.getItem(NAME_WIDTH)) || (innerWidth < 720 ? 200 : innerWidth < 1200 ? 260 : 360);
  const [width, set] = useState(initial);
  return [width, (px) => { set(px); localStorage.setItem(NAME_WIDTH, String(px)); }];
}

function Notes({ timeline, state, download }: { timeline: Timeline; state: WaterfallState; download: string }) {
  return (
    <>
      {timeline.isCut ? <p class="note">Showing {count(timeline.shown)} of {count(timeline.total)} spans, the first by start. <a href={download} download="trace.json">Download all</a></p> : null}
      {timeline.clocks.map((note, index) => (
        <p key={index} class="note">{note.service ? `The clock of ${note.service}` : `The clock of trace ${letter(note.trace)}`} seems {duration(Math.abs(note.aheadNs))} {note.aheadNs > 0 ? "ahead" : "behind"}. Times are shown as received.</p>
      ))}
      {state.missing ? <p class="note" role="status">Span {state.missing.slice(0, 4)}.. is not in this trace yet.</p> : null}
      {state.isFoldingLeftOut ? <p class="note">More than 50 rows were folded or opened: a copied link leaves the folding out.</p> : null}
    </>
  );
}

function useSingleKeys(state: WaterfallState, search: { current: HTMLInputElement | null }, copyLink: () => void, help: () => void) {
  return (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
    if (event.key === "Escape") { if (state.isPanelOpen.value) state.isPanelOpen.value = false; else state.query.value = ""; return; }
    if (event.key === "?") { help(); return; }
    if (!singleKeys.value || !target.closest(".waterfall")) return;
    const row = state.rows.value.find((one) => one.key === state.focused.value);
    const foldAll = (wanted: boolean): void => {
      const open = state.rows.value.filter((one) => one.hasChildren && one.isUnfolded !== wanted);
      const depth = wanted ? Math.min(...open.map((one) => one.depth)) : Math.max(...open.map((one) => one.depth));
      state.setUnfolded(open.filter((one) => one.depth === depth).map((one) => one.key), wanted);
    };
    const keys: Record<string, () => void> = {
      w: () => state.zoom(1.2), s: () => state.zoom(1 / 1.2), a: () => state.pan(-0.15), d: () => state.pan(0.15),
      f: () => { if (row) state.fit(row.start, Math.max(row.end, row.start)); }, "0": () => state.fitAll(),
      e: () => state.step(state.errors, 1, "error"), E: () => state.step(state.errors, -1, "error"), t: () => state.stepTurn(1), T: () => state.stepTurn(-1),
      n: () => state.step(state.hits.value, 1, "match"), N: () => state.step(state.hits.value, -1, "match"),
      "/": () => search.current?.focus(), "[": () => foldAll(false), "]": () => foldAll(true), c: copyLink,
    };
    const action = keys[event.key];
    if (action) { event.preventDefault(); action(); }
  };
}

function Loaded({ state, timeline, download }: { state: WaterfallState; timeline: Timeline; download: string }) {
  const search = useRef<HTMLInputElement>(null);
  const [isHelp, setHelp] = useState(false);
  const [nameWidth, setNameWidth] = useNameWidth();
  const link = (): string => location.origin + withQuery(location.pathname, state.toQuery());
  const copyLink = (): void => { void navigator.clipboard.writeText(link()); state.said.value = "Link copied"; };
  const help = (): void => setHelp(!isHelp);
  const onKey = useSingleKeys(state, search, copyLink, help);
  return (
    <div class="trace-view" onKeyDown={onKey}>
      <Strip state={state} />
      <Toolbar state={state} search={search} copyLink={copyLink} help={help} />
      {isHelp ? <Help close={() => setHelp(false)} /> : null}
      <Notes timeline={timeline} state={state} download={download} />
      <Minimap state={state} />
      <div class={`with-panel${state.isPanelOpen.value ? " open" : ""}`}>
        <RowsView state={state} nameWidth={nameWidth} setNameWidth={setNameWidth} />
        <Panel state={state} copyLink={link} />
      </div>
    </div>
  );
}

/** `path` is that of the timeline; `isMine` says whether a live event is about it. */
export function Waterfall({ path, isMine, empty, download }: { path: string; isMine: (event: { conversation?: string; trace?: string }) => boolean; empty: preact.ComponentChildren; download: string }) {
  const { path: page, query, route } = useLocation();
  const [state, setState] = useState<WaterfallState | null>(null);
  const [timeline, setTimeline] = useState<Timeline | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  const held = useRef<WaterfallState | null>(null);
  const first = useMemo(() => query as Record<string, string>, [path]);
  const mine = useRef(isMine); // it changes with what is linked; a reload that is due must outlive that
  mine.current = isMine;
  useEffect(() => {
    const abort = new AbortController();
    get<WireTimeline>(path, abort.signal).then((wire) => {
      const next = decode(wire);
      const old = held.current;
      if (old) {
        const more = next.shown - old.timeline.value.shown;
        if (more > 0) announce(`${plural(more, "span")} added${next.errors > old.timeline.value.errors ? `, ${plural(next.errors - old.timeline.value.errors, "error")}` : ""}`);
        old.update(next);
      } else {
        held.current = new WaterfallState(next);
        held.current.fromQuery(first);
        setState(held.current);
      }
      setTimeline(next);
      setFailure(null);
    }, (error: unknown) => { if (!abort.signal.aborted) setFailure(error); });
    return () => abort.abort();
  }, [path, turn]);
  useEffect(() => () => { held.current = null; setState(null); setTimeline(null); }, [path]);
  // At most twice a second, however many spans arrive.
  useEffect(() => {
    let soon: ReturnType<typeof setTimeout> | undefined;
    const stop = onLive((event) => {
      if ((event.type === "refetch" || mine.current(event)) && soon === undefined) soon = setTimeout(() => { soon = undefined; setTurn((n) => n + 1); }, 500);
    });
    return () => { stop(); clearTimeout(soon); };
  }, [path]);
  // The address follows the view, at most every 250 ms.
  useEffect(() => {
    if (!state) return;
    let soon: ReturnType<typeof setTimeout> | undefined;
    const write = (): void => {
      clearTimeout(soon);
      soon = setTimeout(() => {
        const url = withQuery(page, state.toQuery());
        if (url !== location.pathname + location.search) route(url, true);
      }, 250);
    };
    const stops = [state.selected, state.window, state.query, state.onlyMatches, state.byTurn, state.toggled].map((one) => one.subscribe(write));
    return () => { stops.forEach((stop) => stop()); clearTimeout(soon); };
  }, [state, page]);
  if (failure && !timeline) return <Problem failure={failure} again={() => setTurn(turn + 1)} />;
  if (!state || !timeline) return <Loading what="Loading the spans" rows={12} />;
  if (timeline.ids.length === 0) return <>{empty}</>;
  return <>{failure ? <Problem failure={failure} again={() => setTurn(turn + 1)} /> : null}<Loaded state={state} timeline={timeline} download={download} /></>;
}
