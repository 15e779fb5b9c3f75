// How a Node program sends its traces to calltrace; call it once, before the first span.
//
//   const sdk = traceToCalltrace({ 'roark.external_id': callId });
//   ...
//   await sdk.shutdown(); // sends what is still waiting
//
// The exporter reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE and _COMPRESSION.
import type { Attributes } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeSDK, type NodeSDKConfiguration } from '@opentelemetry/sdk-node';

type Exporter = NodeSDKConfiguration['traceExporter'];

export function traceToCalltrace(link: Attributes, traceExporter: Exporter = new OTLPTraceExporter()) {
  const sdk = new NodeSDK({
    serviceName: 'voice-agent',
    // `link` is on the resource, and so on every span. Where one process serves many calls, leave it empty here and
    // set roark.external_id on the root span of each call. POST /v1/call gets the same value as externalId.
    resource: resourceFromAttributes(link),
    traceExporter,
    metricReaders: [], // calltrace takes traces only
    logRecordProcessors: [],
  });
  sdk.start();
  return sdk;
}
