#include "api/doctor/doctor.h"

#include "proto/base/buf.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

static const struct {
    enum doctor_side side;
    const char *code;
    const char *sentence;
    const char *change;
} reasons[DOCTOR_REASON_COUNT] = {
    [DOCTOR_NONE] = {DOCTOR_SIDE_TRACE, "", "", ""},
#define REASON(name, side, code, sentence, change) \
    [DOCTOR_##name] = {DOCTOR_SIDE_##side, code, sentence, change},
#define FIELD(kind, field, attribute, place)
#define LIKE(kind, name)
#define ROOM(name)
#define COMMON(name)
#include "api/doctor/doctor.def"
#undef FIELD
#undef REASON
};

static const struct {
    const char *field;
    const char *attribute;
    const char *place;
} kinds[MATCH_KIND_COUNT] = {
    [0] = {"", "", ""},
#define REASON(name, side, code, sentence, change)
#define FIELD(kind, field, attribute, place) [MATCH_KIND_##kind] = {field, attribute, place},
#include "api/doctor/doctor.def"
#undef COMMON
#undef FIELD
};

static const char *const common_names[] = {
#define FIELD(kind, field, attribute, place)
#define COMMON(name) name,
#include "api/doctor/doctor.def"
#undef COMMON
#undef ROOM
#undef LIKE
#undef FIELD
#undef REASON
    NULL};

void doctor_codes(const char *ret_codes[DOCTOR_REASON_COUNT])
{
    size_t count = 0;
    for (unsigned reason = 1; reason < DOCTOR_REASON_COUNT; reason++) {
        bool is_known = false;
        for (size_t i = 0; i < count && !is_known; i++) {
            is_known = strcmp(ret_codes[i], reasons[reason].code) == 0;
        }
        if (!is_known) {
            ret_codes[count++] = reasons[reason].code;
        }
    }
    /* Some share one, so that there is room. */
    PRE(count < DOCTOR_REASON_COUNT);
    ret_codes[count] = NULL;
}

const char *const *doctor_common_names(void)
{
    return common_names;
}

const char *doctor_code(enum doctor_reason reason)
{
    return reasons[reason].code;
}

enum doctor_side doctor_side_of(enum doctor_reason reason)
{
    return reasons[reason].side;
}

const char *doctor_field(enum match_kind kind)
{
    return (unsigned)kind < MATCH_KIND_COUNT ? kinds[kind].field : "";
}

const char *doctor_attribute(enum match_kind kind)
{
    return (unsigned)kind < MATCH_KIND_COUNT ? kinds[kind].attribute : "";
}

/* --- deciding ---------------------------------------------------------------------------------------- */

/* The more specific stays; of two alike the first, which counts the others. */
static void propose(struct doctor_finding *best, struct doctor_finding other)
{
    if (other.reason == DOCTOR_NONE) {
        return;
    }
    if (best->reason == DOCTOR_NONE || other.reason < best->reason) {
        *best = other;
    } else if (other.reason == best->reason) {
        best->alike++;
    }
}

static bool is_room_sid(struct bytes value)
{
    return bytes_start_with(value, "RM_");
}

/* Where a key of the trace was seen; its documented name when the spans looked at do not tell. */
static void carried_name(const struct doctor_trace *facts, struct doctor_finding *finding)
{
    for (size_t i = 0; i < facts->clues_count; i++) {
        const struct clue *clue = &facts->clues[i];
        if (clue->what == CLUE_KEY && clue->kind == finding->carried.kind &&
            bytes_equal(clue->value, finding->carried.value)) {
            finding->attribute = clue->attribute;
            finding->place = clue->place;
            return;
        }
    }
    finding->attribute = bytes_of_text(kinds[finding->carried.kind].attribute);
}

static struct doctor_finding key_finding(const struct doctor_trace *facts,
                                         const struct match_key *key)
{
    struct doctor_finding finding = {.carried = *key};
    carried_name(facts, &finding);
    return finding;
}

static struct doctor_finding clue_finding(const struct clue *clue)
{
    return (struct doctor_finding){
        .attribute = clue->attribute,
        .place = clue->place,
        .type = clue->type,
        .carried = {.kind = clue->kind, .value = clue->value},
    };
}

/* A call's key that equals a key of the trace, more or less. */
static void near_of_key(const struct doctor_trace *facts, const struct doctor_near *near,
                        struct doctor_finding *best)
{
    const struct match_key *own = &facts->keys[near->of];
    struct doctor_finding finding = key_finding(facts, own);
    finding.held = near->key;
    finding.is_chat = near->is_chat;
    finding.has_call = !near->is_skipped; /* a skipped call is not shown */
    finding.call = near->call;
    bool is_same = bytes_equal(own->value, near->key.value);
    if (near->key.kind == own->kind) {
        finding.reason = !is_same           ? DOCTOR_SPELLING
                         : near->is_skipped ? DOCTOR_CALL_SKIPPED
                                            : DOCTOR_PENDING;
    } else if (near->key.kind != MATCH_KIND_TRACE) {
        finding.reason =
            near->key.kind == MATCH_KIND_OBSERVER ? DOCTOR_OBSERVER_HELD : DOCTOR_OTHER_KIND;
    }
    if (near->is_skipped && finding.reason != DOCTOR_CALL_SKIPPED) {
        return;
    }
    propose(best, finding);
}

static void near_of_clue(const struct clue *clue, const struct doctor_near *near,
                         struct doctor_finding *best)
{
    struct doctor_finding finding = clue_finding(clue);
    finding.held = near->key;
    finding.is_chat = near->is_chat;
    finding.has_call = true;
    finding.call = near->call;
    if (near->is_skipped || near->key.kind == MATCH_KIND_OBSERVER ||
        near->key.kind == MATCH_KIND_TRACE) {
        return;
    }
    if (clue->what == CLUE_NAME) {
        finding.reason = DOCTOR_NAME_HELD;
    } else if (clue->what == CLUE_ROOM_NAME && near->key.kind == MATCH_KIND_LIVEKIT) {
        finding.reason = DOCTOR_ROOM_NAME_HELD;
    } else if (clue->what == CLUE_PLACE) {
        finding.reason = DOCTOR_WRONG_PLACE;
    } else if (clue->what == CLUE_OTHER || clue->what == CLUE_ROOM_NAME) {
        finding.reason = DOCTOR_OTHER_ATTRIBUTE;
    }
    propose(best, finding);
}

static bool has_kind(const struct match_key *keys, size_t count, enum match_kind kind)
{
    for (size_t i = 0; i < count; i++) {
        if (keys[i].kind == kind) {
            return true;
        }
    }
    return false;
}

/* What a clue says by itself, without any call. */
static void clue_alone(const struct doctor_trace *facts, const struct clue *clue,
                       struct doctor_finding *best)
{
    struct doctor_finding finding = clue_finding(clue);
    bool has_kind_already = has_kind(facts->keys, facts->keys_count, clue->kind);
    switch (clue->what) {
    case CLUE_NAME:
        finding.reason = facts->keys_count == 0 ? DOCTOR_NAME : DOCTOR_NONE;
        break;
    case CLUE_PLACE:
        finding.reason = has_kind_already ? DOCTOR_NONE : DOCTOR_WRONG_PLACE;
        break;
    case CLUE_EMPTY:
        finding.reason = has_kind_already ? DOCTOR_NONE : DOCTOR_VALUE_EMPTY;
        break;
    case CLUE_LONG:
        finding.reason = has_kind_already ? DOCTOR_NONE : DOCTOR_VALUE_LONG;
        break;
    case CLUE_TYPE:
        finding.reason = has_kind_already ? DOCTOR_NONE : DOCTOR_VALUE_TYPE;
        break;
    case CLUE_ROOM_NAME: {
        /* Frameworks tell the room's name by themselves: a key may still come. */
        bool is_waiting = facts->is_open && !facts->has_root;
        finding.reason = facts->keys_count == 0 && !is_waiting ? DOCTOR_ROOM_NAME : DOCTOR_NONE;
        break;
    }
    case CLUE_KEY:
    case CLUE_OTHER:
        break;
    }
    propose(best, finding);
}

static enum doctor_reason no_key_reason(const struct doctor_trace *facts)
{
    if (facts->has_root) {
        return DOCTOR_NO_KEY;
    }
    return facts->is_open ? DOCTOR_ROOT_OPEN : DOCTOR_ROOT_LOST;
}

static void skip_finding(const struct doctor_trace *facts, struct doctor_finding *ret_finding)
{
    *ret_finding = (struct doctor_finding){.reason = DOCTOR_SKIPPED};
    for (size_t i = 0; i < facts->keys_count && !facts->skips_rooms; i++) {
        if (facts->keys[i].kind == MATCH_KIND_LIVEKIT) {
            *ret_finding = key_finding(facts, &facts->keys[i]);
            ret_finding->reason = DOCTOR_ROOM_SKIPPED;
            return;
        }
    }
}

void doctor_trace(const struct doctor_trace *facts, struct doctor_finding *ret_finding)
{
    struct doctor_finding best = {.reason = DOCTOR_NONE};
    if (facts->is_skipped) {
        skip_finding(facts, ret_finding);
        return;
    }
    for (size_t i = 0; i < facts->nears_count; i++) {
        const struct doctor_near *near = &facts->nears[i];
        if (near->of < facts->keys_count) {
            near_of_key(facts, near, &best);
        } else if (near->of - facts->keys_count < facts->clues_count) {
            near_of_clue(&facts->clues[near->of - facts->keys_count], near, &best);
        }
    }
    for (size_t i = 0; i < facts->clues_count; i++) {
        clue_alone(facts, &facts->clues[i], &best);
    }
    if (facts->has_keys_dropped) {
        propose(&best, (struct doctor_finding){.reason = facts->is_full ? DOCTOR_KEYS_DROPPED
                                                                        : DOCTOR_VALUE_LONG});
    }
    for (size_t i = 0; i < facts->keys_count; i++) {
        struct doctor_finding finding = key_finding(facts, &facts->keys[i]);
        bool is_room_name =
            finding.carried.kind == MATCH_KIND_LIVEKIT && !is_room_sid(finding.carried.value);
        finding.reason = is_room_name ? DOCTOR_ROOM_NAME : DOCTOR_NO_CALL;
        propose(&best, finding);
    }
    if (facts->keys_count == 0) {
        propose(&best, (struct doctor_finding){.reason = no_key_reason(facts)});
    }
    *ret_finding = best;
}

static struct doctor_finding held_finding(const struct doctor_call *facts, size_t key)
{
    return (struct doctor_finding){.held = facts->keys[key], .is_chat = facts->is_chat};
}

static void near_of_call(const struct doctor_call *facts, const struct doctor_near *near,
                         struct doctor_finding *best)
{
    struct doctor_finding finding = held_finding(facts, near->of);
    const struct match_key *own = &finding.held;
    finding.carried = near->key;
    finding.attribute = bytes_of_text(kinds[near->key.kind].attribute);
    finding.has_trace = !near->is_skipped; /* a skipped trace cannot be read */
    finding.trace = near->trace;
    bool is_same = bytes_equal(own->value, near->key.value);
    if (near->key.kind == own->kind && is_same) {
        finding.reason = near->is_skipped ? DOCTOR_TRACE_SKIPPED : DOCTOR_CALL_PENDING;
    } else if (near->is_skipped || own->kind == MATCH_KIND_TRACE) {
        return;
    } else if (own->kind == MATCH_KIND_OBSERVER) {
        finding.reason = DOCTOR_OBSERVER_ONLY;
    } else {
        finding.reason =
            near->key.kind == own->kind ? DOCTOR_CALL_SPELLING : DOCTOR_CALL_OTHER_KIND;
    }
    propose(best, finding);
}

static void carrier_of_call(const struct doctor_call *facts, const struct doctor_carrier *carrier,
                            struct doctor_finding *best)
{
    struct doctor_finding finding = clue_finding(&carrier->clue);
    finding.held = facts->keys[carrier->of];
    finding.is_chat = facts->is_chat;
    finding.has_trace = true;
    finding.trace = carrier->trace;
    if (carrier->clue.what == CLUE_PLACE) {
        finding.reason = DOCTOR_CALL_PLACE;
    } else if (carrier->clue.what == CLUE_NAME) {
        finding.reason = DOCTOR_CALL_NAME;
    } else if (carrier->clue.what == CLUE_ROOM_NAME && finding.held.kind == MATCH_KIND_LIVEKIT) {
        finding.reason = DOCTOR_CALL_ROOM_NAME;
    } else if (carrier->clue.what != CLUE_KEY) {
        finding.reason = DOCTOR_CALL_ATTRIBUTE;
    }
    propose(best, finding);
}

void doctor_call(const struct doctor_call *facts, struct doctor_finding *ret_finding)
{
    struct doctor_finding best = {.reason = DOCTOR_NONE};
    for (size_t i = 0; i < facts->nears_count; i++) {
        if (facts->nears[i].of < facts->keys_count) {
            near_of_call(facts, &facts->nears[i], &best);
        }
    }
    for (size_t i = 0; i < facts->carriers_count; i++) {
        if (facts->carriers[i].of < facts->keys_count) {
            carrier_of_call(facts, &facts->carriers[i], &best);
        }
    }
    bool has_other = false;
    for (size_t i = 0; i < facts->keys_count; i++) {
        struct doctor_finding finding = held_finding(facts, i);
        if (finding.held.kind == MATCH_KIND_OBSERVER) {
            continue;
        }
        has_other = true;
        bool is_room_name =
            finding.held.kind == MATCH_KIND_LIVEKIT && !is_room_sid(finding.held.value);
        finding.reason = is_room_name ? DOCTOR_CALL_ROOM_NAME : DOCTOR_NO_TRACE;
        propose(&best, finding);
    }
    if (facts->keys_count == 0) {
        propose(&best,
                (struct doctor_finding){.reason = DOCTOR_NO_KEYS, .is_chat = facts->is_chat});
    } else if (!has_other) {
        struct doctor_finding finding = held_finding(facts, 0);
        finding.reason = DOCTOR_OBSERVER_ONLY;
        propose(&best, finding);
    }
    *ret_finding = best;
}

/* --- saying it ---------------------------------------------------------------------------------------- */

enum { SHOWN_BYTES_MAX = 1024, TEXT_BYTES_MAX = 4096 };

/* The first character of the text; 0: no UTF-8. */
static size_t char_of(struct bytes text, uint32_t *ret_code)
{
    static const uint8_t masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    for (size_t len = 1; len <= 4 && len <= text.len; len++) {
        if (bytes_are_utf8(bytes_of(text.ptr, len))) {
            uint32_t code = text.ptr[0] & masks[len];
            for (size_t i = 1; i < len; i++) {
                code = code << 6 | (text.ptr[i] & 0x3Fu);
            }
            *ret_code = code;
            return len;
        }
    }
    return 0;
}

/* Control characters, and those that turn or hide text. */
static bool is_hidden(uint32_t code)
{
    static const struct {
        uint32_t first;
        uint32_t last;
    } ranges[] = {{0, 0x1F},        {0x7F, 0x9F},      {0xAD, 0xAD},     {0x61C, 0x61C},
                  {0x200B, 0x200F}, {0x2028, 0x202E},  {0x2060, 0x206F}, {0xFEFF, 0xFEFF},
                  {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

static const char *shown(struct bytes value, bool is_quoted, struct arena *arena)
{
    struct buf buf;
    size_t chars = 0;
    buf_init(&buf, SHOWN_BYTES_MAX);
    buf_add_text(&buf, is_quoted ? "\"" : "");
    for (size_t at = 0; at < value.len;) {
        uint32_t code = 0;
        struct bytes rest = bytes_of(value.ptr + at, value.len - at);
        size_t len = char_of(rest, &code);
        if (chars++ == DOCTOR_SHOWN_CHARS) {
            buf_add_text(&buf, "...");
            break;
        }
        if (len == 0) {
            buf_printf(&buf, "\\x%02x", rest.ptr[0]);
        } else if (is_hidden(code)) {
            buf_printf(&buf, "\\u%04x", (unsigned)code);
        } else if (is_quoted && (code == '"' || code == '\\')) {
            buf_printf(&buf, "\\%c", (char)code);
        } else {
            buf_add(&buf, bytes_of(rest.ptr, len));
        }
        at += len == 0 ? 1 : len;
    }
    buf_add_text(&buf, is_quoted ? "\"" : "");
    const char *text = err_is_ok(buf_err(&buf)) ? arena_text(arena, buf_bytes(&buf)) : NULL;
    buf_fini(&buf);
    return text;
}

const char *doctor_shown(struct bytes value, struct arena *arena)
{
    return shown(value, true, arena);
}

const char *doctor_plain(struct bytes value, struct arena *arena)
{
    return shown(value, false, arena);
}

static struct bytes trimmed(struct bytes text)
{
    while (text.len > 0 && strchr(" \t\n\v\f\r", text.ptr[0]) != NULL && text.ptr[0] != 0) {
        text = bytes_of(text.ptr + 1, text.len - 1);
    }
    while (text.len > 0 && strchr(" \t\n\v\f\r", text.ptr[text.len - 1]) != NULL &&
           text.ptr[text.len - 1] != 0) {
        text.len--;
    }
    return text;
}

static const char *difference(struct bytes a, struct bytes b)
{
    struct bytes a_trimmed = trimmed(a);
    struct bytes b_trimmed = trimmed(b);
    bool has_case = !bytes_equal(a_trimmed, b_trimmed);
    bool has_spaces =
        bytes_equal(a_trimmed, b_trimmed) || a_trimmed.len != a.len || b_trimmed.len != b.len;
    if (has_case && has_spaces) {
        return "letter case and the spaces around it";
    }
    return has_case ? "letter case" : "the spaces around it";
}

static const char *held_attribute(const struct doctor_finding *finding)
{
    enum match_kind kind =
        finding->held.kind != (enum match_kind)0 ? finding->held.kind : finding->carried.kind;
    return doctor_attribute(kind);
}

/* What stands for {name}; NULL: no space, or no such name. */
static const char *part_text(const struct doctor_finding *finding, struct bytes name,
                             struct arena *arena)
{
    if (bytes_equal_text(name, "attribute")) {
        return finding->attribute.len == 0 ? "A key of this trace"
                                           : doctor_plain(finding->attribute, arena);
    }
    if (bytes_equal_text(name, "value")) {
        return doctor_shown(finding->carried.value, arena);
    }
    if (bytes_equal_text(name, "held")) {
        return doctor_shown(finding->held.value, arena);
    }
    const struct {
        const char *name;
        const char *text;
    } parts[] = {
        {"place", clue_place_text(finding->place)},
        {"right_place", kinds[finding->carried.kind].place},
        {"type", finding->type == NULL ? "no text" : finding->type},
        {"field", doctor_field(finding->held.kind)},
        {"own_field", doctor_field(finding->carried.kind)},
        {"what", finding->is_chat ? "chat" : "call"},
        {"difference", difference(finding->carried.value, finding->held.value)},
        {"name", held_attribute(finding)},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (bytes_equal_text(name, parts[i].name)) {
            return parts[i].text;
        }
    }
    UNREACHABLE(); /* the texts are ours: doctor.def */
}

static const char *fill(const char *form, const struct doctor_finding *finding, struct arena *arena)
{
    struct buf buf;
    bool is_full = false;
    buf_init(&buf, TEXT_BYTES_MAX);
    for (const char *at = form; *at != '\0' && !is_full;) {
        size_t plain = strcspn(at, "{");
        buf_add(&buf, bytes_of(at, plain));
        at += plain;
        if (*at == '{') {
            size_t len = strcspn(at, "}");
            const char *text = part_text(finding, bytes_of(at + 1, len - 1), arena);
            is_full = text == NULL;
            buf_add_text(&buf, is_full ? "" : text);
            at += len + 1;
        }
    }
    const char *text =
        !is_full && err_is_ok(buf_err(&buf)) ? arena_text(arena, buf_bytes(&buf)) : NULL;
    buf_fini(&buf);
    return text;
}

const char *doctor_sentence(const struct doctor_finding *finding, struct arena *arena)
{
    return fill(reasons[finding->reason].sentence, finding, arena);
}

const char *doctor_change(const struct doctor_finding *finding, struct arena *arena)
{
    return fill(reasons[finding->reason].change, finding, arena);
}
