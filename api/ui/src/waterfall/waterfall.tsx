// The waterfall put together: strip, toolbar, minimap, rows and panel, the address, the keys, and what comes live.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { effect } from "@preact/signals";
import { useLocation } from "preact-iso";
import { Failure, get, withQuery } from "../base/api";
import { count, plural } from "../base/format";
import { onLive } from "../base/live";
import { announce, Loading, Problem, titleWithin, useLoaded } from "../base/parts";
import { singleKeys, textScale } from "../base/settings";
import { Icon } from "../base/text";
import { decode, type WireTimeline } from "./decode";
import { merge } from "./merge";
import { Minimap } from "./minimap";
import { Notes } from "./notes";
import { Panel, selectionTitle } from "./panel";
import { RowsView } from "./rows-view";
import { WaterfallState, type Hit } from "./state";
import { Strip } from "./strip";
import { INTERRUPTED, hasFlag, roleOf, type Timeline } from "./timeline";

const NAME_WIDTH = "calltrace.name-width";
const SEARCHED_AT_ONCE = 4; // traces

const KEYS: [string, string][] = [
  ["Up, Down, Page Up, Page Down, Home, End", "to another row"], ["Right, Left", "open, then to the cells; fold, then to the parent"], ["Enter, Space", "open the panel"],
  ["Esc", "close it, then clear the search"], ["*", "open all siblings"], ["[ and ]", "fold, open one level everywhere"], ["w and s, a and d", "zoom in and out, move left and right"],
  ["f", "centre the span; again: fit it; 0: fit the call"], ["e and E", "next and previous error"], ["t and T", "next and previous turn"], ["n and N", "next and previous match"], ["/", "search"],
  ["F6, Shift+F6", "strip, minimap, rows, panel"], ["c", "copy a link to this view"], ["?", "this list"],
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

interface Found { spans: (Hit & { spanId: string })[] }

/** Names, services and ids are searched here at once; values by the server, after a pause, a few traces at a time. */
function useServerSearch(state: WaterfallState): void {
  const text = state.query.value.trim();
  useEffect(() => {
    state.serverHits.value = new Map();
    if (text.length < 2) return;
    const abort = new AbortController();
    const search = async (traces: string[]): Promise<void> => {
      for (let trace = traces.shift(); trace !== undefined && !abort.signal.aborted; trace = traces.shift()) {
        try {
          const found = await get<Found>(withQuery(`/v1/traces/${trace}/search`, { q: text }), abort.signal);
          if (!abort.signal.aborted) state.serverHits.value = new Map([...state.serverHits.value, ...found.spans.map((one): [string, Hit] => [one.spanId, { place: one.place, key: one.key }])]);
        } catch { /* the names are searched all the same */ }
      }
    };
    const soon = setTimeout(() => {
      const traces = state.timeline.value.traces.map((trace) => trace.id);
      for (let i = 0; i < SEARCHED_AT_ONCE; i++) void search(traces);
    }, 250);
    return () => { abort.abort(); clearTimeout(soon); };
  }, [text, state]);
}

function Stepper({ label, spans, state, what }: { label: string; spans: number[]; state: WaterfallState; what: string }) {
  return (
    <span class="stepper">
      {label ? <span>{label} {count(spans.length)}</span> : null}
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
        <select class="select" aria-label="Grouping" value={state.byTurn.value ? "turn" : "sent"} onChange={(event) => state.group(event.currentTarget.value === "turn")}>
          <option value="turn">By turn</option><option value="sent">As sent</option>
        </select>
      ) : null}
      <span class="row zoom">
        <button type="button" class="button small" aria-label="Zoom out" onClick={() => state.zoom(1 / 1.5)}><Icon name="minus" /></button>
        <button type="button" class="button small" aria-label="Zoom in" onClick={() => state.zoom(1.5)}><Icon name="plus" /></button>
        <button type="button" class="button small" onClick={() => state.fitAll()}>Fit</button>
      </span>
      {timeline.isLive || timeline.traces.some((trace) => trace.isOpen) ? <button type="button" class="button small" aria-pressed={state.isFollowing.value} onClick={() => state.follow(!state.isFollowing.value)}>Follow</button> : null}
      <button type="button" class="button small" onClick={copyLink}><Icon name="link" />Copy link</button>
      <button type="button" class="button small plain" onClick={help}>Keys ?</button>
      {state.said.value ? <span class="note" role="status">{state.said.value}</span> : null}
    </div>
  );
}

