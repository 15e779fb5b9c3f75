/* message: what api and correlator say to each other, in types of our own, and how it becomes bytes.
 *
 * The wire form is proto/bus/bus.proto; generated types stay inside message.c. Packing writes the whole
 * envelope; unpacking goes into an arena and borrows nothing from the input. An unknown version is
 * refused with UNKNOWN_VERSION, anything else that does not fit with MALFORMED.
 *
 * Thread: any. Views inside the structs borrow: from the caller when packing, from the arena after
 * unpacking. */
#ifndef CALLTRACE_BUS_MESSAGE_H
#define CALLTRACE_BUS_MESSAGE_H

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"
#include "proto/base/match_key.h"

enum { BUS_VERSION = 1 };

/* Numbers stand in Postgres and on the wire: never change one. */
enum conversation_kind { CONVERSATION_KIND_CALL = 1, CONVERSATION_KIND_CHAT = 2 };
enum conversation_source {
    CONVERSATION_SOURCE_API = 1,
    CONVERSATION_SOURCE_LIVEKIT = 2,
    CONVERSATION_SOURCE_VAPI = 3,
    CONVERSATION_SOURCE_LIVEKIT_SDK = 4,
    CONVERSATION_SOURCE_PIPECAT = 5,
};
enum conversation_status {
    CONVERSATION_STATUS_NONE = 0,
    CONVERSATION_STATUS_RINGING = 1,
    CONVERSATION_STATUS_IN_PROGRESS = 2,
    CONVERSATION_STATUS_ENDED = 3,
};
enum conversation_direction {
    CONVERSATION_DIRECTION_NONE = 0,
    CONVERSATION_DIRECTION_INBOUND = 1,
    CONVERSATION_DIRECTION_OUTBOUND = 2,
};

/* What a dictionary word is. */
enum word_kind {
    WORD_KIND_SPAN_NAME = 1, /* key empty */
    WORD_KIND_SERVICE = 2,   /* key empty */
    WORD_KIND_ATTRIBUTE = 3, /* key the attribute's, value empty: the key exists */
    WORD_KIND_VALUE = 4,     /* key and one bounded value */
    WORD_KIND_TAG = 5,       /* tag key and value */
};

enum bus_outcome {
    BUS_OUTCOME_ACCEPTED = 1,    /* committed, looked at; for a create: the call's id */
    BUS_OUTCOME_CONFLICT = 2,    /* another committed call holds a key */
    BUS_OUTCOME_UNAVAILABLE = 3, /* nothing is known to be stored: send again */
    BUS_OUTCOME_REJECTED = 4,    /* will never be stored; reason tells why */
};

enum announce_what {
    ANNOUNCE_CALL = 1,
    ANNOUNCE_TRACE = 2,
    ANNOUNCE_LINK = 3,
    ANNOUNCE_KEY =
        4, /* one of the project's API keys was used, refused something, made or revoked */
};

struct bus_tag {
    struct bytes key;
    struct bytes value;
};

struct bus_word {
    enum word_kind kind;
    struct bytes key;
    struct bytes value;
};

struct bus_root {
    struct span_id span_id;
    struct unix_ns start;
    struct unix_ns end;
    struct bytes name;
    struct bytes service;
};

struct bus_trace {
    struct trace_id id;
    bool is_skipped;
    struct match_key *keys; /* sorted by (kind, value), each once */
    size_t keys_count;
    uint32_t keys_dropped; /* beyond LIMIT_KEYS_PER_TRACE or longer than a key may be */
    struct bus_tag *tags;  /* sorted, each once */
    size_t tags_count;
    struct unix_ns start; /* least start, greatest end of the segment's spans */
    struct unix_ns end;
    uint32_t spans_count;
    uint32_t errors_count;
    bool has_root;
    struct bus_root root;
    struct bytes service; /* service.name of the first resource; may be empty */
    uint64_t *terms;      /* sorted, each once; see proto/otlp/term.h */
    size_t terms_count;
    struct bus_word *words;
    size_t words_count;
    uint8_t segment_hash[16]; /* XXH3-128 of the uncompressed segment */
    struct bytes segment;     /* zstd of a TracesData message */
    uint32_t segment_raw_bytes;
};

struct bus_span_batch {
    struct uuid project;
    struct bus_trace *traces;
    size_t traces_count;
    struct unix_ns received;
};

struct bus_call {
    struct uuid project;
    struct uuid id;
    enum conversation_kind kind;
    enum conversation_source source;
    struct match_key *keys;
    size_t keys_count;
    struct bytes body; /* JSON as it came */
    struct unix_ns created;
    bool has_started;
    struct unix_ns started;
    bool has_ended;
    struct unix_ns ended;
    enum conversation_status status;
    enum conversation_direction direction;
    struct bytes title;
    uint8_t request_hash[16];
    bool has_idempotency;
    uint8_t idempotency_hash[16];
    bool is_retry;
};

