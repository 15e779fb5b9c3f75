// What each source pastes, with the reader's own address and key filled in. Pure.
import { sourceName } from "../base/conversations";

declare const SNIPPETS: Record<"livekit-python" | "livekit-node" | "python" | "typescript" | "go", string>;

export interface Step { title: string; text?: string; code?: string; file?: string }
export interface Place { url: string; key: string | null }
export interface Source { id: string; name: string; attribute: string; steps: (place: Place) => Step[] }

/** Stands for the key until one was made. */
export const NO_KEY = "YOUR_KEY";
const keyOf = (place: Place): string => place.key ?? NO_KEY;

const environment = (place: Place): Step => ({
  title: "Say where and with which key",
  text: "In the shell, the container or the service that runs the agent. Where the server has a certificate of its own authority, as ./calltrace up makes one, set OTEL_EXPORTER_OTLP_CERTIFICATE to its ca.pem as well.",
  code: `export OTEL_EXPORTER_OTLP_ENDPOINT="${place.url}"\nexport OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20${keyOf(place)}"`,
});

const createCall = (place: Place, field: string, value: string): Step => ({
  title: "Create the call",
  text: `Before, during or after it; the link follows at once. ${field} equals the attribute of the traces, byte for byte.`,
  code: `curl "${place.url}/v1/call" \\\n  -H "Authorization: Bearer ${keyOf(place)}" -H "Content-Type: application/json" \\\n  -d '{"${field}": "${value}", "startedAt": "2026-01-02T03:04:05Z"}'`,
});

const webhook = (place: Place): Step => ({
  title: "Let LiveKit tell of the call",
  text: "In LiveKit's dashboard under Settings, Webhooks. It is signed by an API key of your LiveKit project, which calltrace must know: ./calltrace admin livekit add. Without the webhook, create the call with POST /v1/call and livekitRoomId.",
  code: `${place.url}/v1/integrations/livekit`,
});

const file = (name: string, title: string, code: string): Step => ({ title, file: name, code });

const useExternal = (code: string): Step => ({
  title: "Use it", text: "The value is your own id of the call. Put it on the resource where one process serves one call, on the root span where it serves many.", code,
});

export const SOURCES: Source[] = [
  {
    id: "livekit-python", name: "LiveKit Python", attribute: "livekit.room.id", steps: (place) => [
      { title: "Install the exporter", code: "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http" },
      environment(place), file("tracing.py", "Put this file beside your agent", SNIPPETS["livekit-python"]),
      { title: "Call it first thing in the entrypoint", code: "async def entrypoint(ctx: JobContext):\n    provider = trace_to_calltrace(ctx)\n    ctx.add_shutdown_callback(flush_of(provider))" },
      webhook(place),
    ],
  },
  {
    id: "livekit-node", name: "LiveKit Node", attribute: "livekit.room.id", steps: (place) => [
      { title: "Install the exporter", code: "npm install @opentelemetry/sdk-trace-node @opentelemetry/resources @opentelemetry/exporter-trace-otlp-proto" },
      environment(place), file("tracing.ts", "Put this file beside your agent", SNIPPETS["livekit-node"]),
      { title: "Call it first thing in the entry", code: "export default defineAgent({\n  entry: async (ctx) => {\n    const provider = traceToCalltrace(ctx.job.room!.sid);\n    ctx.addShutdownCallback(() => provider.forceFlush());" },
      webhook(place),
    ],
  },
  {
    id: "vapi", name: sourceName("vapi"), attribute: "vapi.call.id", steps: (place) => [
      { title: "Set the server URL", text: "Of an assistant, a phone number or the organization. VAPI sends no traces: calltrace makes the trace of a call from its end-of-call-report. Leave end-of-call-report and status-update among the server messages.",
        code: `${place.url}/v1/integrations/vapi` },
      { title: "Give VAPI the key", text: "As a bearer credential of that server, or as its secret.", code: keyOf(place) },
      { title: "Or send reports on", text: "When your assistant has another server already, it sends the body on as it came.",
        code: `curl "${place.url}/v1/integrations/vapi" \\\n  -H "Authorization: Bearer ${keyOf(place)}" -H "Content-Type: application/json" \\\n  --data-binary @message.json` },
    ],
  },
  {
    id: "pipecat", name: "Pipecat", attribute: "roark.external_id", steps: (place) => [
      { title: "Install the exporter", code: 'pip install "pipecat-ai[tracing]" opentelemetry-exporter-otlp-proto-http' },
      environment(place),
      { title: "Switch tracing on, with your own id of the call", code: 'from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\nfrom pipecat.utils.tracing.setup import setup_tracing\n\nsetup_tracing("voice-agent", exporter=OTLPSpanExporter())\n\nworker = PipelineWorker(\n    pipeline,\n    enable_tracing=True,\n    conversation_id=call_id,\n    additional_span_attributes={"roark.external_id": call_id},\n)' },
      createCall(place, "externalId", "call-42"),
    ],
  },
  {
    id: "typescript", name: "TypeScript", attribute: "roark.external_id", steps: (place) => [
      { title: "Install the SDK", code: "npm install @opentelemetry/api @opentelemetry/sdk-node @opentelemetry/resources @opentelemetry/exporter-trace-otlp-proto" },
      environment(place), file("tracing.ts", "Put this file into your program", SNIPPETS.typescript),
      useExternal("const sdk = traceToCalltrace({ 'roark.external_id': callId });\n// ...\nawait sdk.shutdown(); // sends what is still waiting"),
      createCall(place, "externalId", "call-42"),
    ],
  },
  {
    id: "go", name: "Go", attribute: "roark.external_id", steps: (place) => [
      { title: "Get the SDK", code: "go get go.opentelemetry.io/otel go.opentelemetry.io/otel/sdk \\\n  go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp" },
      environment(place), file("tracing.go", "Put this file into your program", SNIPPETS.go),
      useExternal('provider, err := traceToCalltrace(ctx, attribute.String("roark.external_id", callID))\n// ...\nerr = provider.Shutdown(ctx) // sends what is still waiting'),
      createCall(place, "externalId", "call-42"),
    ],
  },
  {
    id: "python", name: "Python", attribute: "roark.external_id", steps: (place) => [
      { title: "Install the SDK", code: "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http" },
      environment(place), file("tracing.py", "Put this file into your program", SNIPPETS.python),
      useExternal('provider = trace_to_calltrace({"roark.external_id": call_id})\n# ...\nprovider.shutdown()  # sends what is still waiting'),
      createCall(place, "externalId", "call-42"),
    ],
  },
  {
    id: "collector", name: "Collector", attribute: "roark.external_id", steps: (place) => [
      { title: "Add an exporter to its configuration", text: "The agents behind it set roark.external_id or livekit.room.id themselves. Set tls.ca_file where the server has a certificate of its own authority.",
        code: `exporters:\n  otlphttp/calltrace:\n    endpoint: ${place.url}\n    headers:\n      Authorization: Bearer ${keyOf(place)}\n\nservice:\n  pipelines:\n    traces:\n      receivers: [otlp]\n      exporters: [otlphttp/calltrace]` },
      createCall(place, "externalId", "call-42"),
    ],
  },
];

export const sourceOf = (id: string | undefined): Source => SOURCES.find((one) => one.id === id) ?? SOURCES[0]!;
