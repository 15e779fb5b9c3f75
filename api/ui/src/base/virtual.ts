// A list of which only the rows in view are mounted; binds @tanstack/virtual-core to hooks.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer, type VirtualizerOptions } from "@tanstack/virtual-core";

type Options = Pick<VirtualizerOptions<HTMLElement, HTMLElement>, "count" | "getScrollElement" | "estimateSize" | "getItemKey" | "rangeExtractor"> & { overscan?: number; scrollPaddingEnd?: number };

export function useVirtual(options: Options): Virtualizer<HTMLElement, HTMLElement> {
  const [, setTurn] = useState(0);
  const held = useRef<Virtualizer<HTMLElement, HTMLElement> | null>(null);
  const full: VirtualizerOptions<HTMLElement, HTMLElement> = {
    overscan: 8, observeElementRect, observeElementOffset, scrollToFn: elementScroll, ...options,
    onChange: () => setTurn((turn) => turn + 1),
  };
  held.current ??= new Virtualizer(full);
  held.current.setOptions(full);
  useLayoutEffect(() => held.current!._didMount(), []);
  useLayoutEffect(() => held.current!._willUpdate());
  return held.current;
}
