/* rest: the Customer API and the reads, as functions of the route table (api/http/routes.def).
 *
 * Creates run on WORK threads and answer from the bus' thread; reads run on READ threads with that thread's
 * connection. Each answers exactly once; see exchange.h. */
#ifndef CALLTRACE_REST_H
#define CALLTRACE_REST_H

#include "api/http/exchange.h"

/* POST /v1/call, /call, /v1/chat, /chat */
exchange_fn rest_call_create;
exchange_fn rest_chat_create;

/* GET /v1/call, /v1/call/{id}, /v1/call/{id}/transcript, /v1/call/{id}/traces, the same of /v1/chat */
exchange_fn rest_call_list;
exchange_fn rest_call_get;
exchange_fn rest_call_transcript;
exchange_fn rest_call_traces;
exchange_fn rest_chat_list;
exchange_fn rest_chat_get;
exchange_fn rest_chat_transcript;
exchange_fn rest_chat_traces;

/* GET /v1/conversations: calls and chats together */
exchange_fn rest_conversations;

/* GET /v1/traces, and what the explorer shows beside its rows: /v1/traces/suggest, /histogram, /groups */
exchange_fn rest_traces;
exchange_fn rest_traces_suggest;
exchange_fn rest_traces_histogram;
exchange_fn rest_traces_groups;

/* GET /v1/traces/{traceId}/search, /spans/{spanId}, /spans/{spanId}/values/{valueId} */
exchange_fn rest_trace_search;
exchange_fn rest_span_get;
exchange_fn rest_span_value;

/* GET /v1/traces/{traceId}, /v1/traces/{traceId}/tree */
exchange_fn rest_trace_get;
exchange_fn rest_trace_tree;

/* GET /v1/call/{callId}/timeline, /v1/chat/{chatId}/timeline, /v1/traces/{traceId}/timeline */
exchange_fn rest_call_timeline;
exchange_fn rest_chat_timeline;
exchange_fn rest_trace_timeline;

/* GET /v1/links */
exchange_fn rest_links;

/* GET /v1/unmatched: what has no link, and why */
exchange_fn rest_unmatched;

/* GET, POST /v1/keys, DELETE /v1/keys/{keyId} */
exchange_fn rest_key_list;
/* GET /v1/refusal: the last export that was refused though its key was valid. */
exchange_fn rest_refusal;
exchange_fn rest_key_create;
exchange_fn rest_key_revoke;
exchange_fn rest_key_rotate;

/* GET /v1/agent: what calls and chats named */
exchange_fn rest_agents;

/* Documented routes of the SDKs that calltrace does not have: 404 with code not_supported */
exchange_fn rest_not_supported;

#endif
