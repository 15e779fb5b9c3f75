// The API as the pages use it: the session's cookie goes along by itself, every answer has a type, every failure a
// sentence. Nothing here draws.
import { signal } from "@preact/signals";

/** Why something was refused or did not arrive. `status` is 0 when nobody answered. */
export class Failure extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
  }
}

/** What the sign-in form over a page says; null: nobody asks. */
export const signInReason = signal<string | null>(null);

const SENTENCES: Record<number, string> = {
  0: "The server cannot be reached.",
  401: "This key is not known here.",
  403: "This key may not do this.",
  503: "The server is busy.",
};

async function failureOf(response: Response): Promise<Failure> {
  let code = "";
  let message = SENTENCES[response.status] ?? `The server answered ${response.status}.`;
  try {
    const body = await response.json() as { code?: unknown; message?: unknown };
    if (typeof body.code === "string") code = body.code;
    if (typeof body.message === "string") message = body.message;
  } catch {
    // No JSON: the sentence of the status stands.
  }
  return new Failure(response.status, code, message);
}

export interface Ask {
  method?: "GET" | "POST" | "DELETE";
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** One request. Throws Failure. A 401 of a page that had a session opens the sign-in form over it. */
async function answerOf(path: string, options: Ask): Promise<Response> {
  const { method = "GET", body, headers = {}, signal: abort } = options;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(method === "GET" ? {} : { "x-calltrace-page": "1" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(abort ? { signal: abort } : {}),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) {
    if (abort?.aborted) throw error;
    throw new Failure(0, "", SENTENCES[0]!);
  }
  if (!response.ok) {
    const failure = await failureOf(response);
    if (failure.status === 401 && !headers["Authorization"]) {
      signInReason.value = me.value ? "Your session has ended. Sign in to go on." : "";
    }
    throw failure;
  }
  return response;
}

export const ask = async <T,>(path: string, options: Ask = {}): Promise<T> => await (await answerOf(path, options)).json() as T;
/** As it came: what is shown as JSON must not go through doubles. */
export const askText = async (path: string, options: Ask = {}): Promise<string> => (await answerOf(path, options)).text();

export interface Page<T> {
  data: T[];
  pagination: { total: number | null; atLeast?: number; hasMore: boolean; nextCursor: string | null };
}

export const get = async <T,>(path: string, abort?: AbortSignal): Promise<T> =>
  (await ask<{ data: T }>(path, abort ? { signal: abort } : {})).data;
export const getPage = <T,>(path: string, abort?: AbortSignal): Promise<Page<T>> =>
  ask<Page<T>>(path, abort ? { signal: abort } : {});

/** A path with its parameters; undefined, null and "" are left out, lists repeat. */
export function withQuery(path: string, parameters: Record<string, string | number | boolean | null | undefined | string[]>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(name, String(one));
    }
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

export interface Me {
  defaultProject: { id: string; name: string; slug: string };
  scopes: string[];
}

/** Whose pages these are; undefined: not asked yet, null: nobody's. */
export const me = signal<Me | null | undefined>(undefined);

export async function loadMe(): Promise<void> {
  try {
    me.value = await get<Me>("/v1/me");
  } catch (error) {
    if (error instanceof Failure && error.status === 401) me.value = null;
    else throw error;
  }
}

/** Exchanges a key for the session's cookie; the key itself is kept nowhere. */
export async function signIn(key: string): Promise<void> {
  await ask("/v1/session", { method: "POST", headers: { Authorization: `Bearer ${key}` } });
  await loadMe();
  signInReason.value = null;
}

export async function signOut(): Promise<void> {
  try {
    await ask("/v1/session", { method: "DELETE" });
  } finally {
    me.value = null;
    signInReason.value = "";
  }
}
