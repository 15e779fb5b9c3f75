/* vapi: the routes that take VAPI's reports and server messages.
 *
 * A report becomes two messages to the correlator: what it tells of the call (part.h), and the call's trace (trace.h),
 * which goes the way of any export. A status-update becomes the first of the two. Everything else that VAPI sends is
 * answered and counted. Sending a report again changes nothing.
 *
 * The call log, when the request has it or its address may be fetched (row vapi_fetch_logs, on threads of their own),
 * tells the trace; else the messages do. Whatever goes wrong with log or trace, the call is kept.
 *
 * Thread: READ, then perhaps a fetching one; answers come from the bus' thread. */
#ifndef CALLTRACE_VAPI_VAPI_H
#define CALLTRACE_VAPI_VAPI_H

#include "api/http/exchange.h"

/* POST /v1/vapi/call: {vapiEndOfCallReportPayload, properties?, skipAlreadyImported?, callLog?}; callLog is base64 of
 * the log (gzip or plain), its text, or an array of its records. */
exchange_fn vapi_call_import;

/* POST /v1/integrations/vapi: a server message, sent with an API key. */
exchange_fn vapi_message;

/* POST /v1/integrations/vapi/{credentialId}: a server message, signed under that credential. */
exchange_fn vapi_message_signed;

#endif
