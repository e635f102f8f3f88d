package clienttrace

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/internal/testhost"
	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// newClient returns a Client that is closed when the test ends.
func newClient(t *testing.T, addr string, observers ...client.Observer) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Servers: []string{addr}, Timeout: testenv.Patience, Observers: observers})
	is(t, "new client", err, nil)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

// A retry is an event of the claim's span.
func TestRetriesAreEvents(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	_, err := newClient(t, "127.0.0.1:1", New(provider)).Lock(t.Context(), "lock:x") // where nobody listens
	is(t, "lock", err, client.ErrUnavailable)
	got := spans.GetSpans()
	if len(got) != 1 || got[0].Name != "lock.acquire" || len(got[0].Events) != client.DefaultTries-1 {
		t.Errorf("%+v", got)
	}
}

// A lock that was waited for is two spans, that of the hold within the caller's.
func TestSpans(t *testing.T) {
	t.Parallel()
	h := testhost.New(t, locks.Config{})
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	c, other := newClient(t, h.Addr, New(provider)), newClient(t, h.Addr)
	first, err := other.Lock(t.Context(), "k")
	is(t, "lock", err, nil)
	parent, request := provider.Tracer("test").Start(t.Context(), "request")
	got := make(chan *client.Lock)
	go func() {
		l, err := c.Lock(parent, "k", client.Using(client.Advice))
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	testenv.Eventually(t, "it was refused", func() bool {
		l, _ := h.Locks.Lookup([]byte("k"), nil)
		return l.Counters[stats.Refused] > 0
	})
	is(t, "unlock", first.Unlock(), nil)
	l := <-got
	is(t, "unlock", l.Unlock(), nil)
	_, err = c.Lock(t.Context(), "a b")
	is(t, "lock", err, client.ErrKey)
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
