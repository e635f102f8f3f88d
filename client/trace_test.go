package client

import (
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// A lock that was waited for is two spans, that of the hold within the caller's.
func TestSpans(t *testing.T) {
	t.Parallel()
	h := newHost(t, locks.Config{})
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	c, other := newClient(t, Config{Tracing: provider}, h.addr), newClient(t, Config{}, h.addr)
	first := take(t, other, "k")
	parent, request := provider.Tracer("test").Start(t.Context(), "request")
	got := make(chan *Lock)
	go func() {
		l, err := c.Lock(parent, "k", Using(Advice))
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	eventually(t, "it was refused", func() bool { return h.locks.Lookup([]byte("k"), nil).Counters[stats.Refused] > 0 })
	is(t, "unlock", first.Unlock(), nil)
	l := <-got
	is(t, "unlock", l.Unlock(), nil)
	_, err := c.Lock(t.Context(), "a b")
	is(t, "lock", err, ErrKey)
	request.End()

	want := []struct {
		name    string
		outcome string
		has     []attribute.Key
	}{
		{"lock.acquire", "granted", []attribute.Key{keyAttribute, tokenAttribute, attemptsAttribute, waitedAttribute, strategyAttribute}},
		{"lock.hold", "unlocked", []attribute.Key{keyAttribute, ownerAttribute, tokenAttribute}},
	}
	all := spans.GetSpans()
	for i, w := range want {
		s := all[i]
		if s.Name != w.name || s.Parent.SpanID() != request.SpanContext().SpanID() || s.EndTime.Before(s.StartTime.Add(time.Nanosecond)) {
			t.Errorf("span %d is %s", i, s.Name)
		}
		for _, key := range w.has {
			if !slices.ContainsFunc(s.Attributes, func(a attribute.KeyValue) bool { return a.Key == key }) {
				t.Errorf("%s has no %s", s.Name, key)
			}
		}
		if !slices.Contains(s.Attributes, attribute.String(outcomeAttribute, w.outcome)) {
			t.Errorf("%s has ended otherwise: %v", s.Name, s.Attributes)
		}
	}
}
