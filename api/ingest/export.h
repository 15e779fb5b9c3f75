/* export: the octets of one OTLP export -> the message for the correlator, whoever wrote them: a client of /v1/traces,
 * or an integration that makes spans of its own.
 *
 *     worker = export_worker_get(body_bytes_max);
 *     TRY(export_build(worker, project, INGEST_ENCODING_JSON, json, detail, &export));
 *     ... export.message goes to the bus ...
 *     export_worker_trim(worker);
 *
 * Owner: a worker belongs to its thread, and everything made with it lives until export_worker_trim. */
#ifndef CALLTRACE_API_INGEST_EXPORT_H
#define CALLTRACE_API_INGEST_EXPORT_H

#include "api/ingest/decode.h"
#include "proto/bus/message.h"

/* A thread's reusable memory: decoder, segment builder, arena and three buffers. */
struct export_worker;

/* This thread's; NULL when out of memory. `body_bytes_max` never changes while the daemon runs. */
struct export_worker *export_worker_get(size_t body_bytes_max);

/* Between exports: keeps what the next one needs, gives the rest back. */
void export_worker_trim(struct export_worker *worker);

struct export
{
    struct bus_message message; /* SPANS; without traces there is nothing to send */
    size_t body_bytes;          /* as protobuf */
    uint64_t spans_count;       /* accepted */
    uint64_t rejected_count;
    struct detail rejected; /* why; empty when none was */
};

/* Undoes a Content-Encoding, see ingest_inflate. Once per trim. */
FALLIBLE export_inflate(struct export_worker *worker, const char *content_encoding,
                        struct bytes body, struct detail *detail, struct bytes *ret_body);

/* Errors: those of json_to_protobuf, scan_export and segment_build; detail says. Once per trim. */
FALLIBLE export_build(struct export_worker *worker, struct uuid project,
                      enum ingest_encoding encoding, struct bytes body, struct detail *detail,
                      struct export *ret_export);

/* The message's octets. Errors: TOO_LARGE, NO_SPACE, MEMORY. */
FALLIBLE export_pack(struct export_worker *worker, const struct export *export,
                     struct bytes *ret_wire);

/* A full arena is the export's fault (413, final) only when its bound was near; else the heap is short, which
 * passes (503). */
err_t export_cause(const struct export_worker *worker, err_t err);

#endif
