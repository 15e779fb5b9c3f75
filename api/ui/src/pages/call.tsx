// A call or chat: what happened (Tracing), what was said (Transcript), what it is linked by (Details).
import { useCallback } from "preact/hooks";
import { useLocation } from "preact-iso";
import { Failure, get } from "../base/api";
import { sourceName, stateName } from "../base/conversations";
import { durationMs, longTime, offset, plural, zone } from "../base/format";
import { CopyButton, Loading, Problem, Time, Title, useLoaded } from "../base/parts";
import { Outside } from "../base/text";
import { Value } from "../base/value";
import { Waterfall } from "../waterfall/waterfall";

interface Shown {
  id: string; title: string | null; status: string | null; source: string; startedAt?: string | null; startTimestamp?: string | null; endedAt?: string | null;
  endTimestamp?: string | null; durationMs: number | null; callDirection?: string | null; interfaceType?: string | null; endedStatus?: string | null;
  externalId: string | null; livekitRoomId?: string | null; vapiCallId?: string | null; traceId?: string | null; createdAt: string; summary?: string | null;
  supersededByCallId?: string | null; properties?: Record<string, unknown> | null; agents?: unknown; customers?: unknown;
  toolInvocations?: { name: string; parameters: unknown; result: unknown; startOffsetMs?: number; startTimestamp?: string }[] | null;
}
interface LinkedTrace { traceId: string; rootName: string | null; service: string | null; spanCount: number; errorCount: number; matches: { kind: string; value: string }[]; startTime?: string; startedAt?: string }
interface Entry { role: string; text: string; startOffsetMs?: number; endOffsetMs?: number; startTimestamp?: string }
interface Link { traceId: string; kind: string; value: string; linkedAt: string }

const KEYS: [keyof Shown, string][] = [["externalId", "external"], ["livekitRoomId", "livekit"], ["vapiCallId", "vapi"], ["traceId", "trace"]];
const keysOf = (call: Shown): [string, string][] => KEYS.flatMap(([field, kind]): [string, string][] => typeof call[field] === "string" ? [[kind, call[field] as string]] : []);
const startOf = (call: Shown): string => call.startedAt ?? call.startTimestamp ?? call.createdAt;

function Head({ call, kind, traces }: { call: Shown; kind: string; traces: LinkedTrace[] | undefined }) {
  void zone.value;
  const errors = traces?.reduce((sum, trace) => sum + trace.errorCount, 0) ?? 0;
  const spans = traces?.reduce((sum, trace) => sum + trace.spanCount, 0) ?? 0;
  const name = `${kind === "chats" ? "Chat" : "Call"}, ${longTime(Date.parse(startOf(call)))}`;
  return (
    <header class="stack call-head">
      <div class="row"><a href="/calls">{"\u2039"} Calls</a><Title text={name} />
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
  if (keys.length === 0) return <p class="empty">No trace is linked. The call was created without externalId, livekitRoomId or vapiCallId. <a href="/unmatched?side=calls">Open in Unmatched</a></p>;
  return <p class="empty">No trace is linked. This call holds {keys.map(([kind, value]) => <span key={kind}>{kind} <Outside class="mono" text={value} most={80} /> </span>)}; no trace carries it. Values must be equal byte for byte. <a href="/unmatched">Open in Unmatched</a></p>;
}

function Transcript({ base, call }: { base: string; call: Shown }) {
  const loaded = useLoaded(`${base}/transcript`, (abort) => get<{ entries: Entry[] }>(`${base}/transcript`, abort));
  if (loaded.failure) return <Problem failure={loaded.failure} again={loaded.again} />;
  if (!loaded.data) return <Loading what="Loading the transcript" />;
  const zero = Date.parse(startOf(call));
  const at = (entry: { startOffsetMs?: number | undefined; startTimestamp?: string | undefined }): number => entry.startOffsetMs ?? (entry.startTimestamp ? Date.parse(entry.startTimestamp) - zero : 0);
  const lines = [
    ...loaded.data.entries.map((entry) => ({ at: at(entry), entry, tool: null })),
    ...(call.toolInvocations ?? []).map((tool) => ({ at: at(tool), entry: null, tool })),
  ].sort((a, b) => a.at - b.at);
  if (lines.length === 0) return <p class="empty">This {base.includes("/chat/") ? "chat" : "call"} has no transcript. <a href={location.pathname.replace(/\/transcript$/, "/tracing")}>Tracing</a> shows what the spans heard.</p>;
  return (
    <ol class="transcript">
      {lines.map((line, index) => (
        <li key={index} class="transcript-line">
          <span class="mono quiet">{offset(line.at * 1e6, 1e8)}</span>
          {line.entry ? <><b>{line.entry.role === "AGENT" ? "Agent" : "User"}</b><p class="reading"><Outside text={line.entry.text} lines /></p></>
            : <><b class="quiet">tool</b><div class="stack"><Outside class="mono" text={line.tool!.name} /><Value text={JSON.stringify(line.tool!.parameters)} name="the parameters" /><Value text={typeof line.tool!.result === "string" ? line.tool!.result : JSON.stringify(line.tool!.result)} name="the result" /></div></>}
        </li>
      ))}
    </ol>
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
  return (
    <div class="page stack call-page">
      <Head call={call.data} kind={kind} traces={traces.data} />
      <nav class="tabs row" aria-label="About this call">
        {TABS.map(([name, text]) => <a key={name} class="tab" href={`/${kind}/${id}/${name}`} aria-current={now === name ? "page" : undefined}>{text}</a>)}
      </nav>
      {now === "transcript" ? <Transcript base={base} call={call.data} /> : now === "details" ? <Details call={call.data} kind={kind} />
        : <Waterfall path={`${base}/timeline`} isMine={isMine} empty={<NoTraces call={call.data} />} download={traces.data?.[0] ? `/v1/traces/${traces.data[0].traceId}` : base} />}
    </div>
  );
}
