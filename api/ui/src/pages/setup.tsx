// Set-up: what to paste, one source at a time, and whether it arrives.
import { useEffect, useRef, useState } from "preact/hooks";
import { useLocation, useRoute } from "preact-iso";
import { ask, me } from "../base/api";
import { plural } from "../base/format";
import { announce, CopyButton, Problem, Time, Title } from "../base/parts";
import { Icon, Outside } from "../base/text";
import { useArrived, useRefusal, type ApiKey } from "../setup/arrived";
import { sourceOf, SOURCES, type Step } from "../setup/sources";
import type { ComponentChildren } from "preact";

const DAY_MS = 24 * 3600e3;

type Made = ApiKey & { key: string };

function Sources({ chosen }: { chosen: string }) {
  const { route } = useLocation();
  return (
    <>
      <nav class="tabs row medium-up" aria-label="Sources">
        {SOURCES.map(({ id, name }) => <a key={id} href={`/setup/${id}`} aria-current={id === chosen ? "page" : undefined}>{name}</a>)}
      </nav>
      <div class="narrow-only">
        <div class="field"><label for="source">Source</label>
          <select id="source" class="select" value={chosen} onChange={(event) => route(`/setup/${event.currentTarget.value}`)}>
            {SOURCES.map(({ id, name }) => <option key={id} value={id}>{name}</option>)}
          </select>
        </div>
      </div>
    </>
  );
}

function MakeKey({ made, onMade }: { made: Made | null; onMade: (made: Made) => void }) {
  const [failure, setFailure] = useState<unknown>(null);
  const make = async () => {
    try {
      onMade((await ask<{ data: Made }>("/v1/keys", { method: "POST", body: { name: `set-up ${new Date().toISOString().slice(0, 16)}`, scopes: ["ingest", "write"] } })).data);
      setFailure(null);
    } catch (error) {
      setFailure(error);
    }
  };
  if (made) {
    return (
      <div class="made-key stack" role="status">
        <p>This is the key <b><Outside text={made.name} /></b>. It is shown once and stands in the steps below; it may send traces and create calls.</p>
        <p class="row"><code class="secret">{made.key}</code><CopyButton value={() => made.key} label="Copy the key" /></p>
      </div>
    );
  }
  if (!me.value?.scopes.includes("manage")) {
    return <p>You are signed in with a key that lacks manage, so it cannot make another. Use a key of yours that has ingest and write where the steps say YOUR_KEY.</p>;
  }
  return (
    <div class="stack">
      <p class="note">It may send traces and create calls, and read nothing. It fills the steps below.</p>
      <div><button type="button" class="button primary" onClick={make}>Make a key</button></div>
      {failure ? <Problem failure={failure} /> : null}
    </div>
  );
}

const isPlain = location.protocol === "http:";

/** Pages that are opened alone, over plain HTTP, do not know where exporters send to. */
function Address({ url, onChange }: { url: string; onChange: (url: string) => void }) {
  return (
    <div class="field address">
      <label for="address">Address that programs send to</label>
      <input id="address" class="input mono" type="url" spellcheck={false} value={url} aria-describedby={isPlain ? "address-note" : undefined}
        onInput={(event) => onChange(event.currentTarget.value.replace(/\/+$/, ""))} />
      {isPlain ? <p id="address-note" class="note">These pages are open on a plain address of their own; programs send to the HTTPS one.</p> : null}
    </div>
  );
}

function StepItem({ step }: { step: Step }) {
  return (
    <li class="step stack">
      <h2>{step.title}</h2>
      {step.text ? <p>{step.text}</p> : null}
      {step.code === undefined ? null : (
        <figure class="snippet">
          {step.file ? <figcaption class="mono">{step.file}</figcaption> : null}
          <CopyButton value={() => step.code!} label={`Copy: ${step.title}`} />
          <pre tabIndex={0} aria-label={step.title}>{step.code}</pre>
        </figure>
      )}
    </li>
  );
}

