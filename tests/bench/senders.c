#include "tests/bench/senders.h"

#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "tests/bench/calls.h"
#include "tests/bench/load.h"

#include "proto/base/banned.h"

enum { EXPORT_BYTES_MAX = 256 << 20, OPENING_MAX = 64 };

/* Some spans of one trace. */
struct piece {
    uint64_t trace;
    uint16_t first;
    uint16_t count;
};

struct export
{
    struct export *next;
    struct buf body;
    struct piece *pieces;
    unsigned pieces_count;
    bool is_last; /* its connection is closed */
};

/* A trace that is being sent. */
struct open_trace {
    uint64_t trace;
    unsigned next; /* span */
};

struct sender {
    struct senders *all;
    struct lane *lane;
    struct open_trace *traces;
    unsigned turn;        /* the trace whose spans come next */
    struct export *ready; /* made ahead, in order */
    struct export *ready_tail;
    struct export *sent; /* under way */
    struct mono_ns due;  /* of the one under way */
    uint64_t dues;       /* exports that were due until now */
    uint64_t sends;
    bool is_open;
};

struct senders {
    struct load *load;
    struct encoder *encoder;
    struct sender *list;
    unsigned count;
    unsigned opened;      /* senders whose opening was begun */
    unsigned open;        /* and answered */
    int64_t period_ns;    /* of one sender; 0: not by the clock */
    struct mono_ns start; /* of the clock */
    uint64_t dues;        /* of all, in turn */
    struct buf raw;
    struct buf scratch;
};

/* --- making --------------------------------------------------------------------------------------- */

/* A number for a new trace. Ends the process when out of memory. */
static uint64_t new_trace(struct load *load, unsigned first)
{
    if (load->traces_count == load->traces_room) {
        size_t room = load->traces_room == 0 ? 4096 : load->traces_room * 2;
        struct trace_state *traces = mem_resize(load->traces, room * sizeof(*traces));
        if (traces == NULL) {
            bench_fail("out of memory");
        }
        load->traces = traces;
        load->traces_room = room;
    }
    load->traces[load->traces_count] = (struct trace_state){.first = (uint16_t)first};
    return load->traces_count++;
}

/* The next spans of the sender's traces, in turn. */
static struct piece next_piece(struct sender *sender, unsigned spans_max)
{
    const struct shape *shape = &sender->all->load->options.shape;
    struct open_trace *open = &sender->traces[sender->turn];
    unsigned count = shape->trace_spans - open->next;
    count = count < shape->piece_spans ? count : shape->piece_spans;
    count = count < spans_max ? count : spans_max;
    struct piece piece = {
        .trace = open->trace, .first = (uint16_t)open->next, .count = (uint16_t)count};
    open->next += count;
    if (open->next == shape->trace_spans) {
        *open = (struct open_trace){.trace = new_trace(sender->all->load, 0)};
    }
    sender->turn = (sender->turn + 1) % shape->open_traces;
    return piece;
}

static struct export *make_export(struct sender *sender)
{
    struct senders *all = sender->all;
    const struct shape *shape = &all->load->options.shape;
    struct export *made = mem_zero(1, sizeof(*made));
    struct piece *pieces = mem_zero(shape->export_spans, sizeof(*pieces));
    if (made == NULL || pieces == NULL) {
        bench_fail("out of memory");
    }
    made->pieces = pieces;
    buf_reset(&all->raw);
    for (unsigned left = shape->export_spans; left > 0 && !made->is_last;) {
        struct piece piece = next_piece(sender, left);
        recipe_piece(&all->load->recipe, piece.trace, piece.first, piece.count, &all->scratch,
                     &all->raw);
        pieces[made->pieces_count++] = piece;
        left -= piece.count;
        made->is_last =
            shape->is_one_connection && piece.first + (unsigned)piece.count == shape->trace_spans;
    }
    if (!err_is_ok(buf_err(&all->raw)) ||
        !err_is_ok(encoder_write(all->encoder, buf_bytes(&all->raw), &made->body))) {
        bench_fail("an export could not be made");
    }
    return made;
}

static void free_export(struct export *export)
{
    if (export != NULL) {
        buf_fini(&export->body);
        mem_free(export->pieces);
        mem_free(export);
    }
}

/* --- sending -------------------------------------------------------------------------------------- */

