package clienttrace

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lockcached/lockcached/client/cache"
	"github.com/lockcached/lockcached/client/internal/testhost"
	"github.com/lockcached/lockcached/locks"
)

// told returns the spans cache.compute that have ended.
func told(recorder *tracetest.SpanRecorder) (spans []trace.ReadOnlySpan) {
	for _, span := range recorder.Ended() {
		if span.Name() == "cache.compute" {
			spans = append(spans, span)
		}
	}
	return spans
}

// attributeOf is what a span says under a key.
func attributeOf(span trace.ReadOnlySpan, key string) attribute.Value {
	for _, a := range span.Attributes() {
		if string(a.Key) == key {
			return a.Value
		}
	}
	return attribute.Value{}
}

// TestCacheSpans: who computed, who waited for it, and who failed.
func TestCacheSpans(t *testing.T) {
	t.Parallel()
	h := testhost.New(t, locks.Config{})
	recorder := tracetest.NewSpanRecorder()
	tracer := New(trace.NewTracerProvider(trace.WithSpanProcessor(recorder)))
	computer := cache.New(newClient(t, h.Addr, tracer), cache.Config[string]{Name: "pages"})
	waiter := cache.New(newClient(t, h.Addr, tracer), cache.Config[string]{Name: "pages"})

	waited := make(chan error, 1)
	_, err := computer.Get(t.Context(), "page:1", func(context.Context) (string, error) {
		go func() {
			_, err := waiter.Get(t.Context(), "page:1", func(context.Context) (string, error) {
				t.Error("computed")
				return "", nil
			})
			waited <- err
		}()
		h.Queued(t, "lock:page:1", 1)
		return "page", nil
	})
	is(t, "computing", err, nil)
	is(t, "waiting", <-waited, nil)
	errDown := errors.New("database is down")
	_, err = computer.Get(t.Context(), "page:2", func(context.Context) (string, error) { return "", errDown })
	is(t, "failing", err, errDown)

	var outcomes []string
	for _, span := range told(recorder) {
		outcome := attributeOf(span, outcomeAttribute).AsString()
		outcomes = append(outcomes, outcome)
		if cache := attributeOf(span, cacheAttribute).AsString(); cache != "pages" {
			t.Errorf("%s: of cache %q", outcome, cache)
		}
		if key := attributeOf(span, keyAttribute).AsString(); !strings.HasPrefix(key, "page:") {
			t.Errorf("%s: of key %q", outcome, key)
		}
		// Whoever waits may find the value before the lock.
		if token := attributeOf(span, tokenAttribute).AsInt64(); token == 0 && outcome != "waited" {
			t.Errorf("%s: no token", outcome)
		}
		if attributeOf(span, waitedAttribute).Type() != attribute.INT64 {
			t.Errorf("%s: does not tell how long it waited", outcome)
		}
		if failed := span.Status().Code == codes.Error; failed != (outcome == "failed") {
			t.Errorf("%s: status %v", outcome, span.Status())
		}
	}
	if slices.Sort(outcomes); !slices.Equal(outcomes, []string{"computed", "failed", "waited"}) {
		t.Errorf("outcomes %q", outcomes)
	}
}
