/* observer: what the observers of LiveKit and Pipecat agents send, as functions of the route table.
 *
 * Source: the PyPI packages roark-analytics-python-livekit and pipecat-roark. They send the key twice
 * (x-roark-api-key and Authorization: Bearer; the latter counts), never send an event again and take any status
 * below 400 for success. */
#ifndef CALLTRACE_INTEGRATIONS_OBSERVER_H
#define CALLTRACE_INTEGRATIONS_OBSERVER_H

#include "api/http/exchange.h"

/* POST /v1/integrations/livekit-sdk, /v1/integrations/pipecat: call-started, call-ended */
exchange_fn observer_livekit;
exchange_fn observer_pipecat;

/* POST .../chunk-upload-url: where a piece of the recording may be sent (upload.h) */
exchange_fn observer_livekit_chunk_url;
exchange_fn observer_pipecat_chunk_url;

/* PUT /v1/integrations/chunk?token=...: taken, counted, discarded */
exchange_fn observer_chunk;

#endif
