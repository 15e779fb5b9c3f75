#include "tests/unit/integrations/vapi_fixture.h"

#include "tests/unit/expect.h"

#include "api/integrations/vapi/json.h"
#include "api/rest/intake.h"

#include "proto/base/banned.h"

const char *const fixture_report =
    "{\"message\":{\"type\":\"end-of-call-report\",\"timestamp\":1772000020000,"
    "\"endedReason\":\"customer-ended-call\",\"startedAt\":\"2026-02-25T06:13:20.000Z\","
    "\"endedAt\":\"2026-02-25T06:13:35.000Z\",\"cost\":0.0421,"
    "\"costs\":[{\"type\":\"transport\"},{\"type\":\"model\",\"model\":{\"provider\":\"openai\","
    "\"model\":\"gpt-4o\"},\"promptTokens\":1200,\"completionTokens\":90,\"cachedPromptTokens\":"
    "512}],"
    "\"analysis\":{\"summary\":\"Opening hours.\"},"
    "\"call\":{\"id\":\"7d3f0c1e-0b5a-4f6e-9c1d-2a3b4c5d6e7f\",\"type\":\"outboundPhoneCall\","
    "\"assistantId\":\"as_1\",\"name\":\"first "
    "try\",\"customer\":{\"number\":\"+49151\",\"name\":\"Max\"}},"
    "\"assistant\":{\"name\":\"Ada\",\"transcriber\":{\"provider\":\"deepgram\",\"model\":\"nova-"
    "2\"},"
    "\"voice\":{\"provider\":\"11labs\",\"model\":\"turbo\",\"voiceId\":\"sarah\"}},"
    "\"artifact\":{\"recordingUrl\":\"https://x.example/mono.wav\",\"logUrl\":\"https://x.example/"
    "log\","
    "\"presignedLogUrl\":\"https://x.example/log?signed\","
    "\"performanceMetrics\":{\"turnLatencies\":["
    "{\"modelLatency\":600,\"voiceLatency\":250,\"transcriberLatency\":120,\"endpointingLatency\":"
    "180,"
    "\"turnLatency\":2400},{\"modelLatency\":300,\"voiceLatency\":200,\"transcriberLatency\":100,"
    "\"endpointingLatency\":150,\"turnLatency\":800}]},"
    "\"messages\":[{\"role\":\"system\",\"message\":\"You are Ada.\",\"time\":1772000000000},"
    "{\"role\":\"bot\",\"message\":\"Hello.\",\"time\":1772000001200,\"endTime\":1772000003000},"
    "{\"role\":\"user\",\"message\":\"When do you "
    "open?\",\"time\":1772000004000,\"endTime\":1772000005500},"
    "{\"role\":\"tool_calls\",\"time\":1772000006400,\"toolCalls\":[{\"id\":\"c1\",\"function\":"
    "{\"name\":\"hours\",\"arguments\":\"{\\\"day\\\":\\\"monday\\\"}\"}}]},"
    "{\"role\":\"tool_call_result\",\"toolCallId\":\"c1\",\"name\":\"hours\",\"result\":\"nine\","
    "\"time\":1772000007000},"
    "{\"role\":\"bot\",\"message\":\"At nine.\",\"time\":1772000007900,\"endTime\":1772000009500},"
    "{\"role\":\"user\",\"message\":\"Thanks.\",\"time\":1772000010500,\"endTime\":1772000011200},"
    "{\"role\":\"assistant\",\"message\":\"Bye.\",\"time\":1772000012000,\"endTime\":1772000013000}"
    "]}}}";

#define ROW(at, event, more) \
    "{\"time\":17720000" #at ",\"attributes\":{\"event\":\"" event "\"" more "}}\n"

const char *const fixture_log = ROW(00900, "pipeline.firstMessageStarted", ",\"turnId\":0") ROW(
    01000, "assistant.voice.requestStarted",
    ",\"turnId\":0,\"spanId\":\"v0\"") ROW(01180, "assistant.voice.firstAudioReceived",
                                           ",\"turnId\":0,\"spanId\":\"v0\",\"latency\":180")
    ROW(01200, "pipeline.botSpeechStarted",
        ",\"turnId\":0") ROW(03000, "pipeline.botSpeechStopped",
                             ",\"turnId\":0") ROW(04300, "assistant.transcriber.partialTranscript",
                                                  ",\"turnId\":\"1\",\"channel\":\"user\"")
        ROW(04900, "assistant.transcriber.partialTranscript",
            ",\"turnId\":\"1\",\"channel\":\"user\"") ROW(05500, "pipeline.userSpeechStopped", "")
            ROW(05620, "assistant.transcriber.finalTranscript",
                ",\"turnId\":\"1\",\"channel\":\"user\",\"transcript\":\"When do you open?\"")
                ROW(05680, "pipeline.endpointingTriggered", ",\"turnId\":\"1\"") ROW(
                    05700, "assistant.model.requestStarted", ",\"turnId\":\"1\",\"spanId\":\"m1\"")
                    ROW(06300, "assistant.model.firstTokenReceived",
                        ",\"turnId\":\"1\",\"spanId\":\"m1\",\"latency\":600")
                        ROW(06380, "assistant.model.responseSucceeded",
                            ",\"turnId\":\"1\",\"spanId\":\"m1\"")
                            ROW(06400, "assistant.tool.started",
                                ",\"turnId\":\"1\",\"spanId\":\"t1\"")
                                ROW(07000, "assistant.tool.completed",
                                    ",\"turnId\":\"1\",\"spanId\":\"t1\",\"duration\":600")
                                    ROW(07900, "pipeline.botSpeechStarted",
                                        ",\"turnId\":\"1\"") ROW(09500, "pipeline.botSpeechStopped",
                                                                 ",\"turnId\":\"1\"")
                                        ROW(11200, "pipeline.userSpeechStopped",
                                            "") ROW(11400, "assistant.model.requestStarted",
                                                    ",\"turnId\":\"2\",\"spanId\":\"m2\"")
                                            ROW(11700, "assistant.model.firstTokenReceived",
                                                ",\"turnId\":\"2\",\"spanId\":\"m2\",\"latency\":"
                                                "300") ROW(12000, "pipeline.botSpeechStarted",
                                                           ",\"turnId\":\"2\"")
                                                ROW(12600, "pipeline.cleared",
                                                    ",\"turnId\":\"3\",\"wasInterruption\":true")
                                                    ROW(12700, "pipeline.botSpeechStopped",
                                                        ",\"turnId\":\"2\"")
                                                        ROW(14900, "assistant.model.cleanup",
                                                            ",\"turnId\":\"CLEAN_UP\"");

json_t *fixture_json(const char *text)
{
    struct detail detail = {0};
    json_t *json = NULL;
    EXPECT_OK(intake_json(bytes_of_text(text), &detail, &json));
    return json;
}

struct vapi_report fixture_read(const json_t *json, struct arena *arena)
{
    struct detail detail = {0};
    struct vapi_report report = {.kind = VAPI_KIND_OTHER};
    EXPECT_OK(vapi_report_read(json, (struct unix_ns){0}, arena, &detail, &report));
    return report;
}

struct vapi_log fixture_log_read(const char *lines, struct arena *arena)
{
    struct vapi_log log = {.count = 0};
    EXPECT_OK(vapi_log_read(bytes_of_text(lines), 1000, arena, &log));
    return log;
}
