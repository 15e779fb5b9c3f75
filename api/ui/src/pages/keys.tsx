// The project's API keys: list, make (shown once), revoke.
import { useState } from "preact/hooks";
import { ask, get, me } from "../base/api";
import { CopyButton, Loading, Problem, Time, Title, useLoaded } from "../base/parts";
import { Outside } from "../base/text";

interface Key {
  id: string; name: string; hint: string; scopes: string[]; createdAt: string; lastUsedAt: string | null;
  revokedAt: string | null; isOwn: boolean;
}
interface Made extends Key { key: string }

const SCOPES: [string, string][] = [
  ["ingest", "send traces"], ["read", "read calls and traces"], ["write", "create calls and chats"], ["manage", "manage keys"],
];

function NewKey({ onMade }: { onMade: () => void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<string[]>(["ingest", "read", "write"]);
  const [made, setMade] = useState<Made | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      setMade((await ask<{ data: Made }>("/v1/keys", { method: "POST", body: { name, scopes } })).data);
      setFailure(null);
      setName("");
      onMade();
    } catch (error) {
      setFailure(error);
    }
  };
  return (
    <section class="stack" aria-labelledby="new-key">
      <h2 id="new-key">Make a key</h2>
      <form class="row form" onSubmit={submit}>
        <div class="field">
          <label for="key-name">Name</label>
          <input id="key-name" class="input" value={name} maxLength={255} required onInput={(event) => setName(event.currentTarget.value)} />
        </div>
        <fieldset class="scopes row">
          <legend class="label">It may</legend>
          {SCOPES.map(([scope, what]) => (
            <label key={scope} class="row"><input type="checkbox" checked={scopes.includes(scope)}
              onChange={(event) => setScopes(event.currentTarget.checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))} />{what}</label>
          ))}
        </fieldset>
        <button type="submit" class="button primary" disabled={name.trim() === "" || scopes.length === 0}>Make key</button>
      </form>
      {failure ? <Problem failure={failure} /> : null}
      {made ? (
        <div class="made-key stack" role="status">
          <p>This is the key <b><Outside text={made.name} /></b>. It is shown once; only its hash is kept.</p>
          <p class="row"><code class="secret">{made.key}</code><CopyButton value={() => made.key} label="Copy the key" /></p>
        </div>
      ) : null}
    </section>
  );
}

function Revoke({ row, onDone }: { row: Key; onDone: () => void }) {
  const [isAsking, setAsking] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const revoke = async () => {
    try {
      await ask(`/v1/keys/${row.id}`, { method: "DELETE" });
      onDone();
    } catch (error) {
      setFailure(error);
    }
  };
  if (failure) return <Problem failure={failure} />;
  if (!isAsking) return <button type="button" class="button small" onClick={() => setAsking(true)}>Revoke</button>;
  return (
    <span class="row">
      <span>{row.isOwn ? "This is your own key: you will be signed out." : "What uses it will be refused."}</span>
      <button type="button" class="button small danger" onClick={revoke}>Revoke it</button>
      <button type="button" class="button small" onClick={() => setAsking(false)}>Keep it</button>
    </span>
  );
}

export default function Keys() {
  const loaded = useLoaded("keys", (abort) => get<Key[]>("/v1/keys", abort));
  if (!me.value?.scopes.includes("manage")) {
    return <div class="page stack"><Title text="Keys" /><p>This key may not manage keys; it lacks manage.</p></div>;
  }
  return (
    <div class="page stack">
      <Title text="Keys" />
      <NewKey onMade={loaded.again} />
      {loaded.failure ? <Problem failure={loaded.failure} again={loaded.again} /> : null}
      {!loaded.data ? (loaded.failure ? null : <Loading what="Loading keys" />) : (
        <div class="table-scroll">
          <table>
            <thead><tr><th>Name</th><th>Begins with</th><th>May</th><th>Made</th><th>Last used</th><th><span class="hidden-text">Revoke</span></th></tr></thead>
            <tbody>
              {loaded.data.map((row) => (
                <tr key={row.id}>
                  <td><Outside text={row.name} />{row.isOwn ? <span class="tag info">yours</span> : null}</td>
                  <td class="mono">{row.hint}</td>
                  <td>{row.scopes.join(", ")}</td>
                  <td><Time at={row.createdAt} /></td>
                  <td>{row.lastUsedAt ? <Time at={row.lastUsedAt} /> : <span class="quiet">never</span>}</td>
                  <td>{row.revokedAt ? <span class="tag">revoked <Time at={row.revokedAt} /></span> : <Revoke row={row} onDone={loaded.again} />}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