function Mark({ isDone, what, children }: { isDone: boolean; what: string; children?: ComponentChildren }) {
  return (
    <li class={`mark-line${isDone ? " done" : ""}`}>
      <span class="mark-box" aria-hidden="true">{isDone ? <Icon name="check" /> : null}</span>
      <span>{what}{isDone ? null : <span class="hidden-text">, not yet</span>}</span>{children}
    </li>
  );
}

function LastRefusal() {
  const refusal = useRefusal();
  const before = useRef<string | null>(null);
  useEffect(() => {
    if (refusal && before.current !== null && before.current !== refusal.at) announce(`An export was refused: ${refusal.status} on ${refusal.path}, ${refusal.message}.`);
    before.current = refusal?.at ?? "";
  }, [refusal]);
  if (!refusal) return null;
  return (
    <p class="refusal">Last refusal: <Time at={refusal.at} /> <b>{refusal.status}</b> on <code><Outside text={refusal.path} /></code>, <Outside text={refusal.message.replace(/\.$/, "")} />.</p>
  );
}

function Arrived({ since, attribute, made }: { since: string; attribute: string; made: Made | null }) {
  const arrived = useArrived(since, attribute, made?.id ?? null, me.value?.scopes.includes("manage") ?? false);
  const marks = [arrived?.keyUsedAt, arrived?.spans, arrived?.keyFound, arrived?.link].filter(Boolean).length;
  const before = useRef(-1);
  useEffect(() => {
    if (arrived && before.current >= 0 && marks > before.current) announce(`${plural(marks, "mark")} of the set-up reached`);
    if (arrived) before.current = marks;
  }, [marks, arrived]);
  return (
    <section class="arrived stack" aria-labelledby="arrived">
      <h2 id="arrived">Arrived</h2>
      <ul class="marks">
        {made || arrived?.keyUsedAt !== undefined ? <Mark isDone={Boolean(arrived?.keyUsedAt)} what="key used">{arrived?.keyUsedAt ? <Time at={arrived.keyUsedAt} /> : null}</Mark> : null}
        <Mark isDone={Boolean(arrived?.spans)} what="first spans">
          {arrived?.spans ? <><Time at={arrived.spans.at} /> <a href={`/traces/${arrived.spans.traceId}`}>{plural(arrived.spans.count, "span")}</a></> : null}</Mark>
        <Mark isDone={Boolean(arrived?.keyFound)} what="key found">
          {arrived?.keyFound ? <code>{attribute}</code> : arrived?.spans ? <a href="/unmatched">Why not?</a> : null}</Mark>
        <Mark isDone={Boolean(arrived?.link)} what="call linked">
          {arrived?.link ? <><Time at={arrived.link.linkedAt} /> <a href={`/${arrived.link.conversationKind}s/${arrived.link.conversationId}`}>Open it</a></> : null}</Mark>
      </ul>
      <LastRefusal />
      <p class="note">{made ? "Since this key was made." : "In the last 24 hours."} Exporters send every 5 seconds, and spans only when they end.</p>
    </section>
  );
}

export default function Setup() {
  const { params } = useRoute();
  const source = sourceOf(params["source"]);
  const [opened] = useState(Date.now);
  const [made, setMade] = useState<Made | null>(null);
  const [url, setUrl] = useState(isPlain ? `https://${location.hostname}:4318` : location.origin);
  const since = made?.createdAt ?? new Date(opened - DAY_MS).toISOString();
  return (
    <div class="page stack">
      <Title text="Set-up" />
      <Sources chosen={source.id} />
      <div class="two-columns reversed">
        <ol class="steps">
          <li class="step stack"><h2>Make a key</h2><MakeKey made={made} onMade={setMade} /><p class="note">401 means the key; copy it again.</p><Address url={url} onChange={setUrl} /></li>
          {source.steps({ url, key: made?.key ?? null }).map((step) => <StepItem key={step.title} step={step} />)}
        </ol>
        <Arrived since={since} attribute={source.attribute} made={made} />
      </div>
    </div>
  );
}
