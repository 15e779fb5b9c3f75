// A call or chat: what happened (Tracing), what was said (Transcript), what it is linked by (Details).
import type { ComponentChildren } from "preact";
import { useCallback, useRef } from "preact/hooks";
import { useLocation } from "preact-iso";
import { askText, Failure, get, getPage } from "../base/api";
import { sourceName, stateName } from "../base/conversations";
import { elementsOf, memberOf } from "../base/json";
import { count, durationMs, longTime, plural, shortId, shortTime, zone } from "../base/format";
import { CopyButton, Loading, Problem, Time, Title, useLoaded } from "../base/parts";
import { Outside } from "../base/text";
import { Value } from "../base/value";
import { Why } from "../base/why";
import { decode, type WireTimeline } from "../waterfall/decode";
import { letter } from "../waterfall/timeline";
import { Waterfall } from "../waterfall/waterfall";
import { Transcript, type Tool } from "./transcript";

interface Shown {
  id: string; title: string | null; status: string | null; source: string; startedAt?: string | null; startTimestamp?: string | null; endedAt?: string | null;
  endTimestamp?: string | null; durationMs: number | null; callDirection?: string | null; interfaceType?: string | null; endedStatus?: string | null;
  externalId: string | null; livekitRoomId?: string | null; vapiCallId?: string | null; traceId?: string | null; createdAt: string; summary?: string | null;
  supersededByCallId?: string | null; agents?: { name?: string | null }[] | null; toolInvocations?: { name: string; startOffsetMs?: number; startTimestamp?: string }[] | null;
}
/** A call, and its text: what is shown as JSON must not go through doubles. */
interface Told { call: Shown; text: string }
interface LinkedTrace { traceId: string; rootName: string | null; service: string | null; spanCount: number; errorCount: number; matches: { kind: string; value: string }[]; endedAt: string; firstSeenAt: string }
interface Link { traceId: string; kind: string; value: string; linkedAt: string }

const KEYS: [keyof Shown, string][] = [["externalId", "external"], ["livekitRoomId", "livekit"], ["vapiCallId", "vapi"], ["traceId", "trace"]];
const keysOf = (call: Shown): [string, string][] => KEYS.flatMap(([field, kind]): [string, string][] => typeof call[field] === "string" ? [[kind, call[field] as string]] : []);
const startOf = (call: Shown): string => call.startedAt ?? call.startTimestamp ?? call.createdAt;
const endOf = (call: Shown): string | null => call.endedAt ?? call.endTimestamp ?? null;
const howEnded = (call: Shown): string => call.endedStatus ? call.endedStatus.toLowerCase().replaceAll("_", " ") : "";

async function load(path: string, abort: AbortSignal): Promise<Told> {
  const answer = await askText(path, { signal: abort });
  const text = memberOf(answer, "data") ?? "{}";
  return { call: JSON.parse(text) as Shown, text };
}

/** A text as it reads, anything else as the JSON that was sent. */
const plainText = (json: string | null): string | null => json === null || json === "null" ? null : json.startsWith('"') ? JSON.parse(json) as string : json;

function toolsOf({ call, text }: Told): Tool[] {
  const texts = elementsOf(memberOf(text, "toolInvocations") ?? "[]", []);
  return (call.toolInvocations ?? []).map((tool, n) => ({ ...tool, parameters: memberOf(texts[n] ?? "{}", "parameters") ?? "null", result: plainText(memberOf(texts[n] ?? "{}", "result")) }));
}

/** A call that was made by POST is told no end; its spans say how long it lasted at least. */
const lastEnd = (traces: LinkedTrace[] | undefined): number => Math.max(...(traces ?? []).map((trace) => Date.parse(trace.endedAt)));

function Length({ call, traces }: { call: Shown; traces: LinkedTrace[] | undefined }) {
  if (call.durationMs !== null) return <span>{durationMs(call.durationMs)}</span>;
  const last = lastEnd(traces);
  if (call.status === "IN_PROGRESS" || call.status === "RINGING" || !(last > Date.parse(startOf(call)))) return null;
  return <span title="To the end of its last span; no end was told">about {durationMs(last - Date.parse(startOf(call)))}</span>;
}

