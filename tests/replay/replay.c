/* replay: runs text scenarios on correlator/core with a manual clock. A scenario is lines of
 *
 *     # comment
 *     at 2026-01-02T23:59:00Z       the clock stands there
 *     after 60                      that many seconds later
 *     export t1 external=a skip root=NAME start=5 hash=x @2 , t2 ...
 *     & export t3 ...               in the same group as the export before
 *     create c1 external=a body=B retry idempotency=K @2
 *     > effect                      what the line before changed, in order, all of it
 *
 * Names are numbers: t1 a trace, c1 a call, @2 project 2 (1 when not given). An export's hash is that of its
 * segment (the same bytes again: the same hash). Exit 1 with both lists when effects differ. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/replay/tables.h"

#include "proto/base/banned.h"

enum { LINE_BYTES = 1024, GROUP_MAX = 8, TRACES_MAX = 8, KEYS_MAX = 8, ARENA_BYTES = 16 << 20 };

struct export
{
    struct bus_message message;
    struct bus_trace traces[TRACES_MAX];
    struct match_key keys[TRACES_MAX][KEYS_MAX];
};

struct replay {
    const char *path;
    unsigned line;
    unsigned event_line; /* of the event whose effects are collected */
    struct unix_ns now;
    struct tables tables;
    struct export group[GROUP_MAX];
    size_t group_count;
    char wanted[EFFECTS_BYTES];
    uint8_t hash_next;
};

__attribute__((noreturn)) static void fail_line(const struct replay *replay, const char *why,
                                                const char *what)
{
    (void)fprintf(stderr, "%s:%u: %s '%s'\n", replay->path, replay->line, why, what);
    exit(2);
}

/* "external=a" into a key; false when it is another option. */
static bool read_key(struct replay *replay, const char *word, struct match_key *ret_key)
{
    const char *equals = strchr(word, '=');
    struct bytes value = {0};
    if (equals == NULL ||
        !match_kind_from_name(bytes_of(word, (size_t)(equals - word)), &ret_key->kind)) {
        return false;
    }
    if (!err_is_ok(arena_copy(&replay->tables.arena, bytes_of_text(equals + 1), &value))) {
        fail_line(replay, "out of memory at", word);
    }
    ret_key->value = value;
    return true;
}

static uint8_t read_name(const struct replay *replay, const char *word, char letter)
{
    char *end = NULL;
    long number = word[0] == letter ? strtol(word + 1, &end, 10) : 0;
    if (number < 1 || number > 255 || *end != '\0') {
        fail_line(replay, "not a name:", word);
    }
    return (uint8_t)number;
}

static const char *value_of(const char *word, const char *name)
{
    size_t len = strlen(name);
    return strncmp(word, name, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

static struct bytes keep(struct replay *replay, const char *text)
{
    struct bytes kept = {0};
    if (!err_is_ok(arena_copy(&replay->tables.arena, bytes_of_text(text), &kept))) {
        fail_line(replay, "out of memory at", text);
    }
    return kept;
}

/* --- events ------------------------------------------------------------------------------------------- */

static void trace_option(struct replay *replay, struct export *export, struct bus_trace *trace,
                         const char *word)
{
    const char *value = NULL;
    struct match_key key;
    if (read_key(replay, word, &key)) {
        if (trace->keys_count == KEYS_MAX) {
            fail_line(replay, "too many keys at", word);
        }
        trace->keys[trace->keys_count++] = key;
    } else if (strcmp(word, "skip") == 0) {
        trace->is_skipped = true;
    } else if (word[0] == '@') {
        export->message.spans.project.b[0] = read_name(replay, word, '@');
    } else if ((value = value_of(word, "root")) != NULL) {
        trace->has_root = true;
        trace->root.name = keep(replay, value);
        trace->root.span_id.b[0] = 1;
    } else if ((value = value_of(word, "start")) != NULL) {
        trace->root.start.ns = strtol(value, NULL, 10);
    } else if ((value = value_of(word, "hash")) != NULL) {
        trace->segment_hash[0] = (uint8_t)value[0];
    } else {
        fail_line(replay, "not an option:", word);
    }
}

static void read_export(struct replay *replay, char *words)
{
    if (replay->group_count == GROUP_MAX) {
        fail_line(replay, "too large a group at", words);
    }
    struct export *export = &replay->group[replay->group_count++];
    *export = (struct export){
        .message = {.what = BUS_WHAT_SPANS, .spans = {.project = {{1}}, .received = replay->now}}};
    export->message.spans.traces = export->traces;
    struct bus_trace *trace = NULL;
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        if (strcmp(word, ",") == 0) {
            trace = NULL;
        } else if (trace == NULL) {
            size_t at = export->message.spans.traces_count++;
            if (at == TRACES_MAX) {
                fail_line(replay, "too many traces at", word);
            }
            trace = &export->traces[at];
            trace->id.b[0] = read_name(replay, word, 't');
            trace->keys = export->keys[at];
            trace->spans_count = 1;
            trace->segment = bytes_of_text("spans");
            trace->segment_hash[0] = replay->hash_next++;
        } else {
            trace_option(replay, export, trace, word);
        }
    }
}

static void run_group(struct replay *replay)
{
    const struct bus_message *messages[GROUP_MAX];
    for (size_t i = 0; i < replay->group_count; i++) {
        messages[i] = &replay->group[i].message;
    }
    if (replay->group_count > 0) {
        tables_export(&replay->tables, messages, replay->group_count, replay->now);
        replay->group_count = 0;
    }
}

static void run_create(struct replay *replay, char *words)
{
    struct match_key keys[KEYS_MAX];
    struct bus_call call = {.project = {{1}},
                            .kind = CONVERSATION_KIND_CALL,
                            .source = CONVERSATION_SOURCE_API,
                            .keys = keys,
                            .created = replay->now};
    const char *body = "";
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        const char *value = NULL;
        if (call.id.b[0] == 0) {
            call.id.b[0] = read_name(replay, word, 'c');
        } else if (call.keys_count < KEYS_MAX && read_key(replay, word, &keys[call.keys_count])) {
            call.keys_count++;
        } else if (strcmp(word, "chat") == 0) {
            call.kind = CONVERSATION_KIND_CHAT;
        } else if (strcmp(word, "retry") == 0) {
            call.is_retry = true;
        } else if (word[0] == '@') {
            call.project.b[0] = read_name(replay, word, '@');
        } else if ((value = value_of(word, "body")) != NULL) {
            body = value;
        } else if ((value = value_of(word, "idempotency")) != NULL) {
            call.has_idempotency = true;
            bytes_hash128(bytes_of_text(value), call.idempotency_hash);
        } else {
            fail_line(replay, "not an option:", word);
        }
    }
    bytes_hash128(bytes_of_text(body), call.request_hash);
    tables_create(&replay->tables, &call, replay->now);
}