static struct mono_ns due_of(const struct sender *sender, uint64_t number)
{
    const struct senders *all = sender->all;
    int64_t offset = (int64_t)(sender - all->list) * all->period_ns / (int64_t)all->count;
    return (struct mono_ns){.ns = all->start.ns + (int64_t)number * all->period_ns + offset};
}

static void send_next(struct sender *sender, struct mono_ns due)
{
    struct load *load = sender->all->load;
    struct export *export = sender->ready;
    if (export == NULL) {
        export = make_export(sender);
    } else {
        sender->ready = export->next;
    }
    sender->sent = export;
    sender->due = due;
    sender->sends++;
    for (unsigned i = 0; i < export->pieces_count; i++) {
        const struct piece *piece = &export->pieces[i];
        struct trace_state *trace = &load->traces[piece->trace];
        trace->due = due;
        if (piece->first == trace->first) {
            calls_trace_begins(load->calls, piece->trace, due);
        }
    }
    lane_send(sender->lane, &(struct request){.path = "/v1/traces",
                                              .type = encoder_type(sender->all->encoder),
                                              .encoding = encoder_content(sender->all->encoder),
                                              .body = &export->body,
                                              .is_last = export->is_last});
}

static void acknowledge(struct sender *sender, struct mono_ns at)
{
    struct load *load = sender->all->load;
    bool counts = load_counts(load, at);
    load->exports_counted += counts ? 1 : 0;
    for (unsigned i = 0; i < sender->sent->pieces_count; i++) {
        const struct piece *piece = &sender->sent->pieces[i];
        struct trace_state *trace = &load->traces[piece->trace];
        trace->acked = (uint16_t)(trace->acked + piece->count);
        load->spans_acked += piece->count;
        load->spans_counted += counts ? piece->count : 0;
        if (trace->first + (unsigned)trace->acked == load->options.shape.trace_spans) {
            trace->acked_at = at;
            calls_trace_acked(load->calls, piece->trace);
        }
    }
}

/* What a free connection does next: sends at once, or by the clock what is overdue. */
static void go_on(struct sender *sender, struct mono_ns now)
{
    struct senders *all = sender->all;
    struct load *load = all->load;
    bool is_done = load->options.exports > 0 && sender->sends == load->options.exports;
    if (is_done || now.ns >= load->deadline.ns) {
        return;
    }
    if (all->period_ns == 0) {
        send_next(sender, now);
    } else if (sender->sends < sender->dues) {
        load->exports_late++;
        send_next(sender, due_of(sender, sender->sends));
    }
}

static void open_lane(struct sender *sender)
{
    sender->is_open = false;
    lane_send(sender->lane, &(struct request){.path = "/health", .type = "application/json"});
}

static void open_next(struct senders *senders)
{
    if (senders->opened < senders->count) {
        open_lane(&senders->list[senders->opened++]);
    }
}

/* A connection is there: one of the first, or the next call's. */
static void opened(struct sender *sender, struct mono_ns now)
{
    sender->is_open = true;
    if (sender->all->open < sender->all->count) {
        sender->all->open++;
        open_next(sender->all);
    } else {
        go_on(sender, now);
    }
}

static void answered(struct lane *lane, void *owner, const struct answer *answer)
{
    struct sender *sender = owner;
    struct load *load = sender->all->load;
    (void)lane;
    if (!sender->is_open) {
        opened(sender, answer->at);
        return;
    }
    bool is_json_empty =
        load->options.encoding == ENCODING_JSON && bytes_equal_text(answer->body, "{}");
    if (answer->status != 200 || (answer->body.len != 0 && !is_json_empty)) {
        (void)fprintf(stderr, "loadgen: an export was answered with %ld: %.*s\n", answer->status,
                      (int)answer->body.len, (const char *)answer->body.ptr);
        bench_fail("an export was not accepted whole");
    }
    if (load_counts(load, sender->due)) {
        samples_add(&load->export_ms, (double)(answer->at.ns - sender->due.ns) / NS_PER_MS);
    }
    acknowledge(sender, answer->at);
    bool is_closed = sender->sent->is_last;
    free_export(sender->sent);
    sender->sent = NULL;
    if (is_closed && answer->at.ns < load->deadline.ns) {
        open_lane(sender); /* the next call begins */
    } else {
        go_on(sender, answer->at);
    }
}

/* --- life ----------------------------------------------------------------------------------------- */

