/* make: builds OTLP protobuf bytes for the tests, message by message, also wrong ones. Failures end the test
 * at once: memory is the test's own. */
#ifndef CALLTRACE_TESTS_OTLP_MAKE_H
#define CALLTRACE_TESTS_OTLP_MAKE_H

#include "proto/base/arena.h"
#include "proto/otlp/wire.h"

enum { MAKE_DEPTH_MAX = 64 };

struct make {
    struct buf out;
    size_t open[MAKE_DEPTH_MAX];
    unsigned depth;
};

void make_init(struct make *make);
void make_fini(struct make *make);
void make_reset(struct make *make);
struct bytes make_bytes(const struct make *make);

/* A child message in field `number`. */
void make_open(struct make *make, uint32_t number);
void make_close(struct make *make);

void make_text(struct make *make, uint32_t number, const char *text);

/* KeyValue in field `number` with a text, boolean, integer. */
void make_attribute(struct make *make, uint32_t number, const char *key, const char *text);
void make_attribute_bytes(struct make *make, uint32_t number, struct bytes key, struct bytes text);
void make_attribute_bool(struct make *make, uint32_t number, const char *key, bool value);
void make_attribute_int(struct make *make, uint32_t number, const char *key, int64_t value);

/* A KeyValue whose value is `depth` AnyValues in arrays inside each other, the innermost a text. */
void make_attribute_deep(struct make *make, uint32_t number, const char *key, unsigned depth);

/* Opens ResourceSpans with a service and ScopeSpans with a scope; two make_close end them. */
void make_frame(struct make *make, const char *service, const char *scope);

/* Opens a span in field 2 with ids made of the two numbers; end it with make_close. */
void make_span(struct make *make, uint8_t trace, uint8_t span, const char *name);

/* What a test over made spans begins with; the first member of its fixture. */
struct made {
    struct make make;
    struct arena arena;
};

/* A zeroed fixture of `bytes` whose `struct made` stands ready, with an arena of at most `arena_bytes`. */
void *made_new(size_t bytes, size_t arena_bytes);
void made_free(void *fixture);

#endif
