package client

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Attributes of the spans lock.acquire and lock.hold.
const (
	keyAttribute      = "lockcached.key"
	ownerAttribute    = "lockcached.owner"
	tokenAttribute    = "lockcached.token"
	attemptsAttribute = "lockcached.attempts"
	waitedAttribute   = "lockcached.waited_ms"
	rankAttribute     = "lockcached.rank" // how many waited ahead, when we last knew
	strategyAttribute = "lockcached.strategy"
	outcomeAttribute  = "lockcached.outcome"
)

func (c *Client) startAcquire(ctx context.Context, cl *claim) (context.Context, trace.Span) {
	return c.tracer.Start(ctx, "lock.acquire", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String(keyAttribute, cl.hold.key)))
}

// endAcquire tells how a claim ended.
func (c *Client) endAcquire(span trace.Span, cl *claim, l *Lock, err error) {
	defer span.End()
	c.metrics.claimed(cl, err)
	span.SetAttributes(
		attribute.Int(attemptsAttribute, cl.tries),
		attribute.Int64(waitedAttribute, time.Since(cl.begun).Milliseconds()),
		attribute.String(strategyAttribute, cl.chosen.String()),
		attribute.String(outcomeAttribute, outcome(err)),
	)
	if cl.rank >= 0 {
		span.SetAttributes(attribute.Int(rankAttribute, cl.rank))
	}
	if l != nil {
		span.SetAttributes(tokenOf(l))
	} else if !errors.Is(err, ErrHeld) { // which is no fault
		span.SetStatus(codes.Error, err.Error())
	}
}

// outcome of a claim in one word.
func outcome(err error) string {
	switch {
	case err == nil:
		return "granted"
	case errors.Is(err, ErrHeld):
		return "held"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	case errors.Is(err, errInterrupted):
		return "interrupted"
	}
	return "failed"
}

// tokenOf is below 2^63 until the year 2262: tokens begin at the clock in nanoseconds.
func tokenOf(l *Lock) attribute.KeyValue { return attribute.Int64(tokenAttribute, int64(l.token)) }

func (c *Client) startHold(ctx context.Context, l *Lock) (context.Context, trace.Span) {
	return c.tracer.Start(ctx, "lock.hold", trace.WithAttributes(
		attribute.String(keyAttribute, l.hold.key), attribute.String(ownerAttribute, l.hold.owner), tokenOf(l)))
}

func (c *Client) endHold(l *Lock, err error) {
	c.metrics.ended(l.hold.key, time.Since(l.granted), err)
	end := "unlocked"
	if err != nil {
		end = "lost"
		l.span.SetStatus(codes.Error, err.Error())
	}
	l.span.SetAttributes(attribute.String(outcomeAttribute, end))
	l.span.End()
}
