// From columns to rows: the tree, grouped by turn or as sent, with what is folded. Pure; no recursion on input.
import { endOf, ERROR, hasFlag, INNER, PROVISIONAL, slowestTurn, type Timeline } from "./timeline";

export type RowKind = "trace" | "turn" | "span" | "missing";

/** A node of the tree: a span, or a row that is made here and never counted as a span. */
interface Node {
  kind: RowKind;
  key: string;
  trace: number;
  span: number;      // -1 for made rows
  turn: number;      // index of the turn of a turn row; else -1
  missing: string;   // the parent id of a provisional root
  start: number;
  end: number;
  children: number[];
  parent: number;
  spans: number;     // spans below, the node's own included
  errors: number;    // own errors below, the node's own not included
  last: number;      // greatest end below
}

export interface Row {
  node: number;      // in the tree
  kind: RowKind;
  key: string;
  trace: number;
  span: number;
  turn: number;
  missing: string;
  depth: number;
  start: number;
  end: number;
  hasChildren: boolean;
  isUnfolded: boolean;
  spansBelow: number;
  errorsBelow: number; // hidden in it while it is folded
  lastBelow: number;
  position: number;    // among its siblings, from 1
  siblings: number;
  parent: number;      // row index; -1 at the top
}

export interface View { byTurn: boolean; toggled: ReadonlySet<string>; open: ReadonlySet<string> }

export interface Tree { nodes: Node[]; tops: number[]; nodeOfSpan: Int32Array; unfoldedAtFirst: Set<string> }

const FEW_SPANS = 60;

export const spanKey = (timeline: Timeline, span: number): string => timeline.ids[span]!;
export const turnKey = (number: number): string => `turn-${number}`;
const traceKey = (timeline: Timeline, trace: number): string => timeline.traces[trace]!.id;

function newNode(kind: RowKind, key: string, trace: number): Node {
  return { kind, key, trace, span: -1, turn: -1, missing: "", start: Infinity, end: -Infinity, children: [], parent: -1, spans: 0, errors: 0, last: -Infinity };
}

/** The tree of all spans. The server has cut circles of parents and made a row for each parent that never came. */
export function buildTree(timeline: Timeline, byTurn: boolean): Tree {
  const count = timeline.ids.length;
  const nodes: Node[] = [];
  const nodeOfSpan = new Int32Array(count).fill(-1);
  const tops: number[] = [];
  const traceNodes: number[] = [];
  const isSingle = timeline.traces.length === 1;
  timeline.traces.forEach((_, trace) => {
    if (!isSingle) {
      traceNodes.push(nodes.length);
      tops.push(nodes.length);
      nodes.push(newNode("trace", traceKey(timeline, trace), trace));
    } else traceNodes.push(-1);
  });
  for (let span = 0; span < count; span++) {
    const isMissing = hasFlag(timeline, span, PROVISIONAL);
    const node = newNode(isMissing ? "missing" : "span", spanKey(timeline, span), timeline.trace[span]!);
    node.span = span;
    node.missing = isMissing ? timeline.ids[span]! : "";
    node.start = timeline.start[span]!;
    node.end = endOf(timeline, span);
    nodeOfSpan[span] = nodes.length;
    nodes.push(node);
  }
  const turnNodes = new Map<string, number>();
  const attach = (child: number, parent: number): void => {
    nodes[child]!.parent = parent;
    if (parent < 0) tops.push(child); else nodes[parent]!.children.push(child);
  };
  for (let span = 0; span < count; span++) {
    const trace = timeline.trace[span]!;
    const parent = timeline.parent[span]!;
    let above = parent >= 0 ? nodeOfSpan[parent]! : traceNodes[trace]!;
    const turn = byTurn ? timeline.turn[span]! : -1;
    if (turn >= 0 && turn !== (parent >= 0 ? timeline.turn[parent]! : -1)) {
      if (isWhole(timeline, turn)) nodes[nodeOfSpan[span]!]!.turn = turn;
      else {
        const key = `${turn}/${above}`;
        let at = turnNodes.get(key);
        if (at === undefined) {
          at = nodes.length;
          turnNodes.set(key, at);
          const node = newNode("turn", turnKey(timeline.turns[turn]!.number), trace);
          node.turn = turn;
          nodes.push(node);
          attach(at, above);
        }
        above = at;
      }
    }
    attach(nodeOfSpan[span]!, above);
  }
  sumUp(timeline, nodes, tops);
  for (const node of nodes) node.children.sort((a, b) => compare(nodes[a]!, nodes[b]!));
  tops.sort((a, b) => compare(nodes[a]!, nodes[b]!));
  return { nodes, tops, nodeOfSpan, unfoldedAtFirst: firstFolding(timeline, nodes, tops, byTurn) };
}