function useNameWidth(): [number, (px: number) => void] {
  const initial = Number(localStorage.getItem(NAME_WIDTH)) || Math.min(innerWidth / 2, textScale() * (innerWidth < 720 * textScale() ? 200 : innerWidth < 1200 * textScale() ? 260 : 360));
  const [width, set] = useState(initial);
  return [width, (px) => { set(px); localStorage.setItem(NAME_WIDTH, String(px)); }];
}

/** What F6 goes through, each by the control that it is entered at. */
const AREAS: [string, string[]][] = [
  [".strip", ['.column[tabindex="0"]', "tbody button"]], [".minimap", ['[role="slider"]']], [".rows", ['.wrow[tabindex="0"]']], [".panel", ['[role="tab"][aria-selected="true"]', "button"]],
];

function stepArea(view: HTMLElement, direction: 1 | -1): void {
  const areas = AREAS.flatMap(([area, entries]) => {
    const element = view.querySelector(area);
    const enter = entries.map((entry) => element?.querySelector<HTMLElement>(entry)).find(Boolean);
    return element && enter ? [{ element, enter }] : [];
  });
  const now = areas.findIndex(({ element }) => element.contains(document.activeElement));
  const next = now < 0 ? (direction > 0 ? 0 : areas.length - 1) : (now + direction + areas.length) % areas.length;
  areas[next]?.enter.focus();
}

function useSingleKeys(state: WaterfallState, search: { current: HTMLInputElement | null }, copyLink: () => void, help: () => void) {
  return (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    if (event.key === "F6") { event.preventDefault(); stepArea(event.currentTarget as HTMLElement, event.shiftKey ? -1 : 1); return; }
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
      f: () => { if (row) state.centre(row.start, Math.max(row.end, row.start)); }, "0": () => state.fitAll(),
      e: () => state.step(state.errors, 1, "error"), E: () => state.step(state.errors, -1, "error"), t: () => state.stepTurn(1), T: () => state.stepTurn(-1),
      n: () => state.step(state.hits.value, 1, "match"), N: () => state.step(state.hits.value, -1, "match"),
      "/": () => search.current?.focus(), "[": () => foldAll(false), "]": () => foldAll(true), c: copyLink,
    };
    const action = keys[event.key];
    if (action) { event.preventDefault(); action(); }
  };
}

function Loaded({ state, timeline, needsTurns }: { state: WaterfallState; timeline: Timeline; needsTurns: boolean }) {
  const search = useRef<HTMLInputElement>(null);
  const view = useRef<HTMLDivElement>(null);
  const [isHelp, setHelp] = useState(false);
  const [nameWidth, setNameWidth] = useNameWidth();
  const link = (): string => location.origin + withQuery(location.pathname, state.toQuery());
  const copyLink = (): void => { void navigator.clipboard.writeText(link()); state.said.value = state.isFoldingLeftOut ? "Link copied, without the folding" : "Link copied"; };
  const help = (): void => setHelp(!isHelp);
  const onKey = useSingleKeys(state, search, copyLink, help);
  return (
    <div class="trace-view" ref={view} onKeyDown={onKey}>
      <button type="button" class="button skip" onClick={() => view.current!.querySelector<HTMLElement>('.wrow[tabindex="0"]')?.focus()}>Skip to the rows</button>
      {needsTurns && timeline.turns.length === 0 ? <p class="note">These traces have no turns. Response times need LiveKit, Pipecat or VAPI spans.</p> : null}
      <Strip state={state} />
      <Toolbar state={state} search={search} copyLink={copyLink} help={help} />
      {isHelp ? <Help close={() => setHelp(false)} /> : null}
      <Notes timeline={timeline} state={state} />
      <Minimap state={state} />
      <div class={`with-panel${state.isPanelOpen.value && state.selectedRow.value ? " open" : ""}`}>
        <RowsView state={state} nameWidth={nameWidth} setNameWidth={setNameWidth} />
        <Panel state={state} copyLink={link} />
      </div>
    </div>
  );
}

/** What is folded in the calls and traces that were looked at last, while the pages live. */
const foldings = new Map<string, ReadonlySet<string>>();
const FOLDINGS_MAX = 100;

function rememberFolding(path: string, toggled: ReadonlySet<string>): void {
  foldings.delete(path); // the last one stands last
  foldings.set(path, toggled);
  for (const oldest of foldings.keys()) if (foldings.size > FOLDINGS_MAX) foldings.delete(oldest); else break;
}

