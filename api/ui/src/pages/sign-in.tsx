// Sign in with an API key. The key goes to the exchange for a cookie and nowhere else.
import { useState } from "preact/hooks";
import { Failure, signIn, signInReason } from "../base/api";
import { Title } from "../base/parts";

function sentenceOf(error: unknown): string {
  if (error instanceof Failure && error.status === 401) return "This key is not known here.";
  return error instanceof Error ? error.message : "The server cannot be reached.";
}

export function SignInForm({ onDone }: { onDone: () => void }) {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await signIn(key.trim());
      setKey("");
      onDone();
    } catch (error) {
      setProblem(sentenceOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="sign-in stack" onSubmit={submit}>
      <Title text="Sign in">calltrace on {location.host}</Title>
      {signInReason.value ? <p role="status">{signInReason.value}</p> : null}
      <div class="field">
        <label for="key">API key</label>
        <input id="key" class="input mono" type="password" autocomplete="off" spellcheck={false} value={key} required
          aria-invalid={problem !== ""} aria-describedby={problem ? "key-problem" : undefined}
          onInput={(event) => { setKey(event.currentTarget.value); setProblem(""); }} />
        {problem ? <p id="key-problem" class="problem" role="alert">{problem}</p> : null}
      </div>
      <div><button type="submit" class="button primary" disabled={isBusy || key.trim() === ""}>Sign in</button></div>
      <p class="note">A key is made with <code>calltrace-api key create</code>; <code>./calltrace up</code> writes one into <code>var/env</code>.</p>
    </form>
  );
}
