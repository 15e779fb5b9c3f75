// A call or chat: what happened (Tracing), what was said (Transcript), what it is linked by (Details).
import { useCallback, useRef } from "preact/hooks";
import { useLocation } from "preact-iso";
import { Failure, get } from "../base/api";
import { sourceName, stateName } from "../base/conversations";
import { durationMs, longTime, plural, shortTime, zone } from "../base/format";
import { CopyButton, Loading, Problem, Time, Title, useLoaded } from "../base/parts";
import { Outside } from "../base/text";
import { Value } from "../base/value";
import { Why } from "../base/why";
import { Waterfall } from "../waterfall/waterfall";
import { Transcript, type Tool } from "./transcript";

interface Shown {
  id: string; title: string | null; status: string | null; source: string; startedAt?: string | null; startTimestamp?: string | null; endedAt?: string | null;
  endTimestamp?: string | null; durationMs: number | null; callDirection?: string | null; interfaceType?: string | null; endedStatus?: string | null;
  externalId: string | null; livekitRoomId?: string | null; vapiCallId?: string | null; traceId?: string | null; createdAt: string; summary?: string | null;
  supersededByCallId?: string | null; properties?: Record<string, unknown> | null; agents?: unknown; customers?: unknown;
  toolInvocations?: Tool[] | null;
}
interface LinkedTrace { traceId: string; rootName: string | null; service: string | null; spanCount: number; errorCount: number; matches: { kind: string; value: string }[]; startTime?: string; startedAt?: string }
interface Link { traceId: string; kind: string; value: string; linkedAt: string }

const KEYS: [keyof Shown, string][] = [["externalId", "external"], ["livekitRoomId", "livekit"], ["vapiCallId", "vapi"], ["traceId", "trace"]];
const keysOf = (call: Shown): [string, string][] => KEYS.flatMap(([field, kind]): [string, string][] => typeof call[field] === "string" ? [[kind, call[field] as string]] : []);
const startOf = (call: Shown): string => call.startedAt ?? call.startTimestamp ?? call.createdAt;

function Head({ call, kind, traces }: { call: Shown; kind: string; traces: LinkedTrace[] | undefined }) {
  void zone.value;
  const errors = traces?.reduce((sum, trace) => sum + trace.errorCount, 0) ?? 0;
  const spans = traces?.reduce((sum, trace) => sum + trace.spanCount, 0) ?? 0;
  const what = kind === "chats" ? "Chat" : "Call";
  const start = Date.parse(startOf(call));
  return (
    <header class="stack call-head">
      <div class="row"><a href="/calls">{"\u2039"} Calls</a><Title text={`${what} ${shortTime(start)}`}>{what}, {longTime(start)}</Title>
        <span>{kind === "chats" ? "Chat" : stateName(call.status)}{call.endedStatus ? `: ${call.endedStatus.toLowerCase().replaceAll("_", " ")}` : ""}</span>
        {call.durationMs !== null ? <span>{durationMs(call.durationMs)}</span> : null}
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

function Details({ call, kind }: { call: Shown; kind: string }) {
  const path = `/v1/links?${kind === "chats" ? "chat" : "call"}=${call.id}&limit=100`;
  const links = useLoaded(path, (abort) => get<Link[]>(path, abort));
  return (
    <div class="stack">
      <dl class="facts">
        <div class="fact"><dt>Started</dt><dd><Time at={startOf(call)} /></dd></div>
        <div class="fact"><dt>Ended</dt><dd>{call.endedAt ?? call.endTimestamp ? <Time at={call.endedAt ?? call.endTimestamp} /> : "not yet"}</dd></div>
        <div class="fact"><dt>Created</dt><dd><Time at={call.createdAt} /></dd></div>
        <div class="fact"><dt>Source</dt><dd>{sourceName(call.source)}</dd></div>
        <div class="fact"><dt>Id</dt><dd class="row"><code>{call.id}</code><CopyButton value={() => call.id} label="Copy the id" /></dd></div>
      </dl>
      {call.summary ? <section><h2>Summary</h2><Value text={call.summary} name="the summary" reading /></section> : null}
      <section><h2>Keys</h2>{keysOf(call).length === 0 ? <p>None: no trace can be linked to it.</p> : (
        <table><thead><tr><th>Kind</th><th>Value</th></tr></thead><tbody>{keysOf(call).map(([key, value]) => <tr key={key}><td>{key}</td><td class="mono"><Outside text={value} /></td></tr>)}</tbody></table>)}</section>
      <section><h2>Links</h2>
        {links.failure ? <Problem failure={links.failure} again={links.again} /> : !links.data ? <Loading rows={2} /> : links.data.length === 0 ? <p>None.</p> : (
          <div class="table-scroll"><table><thead><tr><th>Trace</th><th>Matched by</th><th>Value</th><th>Linked</th></tr></thead>
            <tbody>{links.data.map((link, index) => <tr key={index}><td class="mono"><a href={`/traces/${link.traceId}`}>{link.traceId}</a></td><td>{link.kind}</td><td class="mono"><Outside text={link.value} most={100} /></td><td><Time at={link.linkedAt} /></td></tr>)}</tbody></table></div>)}
      </section>
      {call.properties && Object.keys(call.properties).length ? <section><h2>Properties</h2><Value text={JSON.stringify(call.properties)} name="the properties" /></section> : null}
      {call.agents ? <section><h2>Agents</h2><Value text={JSON.stringify(call.agents)} name="the agents" /></section> : null}
      {call.customers ? <section><h2>Customers</h2><Value text={JSON.stringify(call.customers)} name="the customers" /></section> : null}
    </div>
  );
}

const TABS: [string, string][] = [["tracing", "Tracing"], ["transcript", "Transcript"], ["details", "Details"]];

export default function Call({ id, tab }: { id: string; tab?: string }) {
  const { path } = useLocation();
  const kind = path.startsWith("/chats/") ? "chats" : "calls";
  const base = `/v1/${kind === "chats" ? "chat" : "call"}/${encodeURIComponent(id)}`;
  const view = useRef("");
  const call = useLoaded(base, (abort) => get<Shown>(base, abort));
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
  const shown = traces.data?.reduce((sum, trace) => sum + trace.spanCount, 0) ?? 0;
  return (
    <div class="page stack call-page">
      <Head call={call.data} kind={kind} traces={traces.data} />
      <nav class="tabs row" aria-label="About this call">
        {TABS.map(([name, text]) => <a key={name} class="tab" href={`/${kind}/${id}/${name}${name === "tracing" ? view.current : ""}`} aria-current={now === name ? "page" : undefined}>{text}</a>)}
      </nav>
      {now === "transcript" ? <Transcript base={base} page={`/${kind}/${id}`} zeroMs={Date.parse(startOf(call.data))} tools={call.data.toolInvocations ?? []} /> : now === "details" ? <Details call={call.data} kind={kind} />
        : <Waterfall path={`${base}/timeline`} isMine={isMine} empty={<NoTraces call={call.data} />} needsTurns
          much={shown > 0 ? `The ${kind === "chats" ? "chat" : "call"} has ${plural(shown, "span")}.` : ""} />}
    </div>
  );
}