/** Reads the timeline and keeps it fresh: at most twice a second, and never again while an answer is awaited. */
function useTimeline(path: string, isMine: (event: { conversation?: string; trace?: string }) => boolean) {
  const kept = useRef<{ path: string; wire: WireTimeline; timeline: Timeline } | null>(null);
  // All of it first, then only what changed.
  const loaded = useLoaded(path, async (abort) => {
    const old = kept.current?.path === path && !kept.current.wire.isCut ? kept.current : null;
    const answer = await get<WireTimeline>(withQuery(path, { since: old?.wire.revision }), abort);
    const wire = (old ? merge(old.wire, answer) : answer) ?? await get<WireTimeline>(path, abort);
    const isSame = old !== null && answer.isChanges && !answer.isChanged && wire.isLive === old.wire.isLive && wire.endNs === old.wire.endNs;
    kept.current = { path, wire, timeline: isSame ? old.timeline : decode(wire, Date.now()) };
    return kept.current.timeline;
  });
  const now = useRef({ isMine, loaded, isDue: false }); // what is linked changes; a reload that is due must outlive that
  now.current.isMine = isMine;
  now.current.loaded = loaded;
  const read = (): void => {
    now.current.isDue = now.current.loaded.isLoading;
    if (!now.current.isDue) now.current.loaded.again();
  };
  useEffect(() => { if (!loaded.isLoading && now.current.isDue) read(); }, [loaded.isLoading]);
  useEffect(() => {
    let soon: ReturnType<typeof setTimeout> | undefined;
    const stop = onLive((event) => {
      if (event.type === "refetch") kept.current = null; // something was missed: all of it
      if ((event.type === "refetch" || now.current.isMine(event)) && soon === undefined) soon = setTimeout(() => { soon = undefined; read(); }, 500);
    });
    return () => { stop(); clearTimeout(soon); };
  }, [path]);
  return loaded;
}

/** The address follows the view, at most every 250 ms; so do the window's title and what is remembered of the folding. */
function useAddress(state: WaterfallState | null, path: string): void {
  const { path: page, route } = useLocation();
  useEffect(() => {
    if (!state) return;
    let soon: ReturnType<typeof setTimeout> | undefined;
    const stop = effect(() => {
      const query = state.toQuery();
      rememberFolding(path, state.toggled.value);
      clearTimeout(soon);
      soon = setTimeout(() => {
        const url = withQuery(page, query);
        if (url !== location.pathname + location.search) route(url, true);
      }, 250);
    });
    const stopTitle = effect(() => { titleWithin.value = selectionTitle(state); });
    return () => { stop(); stopTitle(); clearTimeout(soon); titleWithin.value = ""; };
  }, [state, page, path]);
}

function tellOf(old: Timeline, next: Timeline): void {
  const more = next.shown - old.shown;
  const errors = next.errors - old.errors;
  if (more > 0) announce(`${plural(more, "span")} added${errors > 0 ? `, ${plural(errors, "error")}` : ""}`);
}

export interface WaterfallProps {
  /** Of the timeline. */
  path: string;
  /** Is a live event about it? */
  isMine: (event: { conversation?: string; trace?: string }) => boolean;
  empty: preact.ComponentChildren;
  /** What is said when there is nothing under this id. */
  missing?: preact.ComponentChildren;
  /** Of a call or chat, of which turns are expected. */
  needsTurns?: boolean;
  /** What is known of how much there is to load, as a sentence. */
  much?: string;
  onTimeline?: (timeline: Timeline) => void;
}

export function Waterfall({ path, isMine, empty, missing, needsTurns = false, much = "", onTimeline }: WaterfallProps) {
  const { query } = useLocation();
  const [state, setState] = useState<WaterfallState | null>(null);
  const held = useRef<{ path: string; state: WaterfallState } | null>(null);
  const first = useMemo(() => query as Record<string, string>, [path]);
  const { data: timeline, failure, again } = useTimeline(path, isMine);
  useEffect(() => {
    if (!timeline) return;
    onTimeline?.(timeline);
    const old = held.current?.path === path ? held.current.state : null;
    if (old) {
      tellOf(old.received.value, timeline);
      old.update(timeline);
      return;
    }
    const fresh = new WaterfallState(timeline);
    fresh.toggled.value = foldings.get(path) ?? fresh.toggled.value;
    fresh.fromQuery(first);
    held.current = { path, state: fresh };
    setState(fresh);
  }, [timeline]);
  const mine = held.current?.path === path ? state : null;
  useAddress(mine, path);
  if (failure instanceof Failure && failure.status === 404 && missing && !timeline) return <>{missing}</>;
  if (failure && !timeline) return <Problem failure={failure} again={again} />;
  if (!mine || !timeline) return <Loading what="Loading the spans" rows={12} much={much} />;
  if (mine.received.value.ids.length === 0) return <>{empty}</>;
  return <>{failure ? <Problem failure={failure} again={again} /> : null}<Loaded state={mine} timeline={mine.timeline.value} needsTurns={needsTurns} /></>;
}
