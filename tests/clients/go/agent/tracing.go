package main

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// traceToCalltrace is how a Go program sends its traces to calltrace; call it once, before the first span.
//
//	provider, err := traceToCalltrace(ctx, attribute.String("roark.external_id", callID))
//	...
//	err = provider.Shutdown(ctx) // sends what is still waiting
//
// The exporter reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE and _COMPRESSION. The link is on the
// resource, and so on every span. Where one process serves many calls, give none here and set roark.external_id on
// the root span of each call. POST /v1/call gets the same value as externalId.
func traceToCalltrace(ctx context.Context, link ...attribute.KeyValue) (*sdktrace.TracerProvider, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, err
	}
	attributes := append([]attribute.KeyValue{attribute.String("service.name", "voice-agent")}, link...)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(attributes...)),
	)
	otel.SetTracerProvider(provider)
	return provider, nil
}
