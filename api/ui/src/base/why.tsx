// Why a trace or a call has no link: the doctor's sentence, and the way to its cure.
import { getPage, withQuery } from "./api";
import type { Unmatched } from "./cure";
import { onLiveNowAndThen } from "./live";
import { useLoaded } from "./parts";
import { Outside } from "./text";
import { useEffect, useRef } from "preact/hooks";

const SOON_MS = 1000;
const GAP_MS = 5000;

/** `at`: the trace's start, or the call's creation, in milliseconds: by it the row is found. */
export function Why({ side, id, at, link }: { side: "traces" | "calls"; id: string; at: number; link: string }) {
  const range = { from: new Date(at).toISOString(), to: new Date(at + 1).toISOString() };
  const path = withQuery("/v1/unmatched", { side, ...range, limit: 100 });
  const loaded = useLoaded(path, async (abort) => (await getPage<Unmatched>(path, abort)).data);
  const again = useRef(loaded.again);
  again.current = loaded.again;
  useEffect(() => onLiveNowAndThen((event) => event.type === "refetch" || event.trace === id || event.conversation === id, () => again.current(), SOON_MS, GAP_MS), [id]);
  const row = loaded.data?.find((one) => (side === "traces" ? one.trace?.traceId : one.conversation?.id) === id);
  if (!row) return null;
  return <><Outside text={row.sentence} /> <a href={withQuery("/unmatched", { side, reason: row.reason, ...range })}>{link}</a></>;
}