function Head({ call, kind, traces }: { call: Shown; kind: string; traces: LinkedTrace[] | undefined }) {
  void zone.value;
  const errors = traces?.reduce((sum, trace) => sum + trace.errorCount, 0) ?? 0;
  const spans = traces?.reduce((sum, trace) => sum + trace.spanCount, 0) ?? 0;
  const what = kind === "chats" ? "Chat" : "Call";
  const start = Date.parse(startOf(call));
  return (
    <header class="stack call-head">
      <div class="row"><a href="/calls">{"\u2039"} Calls</a><Title text={`${what} ${shortTime(start)}`}>{what}, {longTime(start)}</Title>
        <span>{kind === "chats" ? "Chat" : stateName(call.status)}{howEnded(call) ? `: ${howEnded(call)}` : ""}</span>
        <Length call={call} traces={traces} />
        {call.interfaceType || call.callDirection ? <span>{[call.interfaceType, call.callDirection].filter(Boolean).map((one) => one!.toLowerCase()).join(", ")}</span> : null}
        <span>{sourceName(call.source)}</span></div>
      <div class="row">
        {keysOf(call).map(([key, value]) => <span key={key} class="row"><span class="quiet">{key}</span><Outside class="mono" text={value} most={80} /><CopyButton value={() => value} label={`Copy the ${key} key`} /></span>)}
        {traces ? <span class="note">{plural(traces.length, "trace")}, {plural(spans, "span")}, {errors ? <b class="error-text">{"\u2715"} {plural(errors, "error")}</b> : "no errors"}</span> : null}
        {call.supersededByCallId ? <span class="tag warn">superseded by <a href={`/calls/${call.supersededByCallId}`}>another call</a></span> : null}
      </div>
      {call.title ? <p><Outside text={call.title} most={300} /></p> : null}
    </header>
  );
}

function NoTraces({ call }: { call: Shown }) {
  if (call.status === "IN_PROGRESS" || call.status === "RINGING") {
    return <p class="empty">No spans yet. Exporters send every 5 seconds, and spans only when they end. This page updates by itself.</p>;
  }
  const keys = keysOf(call);
  return (
    <p class="empty">No trace is linked. {keys.length ? <>This call holds {keys.map(([kind, value]) => <span key={kind}>{kind} <Outside class="mono" text={value} most={80} /> </span>)}. </> : null}
      <Why side="calls" id={call.id} at={Date.parse(call.createdAt)} link="Open in Unmatched" /></p>
  );
}

interface Place { name: string; foundOn: string }
const placeKey = (link: { traceId: string; kind: string; value: string }): string => `${link.traceId}/${link.kind}/${link.value}`;

/** Where the key of each link stands: on the resource or on which span. */
function usePlaces(base: string): Map<string, Place> {
  const line = useLoaded(`${base}/timeline`, async (abort) => decode(await get<WireTimeline>(`${base}/timeline`, abort), Date.now()));
  return new Map((line.data?.traces ?? []).flatMap((trace, n) => trace.matches.map((match): [string, Place] =>
    [placeKey({ traceId: trace.id, kind: match.kind, value: match.value }), { name: letter(n), foundOn: match.foundOn }])));
}

function FoundOn({ link, place }: { link: Link; place: Place | undefined }) {
  if (place?.foundOn) return <Outside text={place.foundOn} most={120} />;
  return <span class="quiet">{link.kind === "trace" ? "its own id" : place ? "on a span that is not shown" : ""}</span>;
}

function Links({ call, kind, base, traces }: { call: Shown; kind: string; base: string; traces: LinkedTrace[] }) {
  const path = `/v1/links?${kind === "chats" ? "chat" : "call"}=${call.id}&limit=100`;
  const links = useLoaded(path, (abort) => getPage<Link>(path, abort));
  const places = usePlaces(base);
  if (links.failure) return <Problem failure={links.failure} again={links.again} />;
  if (!links.data) return <Loading rows={2} />;
  if (links.data.data.length === 0) return <p>None.</p>;
  const { total, atLeast = 0 } = links.data.pagination;
  return (
    <>
      <ul class="cards narrow-only">{links.data.data.map((link, index) => {
        const place = places.get(placeKey(link));
        return (
          <li key={index} class="card plain"><span class="row">{place ? <b>{place.name}</b> : null}<a class="mono" href={`/traces/${link.traceId}`}>{shortId(link.traceId)}</a><CopyButton value={() => link.traceId} label="Copy the trace id" /></span>
            <span>{link.kind} <Outside class="mono" text={link.value} most={100} /></span><span><FoundOn link={link} place={place} /></span><span class="quiet">linked <Time at={link.linkedAt} /></span></li>
        );
      })}</ul>
      <div class="table-scroll medium-up"><table class="links">
        <thead><tr><th>Trace</th><th>Root</th><th>Matched by</th><th>Value</th><th>Found on</th><th>First received</th><th>Linked</th></tr></thead>
        <tbody>{links.data.data.map((link, index) => {
          const place = places.get(placeKey(link));
          const trace = traces.find((one) => one.traceId === link.traceId);
          return (
            <tr key={index}><td>{place ? <b>{place.name} </b> : null}<a class="mono" href={`/traces/${link.traceId}`} title={link.traceId}>{shortId(link.traceId)}</a><CopyButton value={() => link.traceId} label="Copy the trace id" /></td>
              <td>{trace?.rootName == null ? <i>not received yet</i> : <Outside text={trace.rootName} most={60} />}</td>
              <td>{link.kind}</td><td class="mono"><Outside text={link.value} most={100} /></td>
              <td><FoundOn link={link} place={place} /></td>
              <td><Time at={trace?.firstSeenAt} /></td><td><Time at={link.linkedAt} /></td></tr>
          );
        })}</tbody></table></div>
      {links.data.pagination.hasMore ? <p class="note">Showing {count(links.data.data.length)} of {total === null ? `more than ${count(atLeast)}` : count(total)} links, the newest.</p> : null}
    </>
  );
}

