/* writer: a thread that takes groups of messages from the intake and makes them durable and linked.
 *
 * The way of one export (a span message), in a group of up to 512 messages or 8 MiB:
 *
 *   1. plan (correlator/core, pure): every trace of the group once, every list sorted by primary key.
 *   2. rendezvous: one pipelined turn to Redis. Each key that was not looked at before on this connection is
 *      observed: the trace waits there, and learns which call claims the key, if one does.
 *   3. commit: one libpq pipeline from BEGIN to COMMIT, no turn of ours inside it.
 *        trace       upsert in order. This locks the row against every other writer and skipper of the trace,
 *                    and gives back `is_skipped` as it is now.
 *        trace_key   insert what is new, but no trace's own id, which its row has; a skipping trace flags its rooms,
 *                    old keys too.
 *        trace_tag   insert what is new: tags, and services under an empty key.
 *        segment     insert, day and skip taken from the trace's locked row; known hashes fall away.
 *        link        insert what the rendezvous found, unless the trace is skipped.
 *        word        insert what this process has not seen.
 *   4. look, after COMMIT has returned, in new statements and so with a new snapshot:
 *        links       the group's keys joined with conversation_key. Whoever commits second, this trace or the
 *                    call, sees the other: no order, no crash and no Redis can keep them apart. The insert locks
 *                    the trace's row and reads `is_skipped` again, so that it never links what is being skipped.
 *        rooms       traces that a flagged room skips, in both directions: this group's traces in a room that
 *                    was flagged before, and older traces in a room that this group flags.
 *   5. skip, only if there is something to skip: one transaction that locks those traces, sets `is_skipped` and
 *      removes their segments and links. A link that a look inserts at the same time waits for the row's lock,
 *      or was committed before and is removed.
 *   6. reply, then announce. Nothing that is answered `accepted` depends on anything that happens later.
 *
 * The way of one create; each is a transaction of its own, because it may have to wait for another one:
 *
 *   1. rendezvous: claim its keys, learn which traces wait. A lost claim is no refusal.
 *   2. commit: BEGIN; advisory locks on the request's hash (and the Idempotency-Key's), so that first try and
 *      retry are one after the other; keys inserted in order, ON CONFLICT DO NOTHING, unless this request is
 *      known already: an insert waits for a holder in flight and takes the key when that one rolls back; the
 *      conversation inserted only if it holds all its keys; else its keys removed again; the answer and a
 *      foreign holder read; COMMIT. All locks of a create are taken in one order, so that two creates never wait
 *      for each other in a ring, and of two that want each other's keys one lives.
 *   3. decide (correlator/core): the call, or 409 naming a committed holder. Never 409 from a claim.
 *   4. look: links to the waiting traces, then the call's keys joined with trace_key and trace, always; then links to
 *      traces that were skipped meanwhile are removed. The retry of a create looks too: its first try may have died
 *      here. Creates of one group look together, in one transaction, because each commit is a wait for the disk.
 *   5. a lost create releases its claims; a winner that Redis did not know takes them by force.
 *   6. reply, then announce.
 *
 * A create whose provider key (livekit, vapi) is held by a call that only events have made completes that call
 * in a second transaction, under the row's lock, all keys or none; then its answer is that call.
 *
 * The way of one event of an integration; each is a transaction of its own:
 *
 *   1. plan (correlator/core/event, pure) from one reading of who holds its keys: the call, and which calls are
 *      superseded by it.
 *   2. commit: traces linked to the superseded, then the calls' rows, locked in order; keys and parts move; the
 *      event's keys and parts merged in; a guard that raises when the plan's reading was overtaken (SQLSTATE class
 *      40: tried again); the call's columns folded from its parts by rank.
 *   3. the call takes its keys in Redis by force; links to superseded calls are removed once more, because a trace
 *      may have committed meanwhile with the claim that it saw (a trace looks the same way).
 *   4. look, reply, announce, as for a create. Nothing depends on the order or repetition of events.
 *
 * What fails: SQLSTATE classes 08, 40, 53, 57 and a lock timeout are tried again (everything may be written
 * twice), then answered `unavailable`. Classes 22 and 23 halve the group until the one bad message stands alone
 * and is rejected. A connection lost while committing is unknown, so `unavailable`. Redis away costs nothing but
 * the rendezvous.
 *
 * Owner thread: the writer's own; start and stop belong to main. */
#ifndef CALLTRACE_CORRELATOR_WRITER_H
#define CALLTRACE_CORRELATOR_WRITER_H

#include "correlator/intake.h"
#include "correlator/store.h"

struct writer;

struct writer_options {
    struct store_options store;
    struct intake *intake;       /* kept */
    struct bus_server *server;   /* kept, for announcements */
    _Atomic unsigned *connected; /* kept: how many writers have Postgres */
};

/* Starts the thread; it needs no server to be there. Errors: MEMORY, SYSTEM. */
FALLIBLE writer_start(const struct writer_options *options, struct writer **ret_writer);

/* After intake_close: waits until the queue is worked off, ends the thread and frees. NULL is fine. */
void writer_join(struct writer *writer);

/* Whether its last turn reached Redis. Thread: any. */
bool writer_has_redis(const struct writer *writer);

#endif
