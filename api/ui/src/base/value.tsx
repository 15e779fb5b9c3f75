// A value from outside: short ones whole, long ones folded, very long ones line by line in a view of their own, the
// largest only when asked for. Folded text is not in the page at all; copying takes the whole value always.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { askText } from "./api";
import { bytes, count } from "./format";
import { looksLikeJson, printJson } from "./json";
import { CopyButton } from "./parts";
import { textScale } from "./settings";
import { Outside } from "./text";
import { useVirtual } from "./virtual";

const CHARACTERS = 2000;
const LINES = 20;
const WHOLE_MOST = 200_000; // beyond, only the lines in view are in the page
const PRINTED_MOST = 1_000_000; // JSON beyond is not indented
const ASKED_LEAST = 1_000_000; // octets, from which on a value is loaded only when asked for
const LINE_PX = 18;
const CHARACTER_PX = 7.3; // of the small mono type, rounded up

function folded(text: string, lines: number, characters: number): string {
  const first = text.split("\n", lines + 1);
  const cut = first.length > lines ? first.slice(0, lines).join("\n") : text;
  return cut.length > characters ? cut.slice(0, characters) : cut;
}

/** A text's lines, those that are wider than the view broken into pieces. */
export function linesOf(text: string, width: number): string[] {
  const out: string[] = [];
  for (const line of text.split("\n")) {
    for (let at = 0; at === 0 || at < line.length; at += width) out.push(line.slice(at, at + width));
  }
  return out;
}

function Lines({ text, name }: { text: string; name: string }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(60);
  const scale = useMemo(textScale, []);
  const lines = useMemo(() => linesOf(text, width), [text, width]);
  useLayoutEffect(() => { setWidth(Math.max(20, Math.floor(scroller.current!.clientWidth / (CHARACTER_PX * scale)) - 1)); }, []);
  const virtual = useVirtual({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => LINE_PX * scale });
  useEffect(() => { virtual.measure(); }, [lines]);
  return (
    <div class="lines" ref={scroller} tabIndex={0} role="group" aria-label={`${name}, ${count(lines.length)} lines`}>
      <div style={{ height: `${virtual.getTotalSize()}px` }}>
        {virtual.getVirtualItems().map((item) => <pre key={item.key} style={{ transform: `translateY(${item.start}px)` }}><Outside text={lines[item.index] ?? ""} lines /></pre>)}
      </div>
    </div>
  );
}

export interface ValueProps {
  text: string;
  name: string;
  /** Where it lies when it is not in `text`, and its size in octets. */
  href?: string | undefined;
  length?: number | undefined;
  reading?: boolean;
  /** What is shown of it at first. */
  lines?: number;
  characters?: number;
}

/** A value that did not come with its span. Up to 1 MB it comes as soon as it is shown. */
function Elsewhere({ href, length, ...props }: ValueProps & { href: string; length: number }) {
  const [loaded, setLoaded] = useState<string | null>(null);
  const [failure, setFailure] = useState("");
  const load = (): void => {
    setFailure("");
    askText(href).then(setLoaded, (error: unknown) => setFailure(error instanceof Error ? error.message : "It did not load."));
  };
  useEffect(() => { if (length < ASKED_LEAST) load(); }, [href]);
  if (loaded !== null) return <Value {...props} text={loaded} />;
  if (length < ASKED_LEAST && !failure) return <span class="note">Loading {bytes(length)}.</span>;
  return (
    <span class="row"><span>This value is {bytes(length)}. It is not loaded with the page.</span>
      <button type="button" class="button small" onClick={load}>Load</button><a class="button small" href={href} download={`${props.name}.txt`}>Download</a>
      <CopyButton value={() => askText(href)} label={`Copy ${props.name}`} />
      {failure ? <span class="error-text" role="alert">{failure}</span> : null}</span>
  );
}

export function Value(props: ValueProps) {
  const { text, name, href, length = 0, reading = false, lines = LINES, characters = CHARACTERS } = props;
  const [isAll, setAll] = useState(false);
  const printed = useMemo(() => looksLikeJson(text) && text.length <= PRINTED_MOST ? printJson(text) : null, [text]);
  if (href !== undefined) return <Elsewhere {...props} href={href} length={length} />;
  const nice = printed?.ok ? printed.text : text;
  const short = folded(nice, lines, characters);
  const isLong = short.length < nice.length;
  return (
    <div class={`value${isLong || nice.includes("\n") || (printed && !printed.ok) ? "" : " short"}`}>
      {isAll && nice.length > WHOLE_MOST ? <Lines text={nice} name={name} /> : <pre class={reading && !printed?.ok ? "reading" : undefined}><Outside text={isAll ? nice : short} lines /></pre>}
      {printed && !printed.ok ? <p class="note">Not valid JSON at character {count(printed.at)}</p> : null}
      <span class="row">
        {isLong ? <button type="button" class="button small plain" onClick={() => setAll(!isAll)}>{isAll ? "Show less" : `Show all ${count(text.length)} characters`}</button> : null}
        <CopyButton value={() => text} label={`Copy ${name}`} />
      </span>
    </div>
  );
}
