/* Any octets as a stored segment: what the link doctor reads out of it, and what it says of that. */
#include "api/doctor/doctor.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { ARENA_MAX = 64 << 20, TEXTS_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Sentences hold no octet that a terminal obeys, whatever came. */
static void say(const struct doctor_finding *finding)
{
    struct arena texts;
    arena_init(&texts, TEXTS_MAX);
    const char *said[] = {doctor_sentence(finding, &texts), doctor_change(finding, &texts)};
    for (size_t i = 0; i < 2; i++) {
        INVARIANT(said[i] != NULL && said[i][0] != '\0');
        INVARIANT(bytes_are_utf8(bytes_of_text(said[i])));
        for (const char *c = said[i]; *c != '\0'; c++) {
            INVARIANT((unsigned char)*c >= 0x20 && *c != 0x7F);
        }
    }
    arena_fini(&texts);
}

/* Every clue as if a call held its value. */
static void judge(const struct clues *clues)
{
    struct doctor_near nears[CLUES_MAX];
    for (size_t i = 0; i < clues->count; i++) {
        enum match_kind kind = (enum match_kind)(1 + i % (MATCH_KIND_COUNT - 1));
        nears[i] =
            (struct doctor_near){.of = i, .key = {.kind = kind, .value = clues->all[i].value}};
    }
    for (size_t nears_count = 0; nears_count <= clues->count; nears_count += 1 + clues->count / 2) {
        const struct doctor_trace facts = {.clues = clues->all,
                                           .clues_count = clues->count,
                                           .nears = nears,
                                           .nears_count = nears_count};
        struct doctor_finding finding;
        doctor_trace(&facts, &finding);
        INVARIANT(finding.reason != DOCTOR_NONE);
        say(&finding);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct view view;
    struct clues clues;
    const struct bytes raw = bytes_of(data, size);
    arena_init(&arena, ARENA_MAX);
    if (err_is_ok(view_open(&raw, 1, &arena, &view)) &&
        err_is_ok(clues_find(&view, &arena, &clues))) {
        INVARIANT(clues.count <= CLUES_MAX);
        judge(&clues);
    }
    arena_fini(&arena);
    return 0;
}
