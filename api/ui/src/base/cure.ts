// What to change so that a trace and its call meet, with the reader's own values. Pure.

export interface Evidence {
  trace: { traceId: string | null; attribute: string; place: string | null; value: string | null } | null;
  conversation: { id: string | null; kind: "call" | "chat"; field: string; value: string } | null;
  alike: number;
}
export interface Unmatched {
  what: "trace" | "call" | "chat";
  reason: string;
  sentence: string;
  change: string;
  trace: { traceId: string; rootState: string; rootName: string | null; service: string | null; startedAt: string; spanCount: number; hasError: boolean } | null;
  conversation: { id: string; kind: "call" | "chat"; source: string; title: string | null; createdAt: string } | null;
  keys: { kind: string; value: string }[];
  evidence: Evidence;
}
export interface Reason { side: "traces" | "calls"; reason: string; count: number }

const TITLES: Record<string, string> = {
  skipped: "Skipped by wish", room_skipped: "Its room is skipped", call_skipped: "Its call is skipped", trace_skipped: "Its trace is skipped",
  pending: "Being linked", spelling: "The key is spelt differently", other_kind: "Under another kind of key", observer_only: "Only the observer's id",
  room_name: "A room's name instead of its SID", attribute_name: "The attribute has another name", wrong_place: "The key is in the wrong place",
  value_empty: "The key is empty", value_long: "The key is too long", value_type: "The key is not text", other_attribute: "The value is in another attribute",
  keys_dropped: "Too many keys on one trace", root_open: "Root not ended", root_lost: "Root never came", no_call: "No call holds the key",
  no_key: "No key on any span", no_keys: "The call has no key", no_trace: "No trace carries the key",
};
/** A reason that is not known here is shown by its code. */
export const titleOf = (reason: string): string => TITLES[reason] ?? reason.replaceAll("_", " ");

/** Wished for, or about to be linked: nothing to mend. */
const FINE = new Set(["skipped", "room_skipped", "call_skipped", "trace_skipped", "pending"]);
export const needsMending = (reason: string): boolean => !FINE.has(reason);

/** The field of a create, and the attribute by which a trace finds it. */
const ATTRIBUTES: Record<string, string> = {
  externalId: "roark.external_id", livekitRoomId: "livekit.room.id", vapiCallId: "vapi.call.id", livekitCallId: "livekit.room.id", pipecatCallId: "conversation.id",
};

/** The key that an attribute's name means, when case and what stands between the words do not count. */
export function fieldOf(attribute: string): string {
  const name = attribute.toLowerCase().replace(/[^a-z0-9]/g, "");
  if (name.endsWith("vapicallid")) return "vapiCallId";
  if (name.endsWith("conversationid") || name.endsWith("pipecatcallid")) return "pipecatCallId";
  return name.includes("room") || name.includes("livekit") ? "livekitRoomId" : "externalId";
}

/** A line that goes (-) and one that comes (+); `where` says in which half of the set-up. */
export interface Cure { where: string; minus: string | null; plus: string }

const pair = (name: string, value: string): string => `${name}: ${JSON.stringify(value)}`;

export function cureOf(row: Pick<Unmatched, "reason" | "evidence">): Cure | null {
  const { trace, conversation } = row.evidence;
  const carried = trace?.value ?? null;
  const minus = trace && carried !== null ? pair(trace.attribute, carried) : null;
  switch (row.reason) {
    case "spelling":
      return trace && conversation ? { where: "On the trace", minus, plus: pair(trace.attribute, conversation.value) } : null;
    case "attribute_name":
    case "other_kind":
    case "other_attribute": {
      if (!trace || carried === null) return null;
      const attribute = ATTRIBUTES[conversation?.field ?? fieldOf(trace.attribute)] ?? "roark.external_id";
      return attribute === trace.attribute ? null : { where: "On the trace", minus, plus: pair(attribute, conversation?.value ?? carried) };
    }
    case "no_call":
      return trace && carried !== null ? { where: "In the body of POST /v1/call", minus: null, plus: JSON.stringify({ [fieldOf(trace.attribute)]: carried }) } : null;
    case "room_name":
      return { where: "On the trace", minus, plus: "livekit.room.id: ctx.job.room.sid" };
    case "no_trace":
      return conversation ? { where: "On the trace", minus: null, plus: pair(ATTRIBUTES[conversation.field] ?? "roark.external_id", conversation.value) } : null;
    case "no_key":
      return { where: "On the resource of the trace, and as externalId of the call", minus: null, plus: 'roark.external_id: "your own id of the call"' };
    case "no_keys":
      return { where: "In the body of POST /v1/call, and as roark.external_id on the trace", minus: null, plus: '"externalId": "your own id of the call"' };
    default:
      return null;
  }
}
