// OpenTelemetry set-up of a voice agent whose traces go to calltrace. Copy this file into your agent.
//
//   npm install @opentelemetry/api @opentelemetry/resources @opentelemetry/sdk-node \
//       @opentelemetry/exporter-trace-otlp-proto @opentelemetry/exporter-trace-otlp-http
//
// The exporter itself reads the address, the key and the certificate from the environment:
// OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE, and _COMPRESSION=gzip if you like.
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';

// The attribute that links a trace to its call: the call is created with the same value as externalId.
export const EXTERNAL_ID = 'roark.external_id';

// One process, one conversation: give its id here, and it stands on every span from the first batch on.
// One process, many conversations: leave it out and set EXTERNAL_ID on each conversation's root span.
//
// Await shutdown() of what you get before the process ends; it sends what is still waiting.
export function traceToCalltrace(serviceName: string, externalId?: string, tags: Record<string, string> = {}) {
  const resource: Record<string, string> = {};
  if (externalId !== undefined) {
    resource[EXTERNAL_ID] = externalId;
  }
  for (const [key, value] of Object.entries(tags)) {
    resource[`roark.project.tag.${key}`] = value;
  }
  const sdk = new NodeSDK({
    serviceName,
    resource: resourceFromAttributes(resource),
    // Both encodings are welcome; protobuf is the smaller one. One of the two is enough for you.
    traceExporter:
      process.env.OTEL_EXPORTER_OTLP_PROTOCOL === 'http/json' ? new JsonExporter() : new ProtobufExporter(),
    metricReaders: [], // calltrace takes traces only
    logRecordProcessors: [],
  });
  sdk.start();
  return sdk;
}
