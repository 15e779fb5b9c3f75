// What mouse, wheel and fingers do to the window in time. Every gesture has a button as well.
import { useEffect, useRef } from "preact/hooks";
import { useSignal, type Signal } from "@preact/signals";
import type { WaterfallState } from "./state";

const DRAG_LEAST_PX = 4;
const ZOOM = 1.2;

export interface Range { from: number; to: number }

export interface Gestures {
  pointer: Signal<number | null>; // the time under it
  range: Signal<Range | null>;    // what is being selected
  on: { onPointerDown: (event: PointerEvent) => void; onPointerMove: (event: PointerEvent) => void; onPointerLeave: () => void };
}

/** The click that a browser makes of a drag chooses no row. */
function swallowClick(): void {
  const swallow = (event: Event): void => { event.stopPropagation(); event.preventDefault(); };
  addEventListener("click", swallow, { capture: true, once: true });
  setTimeout(() => removeEventListener("click", swallow, true), 0);
}

/** `area` is where times are drawn. */
export function useGestures(state: WaterfallState, scroller: { current: HTMLDivElement | null }, area: () => DOMRect | null): Gestures {
  const pointer = useSignal<number | null>(null);
  const range = useSignal<Range | null>(null);
  const drag = useRef<{ from: number; x: number } | null>(null);
  const fingers = useRef(new Map<number, number>());

  const timeAt = (x: number): number | null => {
    const box = area();
    if (!box || box.width === 0 || x < box.left || x > box.right) return null;
    return state.scale.value.timeAt(x - box.left, box.width);
  };

  useEffect(() => {
    const element = scroller.current!;
    const onWheel = (event: WheelEvent): void => {
      if (event.ctrlKey || event.metaKey) { // a pinch on a touch pad comes as such a wheel
        event.preventDefault();
        state.zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM, timeAt(event.clientX) ?? undefined);
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        state.pan((event.deltaX || event.deltaY) / 1000);
      }
    };
    const stop = (): void => { drag.current = null; range.value = null; };
    const onUp = (event: PointerEvent): void => {
      fingers.current.delete(event.pointerId);
      if (range.value && event.type === "pointerup") {
        state.setWindow(range.value.from, range.value.to);
        swallowClick();
      }
      stop();
    };
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape" && drag.current) { event.stopPropagation(); stop(); }
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    // Wherever the button is let go, and wherever the focus is.
    addEventListener("pointerup", onUp);
    addEventListener("pointercancel", onUp);
    addEventListener("keydown", onKey, true);
    return () => {
      element.removeEventListener("wheel", onWheel);
      removeEventListener("pointerup", onUp);
      removeEventListener("pointercancel", onUp);
      removeEventListener("keydown", onKey, true);
    };
  }, [state]);

  const onPinch = (event: PointerEvent): void => {
    const places = [...fingers.current.values()];
    const before = Math.abs(places[0]! - places[1]!);
    fingers.current.set(event.pointerId, event.clientX);
    const now = [...fingers.current.values()];
    const after = Math.abs(now[0]! - now[1]!);
    if (before > 0 && after > 0) state.zoom(after / before, timeAt((now[0]! + now[1]!) / 2) ?? undefined);
  };

  return {
    pointer, range,
    on: {
      onPointerDown: (event) => {
        if (event.pointerType === "touch") { fingers.current.set(event.pointerId, event.clientX); return; }
        const at = timeAt(event.clientX);
        if (at !== null && event.button === 0) drag.current = { from: at, x: event.clientX };
      },
      onPointerMove: (event) => {
        if (event.pointerType === "touch") {
          if (fingers.current.size === 2 && fingers.current.has(event.pointerId)) onPinch(event);
          return;
        }
        const at = timeAt(event.clientX);
        pointer.value = at;
        if (drag.current && at !== null && Math.abs(event.clientX - drag.current.x) >= DRAG_LEAST_PX) range.value = { from: Math.min(drag.current.from, at), to: Math.max(drag.current.from, at) };
      },
      onPointerLeave: () => { pointer.value = null; },
    },
  };
}
