// How a LiveKit agent in Node sends its traces to calltrace; call it first thing in the entrypoint.
//
//   export default defineAgent({
//     entry: async (ctx) => {
//       const provider = traceToCalltrace(ctx.job.room!.sid);
//       ctx.addShutdownCallback(() => provider.forceFlush());
//
// The exporter reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE and _COMPRESSION.
import { telemetry } from '@livekit/agents';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-node';

export function traceToCalltrace(roomSid: string, skip = false, more: SpanProcessor[] = []) {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({
      'service.name': 'voice-agent',
      // This attribute is the link: POST /v1/call gets the same value as livekitRoomId.
      'livekit.room.id': roomSid,
      // True keeps the traces of test calls out of calltrace.
      'roark.skip': skip,
    }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter()), ...more],
  });
  provider.register(); // without it every span starts a trace of its own
  telemetry.setTracerProvider(provider);
  return provider;
}
