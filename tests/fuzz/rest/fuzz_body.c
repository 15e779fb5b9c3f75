/* Any octets as the body of a create: reading, the answer about issues, and what is shown of it. */
#include "api/rest/check.h"
#include "api/rest/intake.h"
#include "api/rest/mend.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { ARENA_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void create(enum conversation_kind kind, struct bytes body)
{
    struct arena arena;
    struct detail detail = {{0}};
    struct intake intake;
    arena_init(&arena, ARENA_MAX);
    err_t err = intake_read(kind, body, &arena, &detail, &intake);
    if (err_is_ok(err)) {
        for (size_t i = 0; i < intake.keys_count && intake.issues.count == 0; i++) {
            INVARIANT(match_value_is_valid(intake.keys[i].value));
        }
        if (intake.issues.count > 0) {
            json_t *answer = check_answer(&intake.issues, &arena);
            INVARIANT(answer != NULL);
            json_decref(answer);
        }
        intake_fini(&intake);
    } else {
        INVARIANT(detail.text[0] != '\0' || err_class(err) != ERR_CLASS_INPUT);
    }
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes body = bytes_of(data, size);
    struct mend_field fields[] = {{.name = "properties"}, {.name = "agents"}, {.name = ""}};
    create(CONVERSATION_KIND_CALL, body);
    create(CONVERSATION_KIND_CHAT, body);
    mend_pick(body, fields, 3);
    for (size_t i = 0; i < 3; i++) {
        INVARIANT(fields[i].value.len <= size);
    }
    return 0;
}
