// Text from outside: always a text node inside <bdi>, control characters and direction marks drawn as marks.
import type { ComponentChildren } from "preact";

const MARKS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

const markOf = (character: string): string =>
  `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`;

/** The text in pieces: plain ones and marks. Line breaks are kept only where `lines` says so. */
export function pieces(text: string, lines: boolean): { text: string; isMark: boolean }[] {
  const flat = lines ? text : text.replace(/\s*[\r\n\t]+\s*/g, " ");
  const out: { text: string; isMark: boolean }[] = [];
  let at = 0;
  for (const match of flat.matchAll(MARKS)) {
    if (match.index > at) out.push({ text: flat.slice(at, match.index), isMark: false });
    out.push({ text: markOf(match[0]), isMark: true });
    at = match.index + match[0].length;
  }
  if (at < flat.length) out.push({ text: flat.slice(at), isMark: false });
  return out;
}

export interface OutsideProps {
  text: string;
  lines?: boolean;
  /** Cut to so many characters; the title then holds more, the copy buttons the whole. */
  most?: number;
  class?: string;
}

export function Outside({ text, lines = false, most, class: name }: OutsideProps) {
  const isCut = most !== undefined && text.length > most;
  const shown = isCut ? text.slice(0, most) : text;
  return (
    <bdi class={name} title={isCut ? text.slice(0, 500) : undefined}>
      {pieces(shown, lines).map((piece) => piece.isMark ? <span class="mark">{piece.text}</span> : piece.text)}
      {isCut ? "\u2026" : null}
    </bdi>
  );
}

declare const ICONS_URL: string;

/** An icon of the sprite; always beside a word, or on a button with a label. */
export const Icon = ({ name }: { name: string }) => (
  <svg class="icon" aria-hidden="true"><use href={`${ICONS_URL}#${name}`} /></svg>
);

export const Hidden = ({ children }: { children: ComponentChildren }) => <span class="hidden-text">{children}</span>;
