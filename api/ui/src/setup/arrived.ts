// What has arrived so far, as the marks of the set-up say it.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, getPage, withQuery } from "../base/api";
import { onLiveNowAndThen } from "../base/live";
import type { TraceRow } from "../explorer/results";

export interface ApiKey { id: string; name: string; scopes: string[]; lastUsedAt: string | null; createdAt: string; isOwn: boolean }
export interface Refusal { at: string; status: number; path: string; message: string }
interface Link { linkedAt: string; kind: string; value: string; conversationId: string; conversationKind: "call" | "chat"; traceId: string }

export interface Arrived {
  /** undefined: this session may not read keys, or there is none but its own, which the pages use as well. */
  keyUsedAt: string | null | undefined;
  spans: { traceId: string; at: string; count: number } | null;
  keyFound: { traceId: string; at: string } | null;
  link: Link | null;
}

const SOON_MS = 300;
const GAP_MS = 1000;
const POLL_MS = 3000;

/** The key made here; else the last use of any that may send. */
export function keyUse(keys: ApiKey[], keyId: string | null, since: string): string | null | undefined {
  const mine = keyId ? keys.filter((key) => key.id === keyId) : keys.filter((key) => !key.isOwn && key.scopes.includes("ingest"));
  const used = mine.map((key) => key.lastUsedAt).filter((at) => at !== null && Date.parse(at) >= Date.parse(since)).sort();
  return mine.length === 0 ? undefined : used[used.length - 1] ?? null;
}

const first = <T,>(rows: T[]): T | undefined => rows[0];

async function read(since: string, attribute: string, keyId: string | null, mayManage: boolean, abort: AbortSignal): Promise<Arrived> {
  const list = (more: Record<string, string>) => getPage<TraceRow>(withQuery("/v1/traces", { limit: 20, ...more }), abort);
  const [keys, traces, keyed, links] = await Promise.all([
    mayManage ? get<ApiKey[]>("/v1/keys", abort) : Promise.resolve(null),
    list({}), list({ attr: attribute }), getPage<Link>(withQuery("/v1/links", { since, limit: 1 }), abort),
  ]);
  const newSince = (row: TraceRow): boolean => Date.parse(row.firstSeenAt) >= Date.parse(since);
  const trace = traces.data.find(newSince);
  const found = keyed.data.find(newSince);
  return {
    keyUsedAt: keys ? keyUse(keys, keyId, since) : undefined,
    spans: trace ? { traceId: trace.traceId, at: trace.firstSeenAt, count: trace.spanCount } : null,
    keyFound: found ? { traceId: found.traceId, at: found.firstSeenAt } : null,
    link: first(links.data) ?? null,
  };
}

/** Read on every change in the project, and every few seconds while something is still to come. */
export function useArrived(since: string, attribute: string, keyId: string | null, mayManage: boolean): Arrived | null {
  const [arrived, set] = useState<Arrived | null>(null);
  const isDone = useRef(false);
  isDone.current = arrived !== null && arrived.link !== null && arrived.keyUsedAt !== null;
  useEffect(() => {
    const abort = new AbortController();
    const again = () => { if (!document.hidden) read(since, attribute, keyId, mayManage, abort.signal).then(set, () => undefined); };
    again();
    const stop = onLiveNowAndThen(() => true, again, SOON_MS, GAP_MS);
    const timer = setInterval(() => { if (!isDone.current) again(); }, POLL_MS);
    return () => { abort.abort(); stop(); clearInterval(timer); };
  }, [since, attribute, keyId, mayManage]);
  return arrived;
}

/** The last export that was refused though its key was valid: as it happens, and what it was before this page was opened. */
export function useRefusal(): Refusal | null {
  const [refusal, set] = useState<Refusal | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    const again = () => { get<Refusal | null>("/v1/refusal", abort.signal).then(set, () => undefined); };
    again();
    const stop = onLiveNowAndThen((event) => event.type === "key" || event.type === "refetch", again, 0, GAP_MS);
    return () => { abort.abort(); stop(); };
  }, []);
  return refusal;
}
