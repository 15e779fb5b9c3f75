// One trace by itself: what called what, what failed, and which call it belongs to.
import { useCallback } from "preact/hooks";
import { Failure, get } from "../base/api";
import { CopyButton, Problem, Time, Title, useLoaded } from "../base/parts";
import { Icon, Outside } from "../base/text";
import { Waterfall } from "../waterfall/waterfall";

interface Link { conversationId: string; conversationKind: string; kind: string; value: string; linkedAt: string }

function Belongs({ trace }: { trace: string }) {
  const path = `/v1/links?trace=${trace}&limit=20`;
  const links = useLoaded(path, (abort) => get<Link[]>(path, abort));
  if (links.failure) return links.failure instanceof Failure && links.failure.status === 400 ? null : <Problem failure={links.failure} again={links.again} />;
  if (!links.data) return null;
  if (links.data.length === 0) return <p>Belongs to no call. <a href="/unmatched">How to mend</a></p>;
  return (
    <ul class="belongs">
      {links.data.map((link, index) => (
        <li key={index}>Belongs to <a href={`/${link.conversationKind === "chat" ? "chats" : "calls"}/${link.conversationId}`}>{link.conversationKind} {link.conversationId.slice(0, 8)}</a>, matched
          by {link.kind} <Outside class="mono" text={link.value} most={80} />, linked <Time at={link.linkedAt} /></li>
      ))}
    </ul>
  );
}

export default function Trace({ id }: { id: string }) {
  const isMine = useCallback((event: { trace?: string }): boolean => event.trace === id, [id]);
  if (!/^[0-9a-fA-F]{32}$/.test(id)) return <div class="page stack"><Title text="Not found" /><p>A trace id has 32 hexadecimal digits. <a href="/traces">Traces</a></p></div>;
  const trace = id.toLowerCase();
  return (
    <div class="page stack call-page">
      <header class="stack">
        <div class="row"><a href="/traces">{"\u2039"} Traces</a><Title text={`Trace ${trace.slice(0, 4)}..${trace.slice(-4)}`} /><CopyButton value={() => trace} label="Copy the trace id" />
          <a class="button small" href={`/v1/traces/${trace}`} download={`${trace}.json`}><Icon name="download" />OTLP JSON</a></div>
        <Belongs trace={trace} />
      </header>
      <Waterfall path={`/v1/traces/${trace}/timeline`} isMine={isMine} download={`/v1/traces/${trace}`} empty={<p class="empty">This trace has no spans.</p>} />
    </div>
  );
}