/** A turn that one span holds (Pipecat, VAPI) is shown by that span. */
const isWhole = (timeline: Timeline, turn: number): boolean => timeline.turns[turn]!.kind === "whole";

/** Siblings by start, then longer first, then key. */
function compare(a: Node, b: Node): number {
  return a.start - b.start || b.end - a.end || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

/** Nodes with children before parents, without recursion. */
function upwards(nodes: Node[], tops: number[]): number[] {
  const order: number[] = [];
  const stack = [...tops];
  while (stack.length) {
    const at = stack.pop()!;
    order.push(at);
    for (const child of nodes[at]!.children) stack.push(child);
  }
  return order.reverse();
}

function sumUp(timeline: Timeline, nodes: Node[], tops: number[]): void {
  for (const at of upwards(nodes, tops)) {
    const node = nodes[at]!;
    node.spans = node.kind === "span" ? 1 : 0;
    node.last = node.end;
    for (const one of node.children) {
      const child = nodes[one]!;
      node.spans += child.spans;
      node.errors += child.errors + (child.span >= 0 && hasFlag(timeline, child.span, ERROR) ? 1 : 0);
      node.last = Math.max(node.last, child.last);
      if (node.kind !== "span") {
        node.start = Math.min(node.start, child.start);
        node.end = Math.max(node.end, child.last);
      }
    }
    if (node.kind === "turn") {
      const turn = timeline.turns[node.turn]!;
      node.start = Math.min(node.start, turn.start);
    }
  }
}

/** Traces open; of turns the slowest and those with errors, down to the error. Without turns two levels and the
 * ways to errors; a small trace all of it. Stages of the LLM and TTS keep their requests folded. */
function firstFolding(timeline: Timeline, nodes: Node[], tops: number[], byTurn: boolean): Set<string> {
  const open = new Set<string>();
  const hasTurns = byTurn && timeline.turns.length > 0;
  const slowest = hasTurns ? slowestTurn(timeline.turns) : null;
  const isSmall = timeline.ids.length <= FEW_SPANS && !hasTurns;
  const stack = tops.map((at) => ({ at, depth: 0 }));
  while (stack.length) {
    const { at, depth } = stack.pop()!;
    const node = nodes[at]!;
    const isStage = node.children.some((child) => nodes[child]!.span >= 0 && hasFlag(timeline, nodes[child]!.span, INNER));
    const turn = node.turn >= 0 ? timeline.turns[node.turn]! : null;
    if (node.errors > 0 || node.kind === "trace" || isSmall) open.add(node.key);
    else if (turn) { if (turn === slowest) open.add(node.key); }
    else if (!isStage && (hasTurns ? holdsTurn(nodes, node) || node.kind === "missing" || insideTurn(nodes, node) : depth < 2)) open.add(node.key);
    for (const child of node.children) stack.push({ at: child, depth: depth + 1 });
  }
  return open;
}

const holdsTurn = (nodes: Node[], node: Node): boolean => node.children.some((child) => nodes[child]!.turn >= 0);

function insideTurn(nodes: Node[], node: Node): boolean {
  for (let at = node.parent; at >= 0; at = nodes[at]!.parent) {
    if (nodes[at]!.turn >= 0) return true;
  }
  return false;
}

interface Place { at: number; depth: number; parent: number; position: number; siblings: number }

function rowAt(tree: Tree, { at, depth, parent, position, siblings }: Place, isUnfolded: boolean): Row {
  const node = tree.nodes[at]!;
  return {
    node: at, kind: node.turn >= 0 ? "turn" : node.kind, key: node.key, trace: node.trace, span: node.span, turn: node.turn, missing: node.missing, depth,
    start: node.start, end: node.end, hasChildren: node.children.length > 0, isUnfolded, spansBelow: node.spans - (node.kind === "span" ? 1 : 0),
    errorsBelow: isUnfolded ? 0 : node.errors, lastBelow: node.last, position, siblings, parent,
  };
}

/** The rows that are shown, in order; with `keep` only those nodes, each of which has all above it kept as well. */
export function buildRows(tree: Tree, isUnfolded: (key: string) => boolean, keep?: ReadonlySet<number>): Row[] {
  const { nodes } = tree;
  const rows: Row[] = [];
  const stack: Place[] = [];
  const push = (list: number[], depth: number, parent: number): void => {
    const kept = keep ? list.filter((at) => keep.has(at)) : list;
    for (let i = kept.length - 1; i >= 0; i--) stack.push({ at: kept[i]!, depth, parent, position: i + 1, siblings: kept.length });
  };
  push(tree.tops, 0, -1);
  while (stack.length) {
    const place = stack.pop()!;
    const node = nodes[place.at]!;
    const unfolded = node.children.length > 0 && isUnfolded(node.key);
    const index = rows.length;
    rows.push(rowAt(tree, place, unfolded));
    if (unfolded) push(node.children, place.depth + 1, index);
  }
  return rows;
}

/** A row that may be folded away, for what is told of it elsewhere. */
export function loneRow(tree: Tree, at: number): Row {
  const node = tree.nodes[at]!;
  let depth = 0;
  for (let up = node.parent; up >= 0; up = tree.nodes[up]!.parent) depth++;
  const siblings = node.parent < 0 ? tree.tops : tree.nodes[node.parent]!.children;
  return rowAt(tree, { at, depth, parent: -1, position: siblings.indexOf(at) + 1, siblings: siblings.length }, false);
}

/** A node's row or, when it is folded away, that of the nearest shown node above it; -1: none. */
export function shownAt(tree: Tree, places: ReadonlyMap<number, number>, node: number): number {
  for (let at = node; at >= 0; at = tree.nodes[at]!.parent) {
    const place = places.get(at);
    if (place !== undefined) return place;
  }
  return -1;
}

/** How many of these spans stand below each node. */
export function countBelow(tree: Tree, spans: readonly number[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const span of spans) {
    for (let at = tree.nodes[tree.nodeOfSpan[span]!]!.parent; at >= 0; at = tree.nodes[at]!.parent) counts.set(at, (counts.get(at) ?? 0) + 1);
  }
  return counts;
}

/** Is the row unfolded, by the default and what the reader toggled? */
export const unfolding = (tree: Tree, toggled: ReadonlySet<string>) => (key: string): boolean =>
  tree.unfoldedAtFirst.has(key) !== toggled.has(key);

/** Keys of the folded rows above a span, outermost first: what must be opened to see it. */
export function foldedAbove(tree: Tree, span: number, isUnfolded: (key: string) => boolean): string[] {
  const keys: string[] = [];
  for (let at = tree.nodes[tree.nodeOfSpan[span]!]!.parent; at >= 0; at = tree.nodes[at]!.parent) {
    if (!isUnfolded(tree.nodes[at]!.key)) keys.unshift(tree.nodes[at]!.key);
  }
  return keys;
}

/** All spans in the order in which rows show them when everything is open. */
export function spansInOrder(tree: Tree): number[] {
  const order: number[] = [];
  const stack = [...tree.tops].reverse();
  while (stack.length) {
    const node = tree.nodes[stack.pop()!]!;
    if (node.kind === "span") order.push(node.span);
    for (let i = node.children.length - 1; i >= 0; i--) stack.push(node.children[i]!);
  }
  return order;
}
