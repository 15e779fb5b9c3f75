// A value from outside: short ones whole, long ones folded, large ones only when asked for. Folded text is not in the
// page at all; copying takes the whole value always.
import { useState } from "preact/hooks";
import { bytes, count } from "./format";
import { looksLikeJson, printJson } from "./json";
import { CopyButton } from "./parts";
import { Outside } from "./text";

const CHARACTERS = 2000;
const LINES = 20;
const SHOWN_MOST = 200_000; // beyond, pieces of it at a time

function folded(text: string): string {
  const lines = text.split("\n", LINES + 1);
  const cut = lines.length > LINES ? lines.slice(0, LINES).join("\n") : text;
  return cut.length > CHARACTERS ? cut.slice(0, CHARACTERS) : cut;
}

export function Value({ text, name, href, length, reading = false }: { text: string; name: string; href?: string | undefined; length?: number | undefined; reading?: boolean }) {
  const [loaded, setLoaded] = useState<string | null>(null);
  const [failure, setFailure] = useState("");
  const [shown, setShown] = useState(0); // characters beyond the fold
  if (href !== undefined && loaded === null) {
    const load = async () => {
      try {
        const response = await fetch(href, { credentials: "same-origin", cache: "no-store" });
        if (!response.ok) throw new Error(`The server answered ${response.status}.`);
        setLoaded(await response.text());
      } catch (error) {
        setFailure(error instanceof Error ? error.message : "It did not load.");
      }
    };
    return (
      <span class="row"><span>This value is {bytes(length ?? 0)}. It is not loaded with the page.</span>
        <button type="button" class="button small" onClick={load}>Load</button><a class="button small" href={href} download={`${name}.txt`}>Download</a>
        {failure ? <span class="error-text" role="alert">{failure}</span> : null}</span>
    );
  }
  const whole = loaded ?? text;
  const printed = looksLikeJson(whole) && whole.length <= SHOWN_MOST * 5 ? printJson(whole) : null;
  const nice = printed?.ok ? printed.text : whole;
  const short = folded(nice);
  const cut = shown > 0 ? nice.slice(0, short.length + shown) : short;
  const rest = nice.length - cut.length;
  return (
    <div class="value">
      <pre class={reading ? "reading" : undefined}><Outside text={cut} lines /></pre>
      {printed && !printed.ok ? <p class="note">Not valid JSON at character {count(printed.at)}</p> : null}
      <span class="row">
        {rest > 0 ? <button type="button" class="button small plain" onClick={() => setShown(Math.min(nice.length, shown + SHOWN_MOST))}>
          {rest <= SHOWN_MOST ? `Show all ${count(whole.length)} characters` : `Show ${count(SHOWN_MOST)} more of ${count(whole.length)} characters`}</button> : null}
        {shown > 0 ? <button type="button" class="button small plain" onClick={() => setShown(0)}>Show less</button> : null}
        <CopyButton value={() => whole} label={`Copy ${name}`} />
      </span>
    </div>
  );
}
