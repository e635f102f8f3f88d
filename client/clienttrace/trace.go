// Package clienttrace makes OpenTelemetry's spans of what Clients of package client, and
// the caches on top of them, do. What happens is decided there.
//
//	tracing := clienttrace.New(otel.GetTracerProvider())
//	c, err := client.New(client.Config{Servers: servers, Observers: []client.Observer{tracing}})
package clienttrace

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/cache"
)

// Attributes of the spans lock.acquire, lock.hold and cache.compute.
const (
	keyAttribute      = "lockcached.key"
	ownerAttribute    = "lockcached.owner"
	tokenAttribute    = "lockcached.token"
	attemptsAttribute = "lockcached.attempts"
	waitedAttribute   = "lockcached.waited_ms"
	rankAttribute     = "lockcached.rank" // how many waited ahead, when we last knew
	strategyAttribute = "lockcached.strategy"
	outcomeAttribute  = "lockcached.outcome"
	cacheAttribute    = "lockcached.cache" // its name
)

// A Tracer is an Observer that makes spans: lock.acquire for each call of Lock and TryLock,
// with an event for each retry, lock.hold for each lock that was granted, and cache.compute
// for each miss of a cache.
type Tracer struct{ tracer trace.Tracer }

// New returns a Tracer whose spans are the provider's.
func New(provider trace.TracerProvider) *Tracer {
	return &Tracer{provider.Tracer("github.com/lockcached/lockcached/client")}
}

// Acquire makes the span lock.acquire.
func (t *Tracer) Acquire(ctx context.Context, key string) (context.Context, func(client.Acquisition)) {
	ctx, span := t.tracer.Start(ctx, "lock.acquire", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String(keyAttribute, key)))
	return ctx, func(a client.Acquisition) {
		defer span.End()
		span.SetAttributes(
			attribute.Int(attemptsAttribute, a.Tries),
			attribute.Int64(waitedAttribute, a.Waited.Milliseconds()),
			attribute.String(strategyAttribute, a.Strategy),
			attribute.String(outcomeAttribute, a.Outcome()),
		)
		if a.Rank >= 0 {
			span.SetAttributes(attribute.Int(rankAttribute, a.Rank))
		}
		switch {
		case a.Err == nil:
			span.SetAttributes(tokenOf(a.Token))
		case !errors.Is(a.Err, client.ErrHeld): // which is no fault
			span.SetStatus(codes.Error, a.Err.Error())
		}
	}
}

// tokenOf is below 2^63 until the year 2262: tokens begin at the clock in nanoseconds.
func tokenOf(token uint64) attribute.KeyValue { return attribute.Int64(tokenAttribute, int64(token)) }

// Hold makes the span lock.hold.
func (t *Tracer) Hold(ctx context.Context, grant client.Grant) (context.Context, func(lost error)) {
	ctx, span := t.tracer.Start(ctx, "lock.hold", trace.WithAttributes(
		attribute.String(keyAttribute, grant.Key), attribute.String(ownerAttribute, grant.Owner), tokenOf(grant.Token)))
	return ctx, func(lost error) {
		defer span.End()
		outcome := "unlocked"
		if lost != nil {
			outcome = "lost"
			span.SetStatus(codes.Error, lost.Error())
		}
		span.SetAttributes(attribute.String(outcomeAttribute, outcome))
	}
}

// Renewed does nothing: a renewal is part of its hold.
func (*Tracer) Renewed(string) {}

// Retried adds an event to the span that the context is in.
func (*Tracer) Retried(ctx context.Context, retry client.Retry) {
	trace.SpanFromContext(ctx).AddEvent("retry", trace.WithAttributes(
		attribute.String("server", retry.Server),
		attribute.Int("attempt", retry.Attempt),
		attribute.Int64("pause_ms", retry.Pause.Milliseconds()),
		attribute.String("cause", retry.Err.Error()),
	))
}

// Failed does nothing: the span of each call tells.
func (*Tracer) Failed(string) {}

// Compute makes the span cache.compute.
func (t *Tracer) Compute(ctx context.Context, name, key string) (context.Context, func(cache.Computation)) {
	ctx, span := t.tracer.Start(ctx, "cache.compute", trace.WithAttributes(
		attribute.String(cacheAttribute, name), attribute.String(keyAttribute, key)))
	return ctx, func(c cache.Computation) {
		defer span.End()
		if c.Waited >= 0 {
			span.SetAttributes(attribute.Int64(waitedAttribute, c.Waited.Milliseconds()))
		}
		if c.Token > 0 {
			span.SetAttributes(tokenOf(c.Token))
		}
		if c.Outcome != "" {
			span.SetAttributes(attribute.String(outcomeAttribute, c.Outcome))
		}
		if c.Err != nil {
			span.RecordError(c.Err)
			span.SetStatus(codes.Error, c.Err.Error())
		}
	}
}

// Watch does nothing: what caches count makes no spans.
func (*Tracer) Watch(string, func() cache.Stats) {}
