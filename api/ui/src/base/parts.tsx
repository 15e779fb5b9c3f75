// Small parts that every page uses.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { signal } from "@preact/signals";
import { Failure, me } from "./api";
import { clockTime, count, exactTime, nsOf, zone } from "./format";
import { Icon } from "./text";

/** One polite sentence at most every 5 seconds; the shell shows it to screen readers. */
export const announcement = signal("");
let lastSaid = 0;
let waiting: ReturnType<typeof setTimeout> | undefined;
export function announce(sentence: string): void {
  clearTimeout(waiting);
  const rest = Math.max(0, lastSaid + 5000 - Date.now());
  waiting = setTimeout(() => { lastSaid = Date.now(); announcement.value = sentence; }, rest);
}

/** What is selected on the page: its window's title begins with it. */
export const titleWithin = signal("");

/** The page's title in the window, and its h1 (`children` where it says more), which takes the focus after a navigation. */
export function Title({ text, children }: { text: string; children?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const within = titleWithin.value;
  useEffect(() => { document.title = [within, text, "calltrace"].filter(Boolean).join(" - "); }, [text, within]);
  useEffect(() => { heading.current?.focus({ preventScroll: true }); }, []);
  return <h1 ref={heading} tabIndex={-1}>{children ?? text}</h1>;
}

export function Time({ at }: { at: string | null | undefined }) {
  void zone.value;
  const ns = at ? nsOf(at) : null;
  if (ns === null) return <span class="quiet">unknown</span>;
  return <time dateTime={exactTime(ns)} title={exactTime(ns)}>{clockTime(Number(ns / 1_000_000n))}</time>;
}

export function CopyButton({ value, label, small = true, icon = "copy" }: { value: () => string | Promise<string>; label: string; small?: boolean; icon?: string }) {
  const [said, say] = useState("");
  const copy = async () => {
    try {
      const text = await value();
      await navigator.clipboard.writeText(text);
      say(`Copied ${count(text.length)} characters`);
    } catch {
      say("Not copied");
    }
    setTimeout(() => say(""), 2000);
  };
  return (
    <button type="button" class={`button plain${small ? " small" : ""}`} onClick={copy} aria-label={said || label} title={said || label}>
      <Icon name={said ? "check" : icon} />{said ? <span role="status">{said}</span> : null}
    </button>
  );
}

export function Problem({ failure, again }: { failure: unknown; again?: () => void }) {
  const isFailure = failure instanceof Failure;
  const sentence = isFailure && failure.status === 403 && !me.value?.scopes.includes("read")
    ? "This key may send data but not read it. Sign in with a key that has read."
    : failure instanceof Error ? failure.message : String(failure);
  return (
    <div class="problem-box row spread" role="alert">
      <span>{sentence}</span>
      <span class="row">
        {isFailure && failure.code ? <code>{failure.code}</code> : null}
        {again ? <button type="button" class="button small" onClick={again}>Try again</button> : null}
      </span>
    </div>
  );
}

/** Grey rows, after 200 ms; after 5 s a sentence, with what is known of how much there is. */
export function Loading({ rows = 6, what = "Loading", much = "" }: { rows?: number; what?: string; much?: string }) {
  const [isShown, show] = useState(false);
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const soon = setTimeout(() => show(true), 200);
    const late = setTimeout(() => setLong(true), 5000);
    return () => { clearTimeout(soon); clearTimeout(late); };
  }, []);
  if (!isShown) return null;
  return (
    <div class="stack" role="status" aria-label={what}>
      {Array.from({ length: rows }, (_, i) => <div key={i} class="skeleton" />)}
      {isLong ? <p class="note">Still loading.{much ? ` ${much}` : ""}</p> : null}
    </div>
  );
}

/** Narrow windows show the filters when asked only; the button says how many hold. */
export function FilterFold({ used, isOpen, onToggle }: { used: number; isOpen: boolean; onToggle: () => void }) {
  return (
    <div class="narrow-only"><button type="button" class="button" aria-expanded={isOpen} onClick={onToggle}>
      <Icon name="filter" />Filters{used ? ` ${used}` : ""}</button></div>
  );
}

export interface Loaded<T> { data: T | undefined; failure: unknown; isLoading: boolean; again: () => void }

/** Loads when `key` changes; what was loaded stays while a refetch runs. Retries a busy server after 1, 2, 5, 10 s. */
export function useLoaded<T>(key: string, load: (abort: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, set] = useState<{ key: string; data: T | undefined; failure: unknown; isLoading: boolean }>(
    { key, data: undefined, failure: undefined, isLoading: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const pauses = [1000, 2000, 5000, 10000];
    const run = (tries: number): void => {
      load(abort.signal).then(
        (data) => { if (!abort.signal.aborted) set({ key, data, failure: undefined, isLoading: false }); },
        (failure: unknown) => {
          if (abort.signal.aborted) return;
          const pause = pauses[Math.min(tries, pauses.length - 1)]!;
          const waits = failure instanceof Failure && (failure.status === 503 || failure.status === 0);
          const said = waits ? new Failure(failure.status, failure.code,
            `${failure.status === 503 ? "The server is busy." : failure.message} Trying again in ${pause / 1000} s.`) : failure;
          set((old) => ({ key, data: old.key === key ? old.data : undefined, failure: said, isLoading: false }));
          if (waits) timer = setTimeout(() => run(tries + 1), pause);
        });
    };
    set((old) => ({ key, data: old.key === key ? old.data : undefined, failure: undefined, isLoading: true }));
    run(0);
    return () => { abort.abort(); clearTimeout(timer); };
  }, [key, turn]);
  return { data: state.key === key ? state.data : undefined, failure: state.key === key ? state.failure : undefined,
    isLoading: state.key !== key || state.isLoading, again: () => setTurn(turn + 1) };
}