static void init_sender(struct sender *sender, struct senders *all, unsigned number)
{
    struct load *load = all->load;
    const struct shape *shape = &load->options.shape;
    sender->all = all;
    sender->lane = lane_new(load->http, answered, sender);
    sender->traces = mem_zero(shape->open_traces, sizeof(*sender->traces));
    if (sender->lane == NULL || sender->traces == NULL) {
        bench_fail("out of memory");
    }
    for (unsigned i = 0; i < shape->open_traces; i++) {
        uint64_t chance = recipe_mix(load->options.seed ^ recipe_mix(number));
        unsigned first = shape->starts_midway
                             ? (unsigned)(chance % (shape->trace_spans / shape->piece_spans)) *
                                   shape->piece_spans
                             : 0;
        sender->traces[i] = (struct open_trace){.trace = new_trace(load, first), .next = first};
    }
}

static void make_ahead(struct senders *senders)
{
    PRE(senders->count > 0);
    for (unsigned i = 0; i < senders->load->options.ahead; i++) {
        struct sender *sender = &senders->list[i % senders->count];
        struct export *export = make_export(sender);
        if (sender->ready == NULL) {
            sender->ready = export;
        } else {
            sender->ready_tail->next = export;
        }
        sender->ready_tail = export;
    }
}

struct senders *senders_new(struct load *load)
{
    const struct load_options *options = &load->options;
    struct senders *senders = mem_zero(1, sizeof(*senders));
    if (senders == NULL) {
        return NULL;
    }
    senders->load = load;
    senders->count = options->connections;
    senders->period_ns = (int64_t)options->shape.period_ms * NS_PER_MS;
    if (options->rate > 0) {
        senders->period_ns =
            (int64_t)options->shape.export_spans * options->connections * NS_PER_S / options->rate;
    }
    senders->encoder = encoder_new(options->encoding);
    senders->list = mem_zero(senders->count, sizeof(*senders->list));
    if (senders->encoder == NULL || senders->list == NULL) {
        bench_fail("out of memory");
    }
    buf_init(&senders->raw, EXPORT_BYTES_MAX);
    buf_init(&senders->scratch, EXPORT_BYTES_MAX);
    for (unsigned i = 0; i < senders->count; i++) {
        init_sender(&senders->list[i], senders, i);
    }
    make_ahead(senders);
    return senders;
}

void senders_free(struct senders *senders)
{
    for (unsigned i = 0; senders != NULL && i < senders->count; i++) {
        struct sender *sender = &senders->list[i];
        while (sender->ready != NULL) {
            struct export *export = sender->ready;
            sender->ready = export->next;
            free_export(export);
        }
        free_export(sender->sent);
        mem_free(sender->traces);
    }
    if (senders != NULL) {
        encoder_free(senders->encoder);
        buf_fini(&senders->raw);
        buf_fini(&senders->scratch);
        mem_free(senders->list);
        mem_free(senders);
    }
}

void senders_open(struct senders *senders)
{
    for (unsigned i = 0; i < OPENING_MAX; i++) {
        open_next(senders);
    }
    while (senders->open < senders->count) {
        (void)http_client_turn(senders->load->http, mono_after_ms(clock_mono(), MS_PER_S));
    }
}

struct mono_ns senders_move(struct senders *senders, struct mono_ns now)
{
    struct load *load = senders->load;
    if (senders->start.ns == 0) {
        senders->start = now;
        for (unsigned i = 0; senders->period_ns == 0 && i < senders->count; i++) {
            send_next(&senders->list[i], now);
        }
    }
    while (senders->period_ns > 0) {
        struct sender *sender = &senders->list[senders->dues % senders->count];
        struct mono_ns due = due_of(sender, sender->dues);
        if (due.ns > now.ns || due.ns >= load->deadline.ns) {
            return due.ns < load->deadline.ns ? due : load->deadline;
        }
        senders->dues++;
        sender->dues++;
        if (sender->sent == NULL && sender->is_open) {
            samples_add(&load->oversleep_ms, (double)(clock_mono().ns - due.ns) / NS_PER_MS);
            send_next(sender, due);
        }
    }
    return load->deadline;
}

uint64_t senders_unsent(const struct senders *senders)
{
    uint64_t unsent = 0;
    for (unsigned i = 0; senders->period_ns > 0 && i < senders->count; i++) {
        unsent += senders->list[i].dues - senders->list[i].sends;
    }
    return unsent;
}
