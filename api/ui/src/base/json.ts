// JSON as text: printed from its tokens, so that large integers, key order and repeated keys survive.

export type Printed = { ok: true; text: string } | { ok: false; at: number };

const SPACE = /[\t\n\r ]/;

/** Indents JSON without reading it into values; says where it stops being JSON. Iterative. */
export function printJson(source: string): Printed {
  let out = "";
  let at = 0;
  const open: ("{" | "[")[] = [];
  // What may come: a value, a value or the end of a list, a key or the end of an object, a key, a colon, or more.
  let wants: "value" | "value-or-end" | "key-or-end" | "key" | "colon" | "more" = "value";
  const line = (): string => `\n${"  ".repeat(open.length)}`;
  const skip = (): void => { while (at < source.length && SPACE.test(source[at]!)) at++; };
  const text = (): string | null => {
    const match = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
    match.lastIndex = at;
    const found = match.exec(source);
    if (!found) return null;
    at += found[0].length;
    return found[0];
  };
  const scalar = (): string | null => {
    if (source[at] === '"') return text();
    const match = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
    match.lastIndex = at;
    const found = match.exec(source);
    if (!found) return null;
    at += found[0].length;
    return found[0];
  };
  for (;;) {
    skip();
    if (at >= source.length) return wants === "more" && open.length === 0 ? { ok: true, text: out } : { ok: false, at };
    const c = source[at]!;
    if (wants === "more") {
      const top = open[open.length - 1];
      if (top === undefined) return { ok: false, at };
      if (c === ",") { at++; out += `,${line()}`; wants = top === "{" ? "key" : "value"; }
      else if (c === (top === "{" ? "}" : "]")) { at++; open.pop(); out += line() + c; }
      else return { ok: false, at };
    } else if ((c === "}" && wants === "key-or-end") || (c === "]" && wants === "value-or-end")) {
      at++;
      open.pop();
      out += c;
      wants = "more";
    } else if (wants === "key" || wants === "key-or-end") {
      const wasFirst = wants === "key-or-end";
      const key = c === '"' ? text() : null;
      if (key === null) return { ok: false, at };
      out += `${wasFirst ? line() : ""}${key}: `;
      wants = "colon";
    } else if (wants === "colon") {
      if (c !== ":") return { ok: false, at };
      at++;
      wants = "value";
    } else {
      const before = wants === "value-or-end" ? line() : "";
      if (c === "{" || c === "[") {
        at++;
        out += before + c;
        open.push(c);
        wants = c === "{" ? "key-or-end" : "value-or-end";
      } else {
        const value = scalar();
        if (value === null) return { ok: false, at };
        out += before + value;
        wants = "more";
      }
    }
  }
}

/** Does a text look as if it meant to be an object or a list? */
export const looksLikeJson = (text: string): boolean => /^\s*[[{]/.test(text);

/** The texts of the elements of a JSON list, or of the list that an object holds under one of these names. The text
 * must be JSON. */
export function elementsOf(source: string, names: string[]): string[] {
  const out: string[] = [];
  let depth = 0;
  let from = -1;     // where an element begins
  let within = -1;   // depth of the list
  let key = "";      // the last text at depth 1
  const close = (at: number): void => { if (from >= 0 && source.slice(from, at).trim()) out.push(source.slice(from, at).trim()); };
  for (let at = 0; at < source.length; at++) {
    const c = source[at]!;
    if (c === '"') {
      const begin = at;
      for (at++; source[at] !== '"' && at < source.length; at++) if (source[at] === "\\") at++;
      if (depth === 1 && within < 0) key = source.slice(begin + 1, at);
    } else if (c === "[" || c === "{") {
      depth++;
      if (within < 0 && c === "[" && (depth === 1 || (depth === 2 && names.includes(key)))) { within = depth; from = at + 1; }
    } else if (c === "]" || c === "}") {
      if (depth === within) { close(at); return out; }
      depth--;
    } else if (c === "," && depth === within) { close(at); from = at + 1; }
  }
  return out;
}

/** The text of an object's member as it was sent; null: the object has none of this name. The text must be JSON. */
export function memberOf(source: string, name: string): string | null {
  let depth = 0;
  let key: string | null = null;
  let from = -1; // where the value of the wanted member begins
  for (let at = 0; at < source.length; at++) {
    const c = source[at]!;
    const begin = at;
    if (c === '"') for (at++; source[at] !== '"' && at < source.length; at++) if (source[at] === "\\") at++;
    if (c === '"' && depth === 1 && key === null) key = JSON.parse(source.slice(begin, at + 1)) as string;
    else if (c === ":" && depth === 1) from = key === name ? at + 1 : -1;
    else if (depth === 1 && (c === "," || c === "}")) {
      if (from >= 0) return source.slice(from, at).trim();
      key = null;
    }
    if (c === "{" || c === "[") depth++;
    else if (c === "}" || c === "]") depth--;
  }
  return null;
}
