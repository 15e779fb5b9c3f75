#include "tests/unit/expect.h"

#include <stdlib.h>

#include "correlator/core/pieces.h"
#include "proto/base/limits.h"

enum { PARTS_MAX = 64, ROUNDS = 20000 };

static struct part part_of(uint8_t hash, uint32_t raw_bytes, uint32_t spans, bool is_sealed)
{
    return (struct part){
        .hash = {hash}, .raw_bytes = raw_bytes, .spans = spans, .is_sealed = is_sealed};
}

static void test_segments_become_one_piece(void **state)
{
    (void)state;
    const struct part parts[] = {part_of(1, 100, 2, false), part_of(2, 100, 3, false),
                                 part_of(3, 50, 1, true)};
    struct piece piece = piece_at(parts, 3, 0);
    assert_int_equal(piece.first, 0);
    assert_int_equal(piece.next, 3);
    assert_int_equal(piece.raw_bytes, 250);
    assert_true(piece.is_due);
}

static void test_one_that_came_is_due_and_one_that_is_sealed_is_not(void **state)
{
    (void)state;
    struct part part = part_of(1, 100, 2, false);
    assert_true(piece_at(&part, 1, 0).is_due);
    part.is_sealed = true;
    assert_false(piece_at(&part, 1, 0).is_due);
}

static void test_bytes_at_the_limit_and_one_past_it(void **state)
{
    (void)state;
    struct part parts[] = {part_of(1, LIMIT_SEALED_BYTES - 100, 1, true),
                           part_of(2, 100, 1, false)};
    assert_int_equal(piece_at(parts, 2, 0).next, 2);
    parts[1].raw_bytes++;
    assert_int_equal(piece_at(parts, 2, 0).next, 1);
    assert_false(piece_at(parts, 2, 0).is_due);
    assert_true(piece_at(parts, 2, 1).is_due);
}

static void test_spans_at_the_limit_and_one_past_it(void **state)
{
    (void)state;
    struct part parts[] = {part_of(1, 10, LIMIT_SEALED_SPANS - 1, true), part_of(2, 10, 1, false)};
    assert_int_equal(piece_at(parts, 2, 0).next, 2);
    parts[1].spans++;
    assert_int_equal(piece_at(parts, 2, 0).next, 1);
}

static void test_one_segment_beyond_the_bounds_is_never_due(void **state)
{
    (void)state;
    struct part parts[] = {part_of(1, LIMIT_SEALED_BYTES, LIMIT_SEALED_SPANS, false),
                           part_of(2, 1, 1, false)};
    assert_true(piece_at(parts, 2, 0).is_due);
    parts[0].raw_bytes++;
    assert_false(piece_at(parts, 2, 0).is_due);
    parts[0] = part_of(1, 1, LIMIT_SEALED_SPANS + 1, false);
    assert_false(piece_at(parts, 2, 0).is_due);
    assert_int_equal(piece_at(parts, 2, 0).next, 1);
}

static void test_raw_bytes_that_do_not_fit_32_bits_do_not_wrap(void **state)
{
    (void)state;
    const struct part parts[] = {part_of(1, UINT32_MAX, 1, false), part_of(2, 2, 1, false)};
    assert_int_equal(piece_at(parts, 2, 0).next, 1);
    assert_false(piece_at(parts, 2, 0).is_due);
}

static void test_a_retry_of_what_is_sealed_makes_it_due(void **state)
{
    (void)state;
    struct part parts[] = {part_of(7, 100, 2, true), part_of(8, 10, 1, false),
                           part_of(7, 100, 2, false)};
    assert_int_equal(pieces_unique(parts, 3), 2);
    assert_int_equal(parts[0].hash[0], 7);
    assert_int_equal(parts[1].hash[0], 8);
    struct part alone[] = {part_of(7, 100, 2, false), part_of(7, 100, 2, true)};
    assert_int_equal(pieces_unique(alone, 2), 1);
    assert_true(piece_at(alone, 1, 0).is_due);
}

static void test_different_segments_stay(void **state)
{
    (void)state;
    struct part parts[] = {part_of(1, 1, 1, true), part_of(2, 1, 1, true), part_of(3, 1, 1, false)};
    assert_int_equal(pieces_unique(parts, 3), 3);
    assert_true(parts[0].is_sealed && parts[1].is_sealed && !parts[2].is_sealed);
    assert_int_equal(pieces_unique(parts, 0), 0);
}

/* What sealing leaves of the parts when duplicates shrink some of the pieces. */
static size_t seal(struct part *parts, size_t count, bool *was_due)
{
    struct piece piece = {.next = 0};
    size_t kept = 0;
    *was_due = false;
    for (size_t at = 0; at < count; at = piece.next) {
        piece = piece_at(parts, count, at);
        struct part whole = parts[at];
        if (piece.is_due) {
            uint32_t share = 1 + (uint32_t)rand() % 2; /* a half of it stood there twice */
            *was_due = true;
            whole = part_of((uint8_t)rand(), (uint32_t)(piece.raw_bytes / share), 1, true);
            for (size_t i = piece.first; i < piece.next; i++) {
                whole.spans += parts[i].spans / share;
            }
        }
        assert_true(piece.next > at);
        parts[kept++] = whole;
    }
    return kept;
}

/* Pieces cover all parts, keep the bounds, and come to rest: a trace is not sealed again and again. */
static void test_random_traces_come_to_rest(void **state)
{
    (void)state;
    srand(20261125);
    for (int round = 0; round < ROUNDS; round++) {
        struct part parts[PARTS_MAX];
        size_t count = 1 + (size_t)rand() % PARTS_MAX;
        bool was_due = true;
        int turns = 0;
        for (size_t i = 0; i < count; i++) {
            uint32_t large = rand() % 4 == 0 ? LIMIT_SEALED_BYTES + 2 : 1 << 20;
            parts[i] = part_of((uint8_t)i, (uint32_t)rand() % large, 1 + (uint32_t)rand() % 30000,
                               rand() % 3 == 0);
        }
        while (was_due) {
            count = seal(parts, count, &was_due);
            assert_true(turns++ < PARTS_MAX);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_become_one_piece),
        cmocka_unit_test(test_one_that_came_is_due_and_one_that_is_sealed_is_not),
        cmocka_unit_test(test_bytes_at_the_limit_and_one_past_it),
        cmocka_unit_test(test_spans_at_the_limit_and_one_past_it),
        cmocka_unit_test(test_one_segment_beyond_the_bounds_is_never_due),
        cmocka_unit_test(test_raw_bytes_that_do_not_fit_32_bits_do_not_wrap),
        cmocka_unit_test(test_a_retry_of_what_is_sealed_makes_it_due),
        cmocka_unit_test(test_different_segments_stay),
        cmocka_unit_test(test_random_traces_come_to_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