const JSONS: [string, string][] = [["properties", "Properties"], ["agents", "Agents"], ["customers", "Customers"]];

function Details({ told: { call, text }, kind, base, traces }: { told: Told; kind: string; base: string; traces: LinkedTrace[] }) {
  const end = endOf(call);
  const agents = (call.agents ?? []).map((agent) => agent?.name).filter((name): name is string => typeof name === "string" && name !== "");
  const facts: [string, ComponentChildren][] = [
    ["Started", <Time at={startOf(call)} />],
    ["Ended", <>{end ? <Time at={end} /> : call.status !== "ENDED" ? "not yet" : traces.length ? <>about <Time at={new Date(lastEnd(traces)).toISOString()} />, by its spans; no end was told</> : "at a time that was not told"}{howEnded(call) ? `, ${howEnded(call)}` : ""}</>],
    ["Created", <Time at={call.createdAt} />], ["Source", sourceName(call.source)],
    ...(agents.length ? [["Agent", <>{agents.map((name, n) => <>{n ? ", " : ""}<Outside text={name} most={100} /></>)}</>] as [string, ComponentChildren]] : []),
    ["Id", <span class="row"><code>{call.id}</code><CopyButton value={() => call.id} label="Copy the id" /></span>],
  ];
  return (
    <div class="stack">
      <dl class="facts">{facts.map(([name, value]) => <div key={name} class="fact"><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      {call.summary ? <section><h2>Summary</h2><Value text={call.summary} name="the summary" reading /></section> : null}
      <section><h2>Keys</h2>{keysOf(call).length === 0 ? <p>None: no trace can be linked to it.</p> : (
        <table class="slim"><thead><tr><th>Kind</th><th>Value</th></tr></thead><tbody>{keysOf(call).map(([key, value]) => <tr key={key}><td>{key}</td><td class="mono"><Outside text={value} /></td></tr>)}</tbody></table>)}</section>
      <section><h2>Links</h2><Links call={call} kind={kind} base={base} traces={traces} /></section>
      {JSONS.map(([name, title]) => {
        const json = memberOf(text, name);
        return json === null || /^(null|\{\s*\}|\[\s*\])$/.test(json) ? null : <section key={name}><h2>{title}</h2><Value text={json} name={`the ${name}`} /></section>;
      })}
    </div>
  );
}

const TABS: [string, string][] = [["tracing", "Tracing"], ["transcript", "Transcript"], ["details", "Details"]];

export default function Call({ id, tab }: { id: string; tab?: string }) {
  const { path } = useLocation();
  const kind = path.startsWith("/chats/") ? "chats" : "calls";
  const base = `/v1/${kind === "chats" ? "chat" : "call"}/${encodeURIComponent(id)}`;
  const view = useRef("");
  const call = useLoaded(base, (abort) => load(base, abort));
  const traces = useLoaded(`${base}/traces`, (abort) => get<LinkedTrace[]>(`${base}/traces?limit=100`, abort));
  const isMine = useCallback((event: { conversation?: string; trace?: string }): boolean => {
    const known = event.conversation === id || (event.trace !== undefined && (traces.data ?? []).some((trace) => trace.traceId === event.trace));
    if (event.conversation === id) { call.again(); traces.again(); }
    return known;
  }, [id, traces.data]);
  if (call.failure && !call.data) {
    const isMissing = call.failure instanceof Failure && call.failure.status === 404;
    return <div class="page stack"><Title text="Not found" />{isMissing ? <p>No {kind === "chats" ? "chat" : "call"} {id} in this project. It may be older than what is kept, or belong to another project. <a href="/calls">Calls</a></p> : <Problem failure={call.failure} again={call.again} />}</div>;
  }
  if (!call.data) return <div class="page"><Loading what="Loading the call" /></div>;
  const now = tab ?? "tracing";
  if (now === "tracing") view.current = location.search; // another tab and back shows the same
  const shown = call.data.call;
  const spans = traces.data?.reduce((sum, trace) => sum + trace.spanCount, 0) ?? 0;
  return (
    <div class="page stack call-page">
      <Head call={shown} kind={kind} traces={traces.data} />
      <nav class="tabs row" aria-label="About this call">
        {TABS.map(([name, text]) => <a key={name} class="tab" href={`/${kind}/${id}/${name}${name === "tracing" ? view.current : ""}`} aria-current={now === name ? "page" : undefined}>{text}</a>)}
      </nav>
      {now === "transcript" ? <Transcript base={base} page={`/${kind}/${id}`} zeroMs={Date.parse(startOf(shown))} tools={toolsOf(call.data)} /> : now === "details" ? <Details told={call.data} kind={kind} base={base} traces={traces.data ?? []} />
        : <Waterfall path={`${base}/timeline`} isMine={isMine} empty={<NoTraces call={shown} />} needsTurns
          much={spans > 0 ? `The ${kind === "chats" ? "chat" : "call"} has ${plural(spans, "span")}.` : ""} />}
    </div>
  );
}
