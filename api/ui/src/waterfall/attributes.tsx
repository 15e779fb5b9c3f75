// Attributes of a span, its resource, scope, events and links.
import { useEffect, useRef, useState } from "preact/hooks";
import { duration, exactTime, nsOf } from "../base/format";
import { CopyButton } from "../base/parts";
import { hidesSensitive } from "../base/settings";
import { Outside } from "../base/text";
import { Value } from "../base/value";
import { isSensitive, plain, type KeyValue, type Span, type SpanDocument } from "./span";
import type { WaterfallState } from "./state";

const FOUND_MOST = 128; // characters of a value that the explorer takes as a filter

export function HideSensitive() {
  return <label class="row"><input type="checkbox" checked={hidesSensitive.value} onChange={(event) => { hidesSensitive.value = event.currentTarget.checked; }} />Hide sensitive</label>;
}

function Attribute({ one, searchable, isSought }: { one: KeyValue; searchable: boolean; isSought: boolean }) {
  const element = useRef<HTMLDivElement>(null);
  const value = plain(one.value);
  const isHidden = hidesSensitive.value && isSensitive(one.key);
  // What the search found is brought into the panel's view; the page itself does not move.
  useEffect(() => {
    const panel = element.current?.closest(".panel");
    if (isSought && panel) panel.scrollTop += element.current!.getBoundingClientRect().top - panel.getBoundingClientRect().top - panel.clientHeight / 4;
  }, [isSought]);
  return (
    <div ref={element} class={`attribute${isSought ? " sought" : ""}`}>
      <dt><span class={isSought ? "hit" : undefined}><Outside class="mono" text={one.key} most={255} /></span>{value.type !== "text" ? <span class="tag">{value.type}</span> : null}{isSensitive(one.key) ? <span class="tag warn">sensitive</span> : null}</dt>
      <dd>{isHidden ? <span class="quiet">hidden</span> : <Value text={value.text} name={one.key} href={value.href} length={value.length} />}
        {isHidden ? null : <span class="row">{value.href ? null : <CopyButton value={() => `${one.key}=${value.text}`} label={`Copy ${one.key}=value`} />}
          {searchable && value.type !== "list" && value.type !== "map" && value.text.length <= FOUND_MOST && !value.href ? <a href={`/traces?attr=${encodeURIComponent(`${one.key}:${value.text}`)}`}>Find traces with this</a> : null}</span>}</dd>
    </div>
  );
}

function AttributeTable({ title, list, filter, searchable, sought }: { title: string; list: KeyValue[]; filter: string; searchable: boolean; sought?: string | null | undefined }) {
  const shown = list.filter((one) => !filter || one.key.toLowerCase().includes(filter) || plain(one.value).text.toLowerCase().includes(filter));
  if (list.length === 0) return null;
  return (
    <section>
      <h3>{title} <span class="quiet">{shown.length === list.length ? list.length : `${shown.length} of ${list.length}`}</span></h3>
      <dl class="attributes">
        {shown.map((one, index) => <Attribute key={index} one={one} searchable={searchable} isSought={sought === one.key} />)}
      </dl>
    </section>
  );
}

export function Attributes({ document, sought }: { document: SpanDocument; sought: string | null }) {
  const [filter, setFilter] = useState("");
  const text = filter.toLowerCase();
  return (
    <div class="stack">
      <div class="row"><input class="input" type="search" aria-label="Filter attributes" placeholder="Filter attributes" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} /><HideSensitive /></div>
      <AttributeTable title="Span" list={document.span.attributes ?? []} filter={text} searchable sought={sought} />
      <AttributeTable title="Resource" list={document.resource} filter={text} searchable />
      <AttributeTable title="Scope" filter={text} searchable={false}
        list={[{ key: "name", value: { stringValue: document.scope.name ?? "" } }, { key: "version", value: { stringValue: document.scope.version ?? "" } }, ...document.scope.attributes ?? []]} />
    </div>
  );
}

/** `sought` is an attribute's key or an event's name. */
export function Events({ span, sought }: { span: Span; sought: string | null }) {
  const start = nsOf(span.startTimeUnixNano ?? "");
  return (
    <ol class="stack">
      {span.events!.map((event, index) => {
        const at = nsOf(event.timeUnixNano ?? "");
        return (
          <li key={index}><h3><span class={sought === event.name ? "hit" : undefined}><Outside text={event.name ?? ""} /></span>{" "}
            {at !== null && start !== null ? <time class="quiet" title={exactTime(at)}>{at < start ? "" : "+"}{duration(Number(at - start))}</time> : null}</h3>
            <AttributeTable title="Attributes" list={event.attributes ?? []} filter="" searchable={false} sought={sought} /></li>
        );
      })}
    </ol>
  );
}

export function Links({ span, state }: { span: Span; state: WaterfallState }) {
  return (
    <ol class="stack">
      {span.links!.map((link, index) => {
        const here = state.timeline.value.ids.indexOf(link.spanId ?? "");
        return (
          <li key={index} class="stack"><span class="row"><code>{link.traceId}</code><code>{link.spanId}</code>
            {here >= 0 ? <button type="button" class="button small" onClick={() => state.show(here)}>Open span</button> : <a href={`/traces/${encodeURIComponent(link.traceId ?? "")}?span=${encodeURIComponent(link.spanId ?? "")}`}>Open trace</a>}</span>
            <AttributeTable title="Attributes" list={link.attributes ?? []} filter="" searchable={false} /></li>
        );
      })}
    </ol>
  );
}