enum call_part {
#define PART(number, name, keep) CALL_PART_##name = (number),
#include "proto/bus/call_parts.def"
#undef PART
};

/* Which of two parts of one number stays. */
enum call_keep { CALL_KEEP_LATEST = 1, CALL_KEEP_EARLIEST = 2 };

/* 0: no such part. */
static inline enum call_keep call_part_keep(unsigned number)
{
    switch (number) {
#define PART(number, name, keep) \
    case number:                 \
        return CALL_KEEP_##keep;
#include "proto/bus/call_parts.def"
#undef PART
    }
    return (enum call_keep)0;
}

struct bus_part {
    enum call_part number;
    struct unix_ns at;
    bool has_started;
    struct unix_ns started;
    bool has_ended; /* shown once the call's status is ENDED */
    struct unix_ns ended;
    enum conversation_status
        status; /* NONE: it says nothing; a call has the greatest of its parts */
    enum conversation_direction direction;
    struct bytes title;
    struct bytes body; /* a JSON object with fields of a create, without line feeds; may be empty */
};

/* Everything known of one call through one event of an integration. */
struct bus_call_event {
    struct uuid project;
    struct uuid id; /* for the call that is made when no call holds a key */
    enum conversation_source source;
    struct match_key *keys; /* at least one; sorted by (kind, value), each once */
    size_t keys_count;
    struct bus_part *parts; /* of different numbers */
    size_t parts_count;
    struct unix_ns received;
    bool is_skipped;
};

/* An API key made, rotated or revoked on the pages. */
struct bus_key_change {
    struct uuid project;
    struct uuid key;
    struct uuid by; /* the key that asked for it */
    struct unix_ns at;
    bool is_revoked; /* else it is made, of what follows */
    struct bytes name;
    struct bytes hint;
    uint8_t hash[32];
    unsigned scopes;
    bool is_rotated; /* name and scopes are those of `replaces`, which works until `ends` */
    struct uuid replaces;
    struct unix_ns ends;
};

struct bus_key_used {
    struct uuid project;
    struct uuid key;
    struct unix_ns at;
    unsigned refused_status; /* of the last export that was refused with it; 0: none since */
    struct unix_ns refused;
    struct bytes refused_path;
    struct bytes refused_text;
};

enum bus_what {
    BUS_WHAT_SPANS = 1,
    BUS_WHAT_CALL = 2,
    BUS_WHAT_KEY_USE = 3,
    BUS_WHAT_EVENT = 4,
    BUS_WHAT_KEY_CHANGE = 5,
};

struct bus_message {
    struct uuid id;
    enum bus_what what;
    union {
        struct bus_span_batch spans;
        struct bus_call call;
        struct bus_call_event event;
        struct bus_key_change key_change;
        struct {
            struct bus_key_used *used;
            size_t count;
        } key_use;
    };
};

struct bus_rejected {
    struct trace_id trace;
    uint32_t spans_count;
    struct bytes reason;
};

struct bus_reply {
    enum bus_outcome outcome;
    struct bytes reason;
    struct uuid conversation; /* of a create: the call that answers it */
    struct unix_ns created;   /* when that call was made */
    struct match_key conflict;
    struct uuid conflict_holder;
    struct bus_rejected *rejected;
    size_t rejected_count;
};

struct bus_announcement {
    struct uuid project;
    enum announce_what what;
    bool has_conversation;
    struct uuid conversation;
    bool has_trace;
    struct trace_id trace;
};

/* Errors: MEMORY, NO_SPACE, TOO_LARGE (over LIMIT_BUS_BYTES). */
FALLIBLE bus_message_pack(const struct bus_message *message, struct arena *scratch,
                          struct buf *out);
FALLIBLE bus_reply_pack(const struct bus_reply *reply, struct arena *scratch, struct buf *out);
FALLIBLE bus_announcement_pack(const struct bus_announcement *announcement, struct buf *out);

/* Errors: MALFORMED, UNKNOWN_VERSION, NO_SPACE. `detail` names what did not fit. */
FALLIBLE bus_message_unpack(struct bytes wire, struct arena *arena, struct detail *detail,
                            struct bus_message *ret_message);
FALLIBLE bus_reply_unpack(struct bytes wire, struct arena *arena, struct detail *detail,
                          struct bus_reply *ret_reply);
FALLIBLE bus_announcement_unpack(struct bytes wire, struct detail *detail,
                                 struct bus_announcement *ret_announcement);

#endif