/* --- a scenario --------------------------------------------------------------------------------------- */

static void compare_effects(struct replay *replay)
{
    run_group(replay);
    if (strcmp(replay->wanted, replay->tables.effects) != 0) {
        (void)fprintf(stderr, "%s:%u: wanted\n%sgot\n%s", replay->path, replay->event_line,
                      replay->wanted, replay->tables.effects);
        exit(1);
    }
    replay->wanted[0] = '\0';
    replay->tables.effects[0] = '\0';
    replay->tables.effects_len = 0;
}

static void want(struct replay *replay, const char *effect)
{
    size_t len = strlen(replay->wanted);
    if (len + strlen(effect) + 2 > sizeof replay->wanted) {
        fail_line(replay, "too many effects at", effect);
    }
    (void)snprintf(replay->wanted + len, sizeof replay->wanted - len, "%s\n", effect);
}

static void run_line(struct replay *replay, char *line)
{
    char *words = strchr(line, ' ');
    if (line[0] == '\0' || line[0] == '#') {
        return;
    }
    if (words == NULL) {
        fail_line(replay, "not a line:", line);
    }
    *words++ = '\0';
    if (strcmp(line, ">") == 0) {
        want(replay, words);
        return;
    }
    if (strcmp(line, "&") == 0 && strncmp(words, "export ", strlen("export ")) == 0) {
        read_export(replay, words + strlen("export "));
        return;
    }
    compare_effects(replay);
    replay->event_line = replay->line;
    if (strcmp(line, "at") == 0 && unix_from_rfc3339(bytes_of_text(words), &replay->now)) {
        return;
    }
    if (strcmp(line, "after") == 0) {
        replay->now.ns += strtol(words, NULL, 10) * NS_PER_S;
    } else if (strcmp(line, "export") == 0) {
        read_export(replay, words);
    } else if (strcmp(line, "create") == 0) {
        run_create(replay, words);
    } else {
        fail_line(replay, "not an event:", line);
    }
}

int main(int argc, char **argv)
{
    static struct replay replay;
    char line[LINE_BYTES];
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (file == NULL) {
        (void)fprintf(stderr, "usage: replay_rules SCENARIO\n");
        return 2;
    }
    replay.path = argv[1];
    replay.hash_next = 'a';
    arena_init(&replay.tables.arena, ARENA_BYTES);
    while (fgets(line, sizeof line, file) != NULL) {
        replay.line++;
        line[strcspn(line, "\n")] = '\0';
        run_line(&replay, line);
    }
    compare_effects(&replay);
    arena_fini(&replay.tables.arena);
    (void)fclose(file); /* nothing was written */
    return 0;
}
