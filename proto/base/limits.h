/* limits: every maximum with its reason. What an operator may change is a row of a daemon's conf.def and
 * has its default here; the rest are facts of the design. Each is tested at the limit and one past it. */
#ifndef CALLTRACE_LIMITS_H
#define CALLTRACE_LIMITS_H

enum {
    /* A key's value in characters: what the Customer API promises for externalId. */
    LIMIT_KEY_CHARS = 255,
    /* The same in octets: four per character is all that UTF-8 can take. */
    LIMIT_KEY_BYTES = LIMIT_KEY_CHARS * 4,
    /* Keys of one trace in one export: those beyond are no keys; counted, told by the doctor. */
    LIMIT_KEYS_PER_TRACE = 1024,
    /* Tags (roark.project.tag.*): key and value in characters, tags indexed for one trace. */
    LIMIT_TAG_KEY_CHARS = 128,
    LIMIT_TAG_VALUE_CHARS = 255,
    LIMIT_TAGS_PER_TRACE = 32,
    /* AnyValue nesting: deeper needs only an attacker; a span beyond it is rejected by itself. */
    LIMIT_ANYVALUE_DEPTH = 32,
    /* Spans of one export: SDKs send 512, collectors 8,192; 100,000 bounds the table of spans. */
    LIMIT_SPANS_PER_EXPORT = 100000,
    /* Attributes of a span that are indexed; all are kept. */
    LIMIT_ATTRIBUTES_INDEXED = 1024,
    /* Attributes of one export that get search terms: 24 bytes of memory each; all are kept. */
    LIMIT_ATTRIBUTES_PER_EXPORT = 2 << 20,
    /* Raw segments of one export together: its bytes, and each resource again for every trace in it. */
    LIMIT_SEGMENTS_BYTES = 192 << 20,
    /* Raw bytes and spans of one sealed segment: as much as the link doctor opens and a page shows of a trace; a call of
     * 60 turns has 4.5 MB. A larger trace is sealed as several. */
    LIMIT_SEALED_BYTES = 32 << 20,
    LIMIT_SEALED_SPANS = 100000,
    /* Memory for the facts and compressed segments of one export, beside its body: 100,000 spans in as many
     * traces take some 150 MiB. */
    LIMIT_SCAN_BYTES = 256 << 20,
    /* JSON nesting of an OTLP body: far beyond LIMIT_ANYVALUE_DEPTH, so that one deep span costs only itself. */
    LIMIT_OTLP_JSON_DEPTH = 8192,
    /* A span name or service in the dictionary and in a trace's summary: fits an index row. */
    LIMIT_NAME_BYTES = 1024,
    /* Request body as sent and inflated: OTLP 1.11 recommends 64 MiB. */
    LIMIT_BODY_BYTES = 64 << 20,
    /* Body of a create: an hour's transcript takes about 1 MiB; a page of a list may hold a hundred. */
    LIMIT_REST_BODY_BYTES = 16 << 20,
    /* Body of a request that carries a few words: a key's name and scopes. */
    LIMIT_SMALL_BODY_BYTES = 16 << 10,
    /* Body of a LiveKit webhook: metadata and attributes of a room and a participant are 64 KiB each. */
    LIMIT_WEBHOOK_BODY_BYTES = 1 << 20,
    /* A piece of a recording, discarded. LiveKit's observer sends 256 KiB; Pipecat's sends two tracks of at least
     * 256 KiB each, and the silence of a muted microphone in one piece: this holds a minute of it at 16 kHz. */
    LIMIT_CHUNK_BODY_BYTES = 4 << 20,
    /* Bytes of bodies in flight in one api; one key may hold a quarter. */
    LIMIT_INFLIGHT_BYTES = 256 << 20,
    /* A body must arrive within this time. */
    LIMIT_BODY_MS = 10000,
    /* A bus message: a body that did not compress, its facts and terms. */
    LIMIT_BUS_BYTES = 80 << 20,
    /* Parts of a call in one event: more than there are kinds of them. */
    LIMIT_PARTS_PER_EVENT = 16,
    /* One group commit, in bytes and messages. A writer holds a group three times over: as it came, unpacked, and as
     * libpq sends it; larger groups commit no faster. */
    LIMIT_GROUP_BYTES = 2 << 20,
    LIMIT_GROUP_MESSAGES = 512,
    /* Open HTTP connections: a live call is one. */
    LIMIT_CONNECTIONS = 16384,
    /* An idle connection lives longer than the exporters' 5 s schedule and 30 s pools. */
    LIMIT_IDLE_S = 75,
    /* The head of a request. */
    LIMIT_HEAD_BYTES = 16 << 10,
    /* A trace on display: more spans than a person can scroll. */
    LIMIT_DISPLAY_SPANS = 100000,
    /* Distinct values of one attribute key that get a search term in one segment. */
    LIMIT_TERM_VALUES = 4,
    /* A text longer than this gets no search term. */
    LIMIT_TERM_BYTES = 128,
};

#endif
