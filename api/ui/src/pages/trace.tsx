// One trace by itself: what called what, what failed, and which call it belongs to.
import { useCallback, useState } from "preact/hooks";
import { get } from "../base/api";
import { clockTime, plural, shortId, zone } from "../base/format";
import { CopyButton, Time, Title, useLoaded } from "../base/parts";
import { sizeOf } from "../base/sizes";
import { Outside } from "../base/text";
import { Why } from "../base/why";
import { Downloads } from "../waterfall/panel";
import type { Match, Timeline } from "../waterfall/timeline";
import { Waterfall } from "../waterfall/waterfall";

interface Started { startedAt?: string | null; startTimestamp?: string | null; createdAt: string }

/** "call 15:31:02": people know a call by its time. */
function Conversation({ match }: { match: Match }) {
  void zone.value;
  const path = `/v1/${match.conversationKind === "chat" ? "chat" : "call"}/${match.conversation}`;
  const loaded = useLoaded(path, (abort) => get<Started>(path, abort));
  const started = loaded.data ? loaded.data.startedAt ?? loaded.data.startTimestamp ?? loaded.data.createdAt : null;
  return <a href={`/${match.conversationKind === "chat" ? "chats" : "calls"}/${match.conversation}`}>{match.conversationKind} {started === null ? match.conversation.slice(0, 8) : clockTime(Date.parse(started))}</a>;
}

function Belongs({ timeline }: { timeline: Timeline }) {
  const trace = timeline.traces[0];
  if (!trace) return null;
  if (trace.matches.length === 0) return <p>Belongs to no call. <Why side="traces" id={trace.id} at={Number(timeline.zeroNs / 1_000_000n)} link="How to mend" /></p>;
  return (
    <ul class="belongs">
      {trace.matches.map((match, index) => (
        <li key={index}>Belongs to <Conversation match={match} />, matched by <Outside class="mono" text={match.attribute ?? match.kind} most={80} /> <Outside class="mono" text={match.value} most={80} />, linked <Time at={match.linkedAt} /></li>
      ))}
    </ul>
  );
}

function nameOf(timeline: Timeline | null, trace: string): string {
  if (!timeline?.traces[0]) return `Trace ${trace.slice(0, 4)}..${trace.slice(-4)}`;
  return timeline.traces[0].rootName ?? "Root not received yet";
}

export default function Trace({ id }: { id: string }) {
  const isMine = useCallback((event: { trace?: string }): boolean => event.trace === id, [id]);
  const [timeline, setTimeline] = useState<Timeline | null>(null);
  if (!/^[0-9a-fA-F]{32}$/.test(id)) return <div class="page stack"><Title text="Not found" /><p>A trace id has 32 hexadecimal digits. <a href="/traces">Traces</a></p></div>;
  const trace = id.toLowerCase();
  const size = sizeOf(trace);
  const name = nameOf(timeline, trace);
  return (
    <div class="page stack call-page">
      <header class="stack">
        <div class="row"><a href="/traces">{"\u2039"} Traces</a><Title text={name}><Outside text={name} most={120} /></Title>
          <span class="row"><code title={trace}>{trace.slice(0, 4)}..{trace.slice(-4)}</code><CopyButton value={() => trace} label="Copy the trace id" /></span>
          <Downloads trace={trace} /></div>
        {timeline ? <Belongs timeline={timeline} /> : null}
      </header>
      <Waterfall path={`/v1/traces/${trace}/timeline`} isMine={isMine} onTimeline={setTimeline}
        missing={<p class="empty">No trace {shortId(trace)} in this project. It may be older than what is kept, or belong to another project. <a href="/traces">Traces</a></p>}
        empty={<p class="empty">This trace has no spans.</p>}
        much={size === undefined ? "" : `The trace has ${plural(size, "span")}.`} />
    </div>
  );
}
