/* clue: what the attributes of a trace's decoded spans say about why it has no call: names that look like a key's,
 * keys in the wrong place, of the wrong type, empty or too long, and other short values that a call may hold.
 *
 * Bounded: CLUES_MAX clues, whatever the trace. Resources are read before spans, spans without parent before others.
 * PURE. Thread: any. Clues borrow from the view, and from the arena. */
#ifndef CALLTRACE_DOCTOR_CLUE_H
#define CALLTRACE_DOCTOR_CLUE_H

#include "proto/base/match_key.h"
#include "proto/otlp/view.h"

enum {
    CLUES_MAX = 96,
    /* Of them, attributes that no rule knows; and values of one such attribute. */
    CLUES_OTHER_MAX = 64,
    CLUES_OTHER_VALUES_MAX = 4,
    /* Shorter values are flags and counts, not ids. */
    CLUE_OTHER_CHARS_MIN = 3,
};

enum clue_what {
    CLUE_KEY = 1,   /* a key as it should be */
    CLUE_NAME,      /* the name looks like a key's */
    CLUE_PLACE,     /* a key where it does not count */
    CLUE_EMPTY,     /* a key without a value */
    CLUE_LONG,      /* a key longer than a key may be; the value is cut */
    CLUE_TYPE,      /* a key whose value is neither text nor integer */
    CLUE_ROOM_NAME, /* a room's name, where the SID might be */
    CLUE_OTHER,     /* any other attribute */
};

enum clue_place {
    CLUE_PLACE_RESOURCE = 1,
    CLUE_PLACE_SPAN,
    CLUE_PLACE_SCOPE,
    CLUE_PLACE_EVENT,
    CLUE_PLACE_LINK,
    CLUE_PLACE_MAP, /* a member of a map */
};

struct clue {
    enum clue_what what;
    enum match_kind kind; /* the key's; 0: CLUE_OTHER */
    enum clue_place place;
    struct bytes attribute;
    struct bytes value;
    const char *type; /* CLUE_TYPE: "a boolean", ... */
};

struct clues {
    struct clue all[CLUES_MAX];
    size_t count;
    /* private */
    size_t others;
};

/* Errors: NO_SPACE. */
FALLIBLE clues_find(const struct view *view, struct arena *arena, struct clues *ret_clues);

/* Is this a key's name, or does it look like one? `kind` may be NULL. */
bool clue_name_is_like_a_key(struct bytes name, enum match_kind *ret_kind);

/* "a span", "the resource", ...: behind "stands on". */
const char *clue_place_text(enum clue_place place);
/* "span", "resource", ...: for programs. */
const char *clue_place_name(enum clue_place place);

#endif
