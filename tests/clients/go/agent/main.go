// A voice agent that sends the trace of one call to calltrace.
//
//	source var/env                     # from ./calltrace up: address, key, certificate
//	go run ./agent my-call-1
//
// The exporter itself reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE and _COMPRESSION.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

var tracer trace.Tracer

// step makes one span around inside; its ids go to standard output.
func step(ctx context.Context, name string, inside func(context.Context), attributes ...attribute.KeyValue) {
	ctx, span := tracer.Start(ctx, name, trace.WithAttributes(attributes...))
	defer span.End()
	ids := span.SpanContext()
	json.NewEncoder(os.Stdout).Encode(map[string]string{
		"traceId": ids.TraceID().String(), "spanId": ids.SpanID().String(), "name": name,
	})
	if inside != nil {
		inside(ctx)
	}
}

// argument gives the nth word of the command line, or what stands for it.
func argument(n int, otherwise string) string {
	if len(os.Args) > n {
		return os.Args[n]
	}
	return otherwise
}

func main() {
	externalID := argument(1, fmt.Sprintf("call-%d", time.Now().UnixMilli()))
	place := argument(2, "resource")
	turns, err := strconv.Atoi(argument(3, "3"))
	if err != nil {
		log.Fatal(err)
	}

	// This attribute is the link: POST /v1/call gets the same value as externalId (see ../call).
	// It may stand on the resource, and so on every span, or on the root span alone.
	link := attribute.String("roark.external_id", externalID)

	ctx := context.Background()
	resource, root := []attribute.KeyValue{link}, []attribute.KeyValue{}
	if place == "root" {
		resource, root = root, resource
	}
	provider, err := traceToCalltrace(ctx, resource...)
	if err != nil {
		log.Fatal(err)
	}
	tracer = provider.Tracer("voice-agent")

	step(ctx, "agent_session", func(ctx context.Context) {
		for turn := 1; turn <= turns; turn++ {
			step(ctx, "user_turn", nil, attribute.String("lk.user_transcript", fmt.Sprintf("question %d", turn)))
			step(ctx, "agent_turn", func(ctx context.Context) {
				step(ctx, "llm_node", nil, attribute.String("gen_ai.request.model", "gpt-4o"),
					attribute.Int("gen_ai.usage.input_tokens", 100*turn))
				step(ctx, "tts_node", nil, attribute.String("lk.response.text", fmt.Sprintf("answer %d", turn)))
			})
		}
	}, root...)

	if err := provider.Shutdown(ctx); err != nil { // sends what is still waiting
		log.Fatal(err)
	}
}
