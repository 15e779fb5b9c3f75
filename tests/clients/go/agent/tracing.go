// OpenTelemetry set-up of a voice agent whose traces go to calltrace. Copy this file into your agent.
//
//	go get go.opentelemetry.io/otel/sdk go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp
//
// The exporter itself reads the address, the key and the certificate from the environment:
// OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _CERTIFICATE, and _COMPRESSION=gzip if you like.

package main

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// externalIDKey is the attribute that links a trace to its call: the call is created with the same
// value as externalId.
const externalIDKey = attribute.Key("roark.external_id")

// traceToCalltrace: one process, one conversation: give its id here, and it stands on every span from the
// first batch on. One process, many conversations: leave it empty and set externalIDKey on each
// conversation's root span.
//
// Call Shutdown of the provider before the process ends; it sends what is still waiting.
func traceToCalltrace(ctx context.Context, service, externalID string, tags map[string]string) (*sdktrace.TracerProvider, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, err
	}
	attributes := []attribute.KeyValue{attribute.String("service.name", service)}
	if externalID != "" {
		attributes = append(attributes, externalIDKey.String(externalID))
	}
	for key, value := range tags {
		attributes = append(attributes, attribute.String("roark.project.tag."+key, value))
	}
	return sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(attributes...)),
	), nil
}
