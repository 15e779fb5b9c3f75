// The cure names the line that goes and the line that comes, with the reader's own values.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cureOf, fieldOf, needsMending, titleOf, type Evidence } from "../src/base/cure";

const trace = (attribute: string, value: string | null): Evidence["trace"] => ({ traceId: "t", attribute, place: "resource", value });
const held = (field: string, value: string): Evidence["conversation"] => ({ id: "c", kind: "call", field, value });
const cure = (reason: string, evidence: Partial<Evidence>) => cureOf({ reason, evidence: { trace: null, conversation: null, alike: 0, ...evidence } });

test("another spelling, another name, another kind", () => {
  assert.deepEqual(cure("spelling", { trace: trace("roark.external_id", "Order-5521"), conversation: held("externalId", "order-5521") }),
    { where: "On the trace", minus: 'roark.external_id: "Order-5521"', plus: 'roark.external_id: "order-5521"' });
  assert.equal(cure("attribute_name", { trace: trace("roark.externalId", "order-5521") })?.plus, 'roark.external_id: "order-5521"');
  assert.equal(cure("attribute_name", { trace: trace("RoomSid", "RM_1") })?.plus, 'livekit.room.id: "RM_1"');
  assert.equal(cure("other_kind", { trace: trace("roark.external_id", "RM_1"), conversation: held("livekitRoomId", "RM_1") })?.plus, 'livekit.room.id: "RM_1"');
});

test("a call that is to be created", () => {
  assert.equal(cure("no_call", { trace: trace("roark.external_id", 'a"b') })?.plus, '{"externalId":"a\\"b"}');
  assert.equal(cure("no_call", { trace: trace("vapi.call.id", "v") })?.plus, '{"vapiCallId":"v"}');
  assert.equal(cure("no_trace", { conversation: held("livekitRoomId", "RM_2") })?.plus, 'livekit.room.id: "RM_2"');
});

test("where there is nothing to copy there is no pair", () => {
  for (const reason of ["skipped", "pending", "root_open", "value_type", "something new"]) assert.equal(cure(reason, {}), null);
  assert.equal(cure("spelling", { trace: trace("roark.external_id", null) }), null);
  assert.equal(cure("attribute_name", { trace: trace("roark.external_id", "x") }), null, "a cure that changes nothing");
});

test("reasons have titles, new ones are shown by their code", () => {
  assert.equal(titleOf("spelling"), "The key is spelt differently");
  assert.equal(titleOf("brand_new"), "brand new");
  assert.equal(needsMending("skipped"), false);
  assert.equal(needsMending("no_key"), true);
  assert.equal(fieldOf("lk.room_sid"), "livekitRoomId");
});
