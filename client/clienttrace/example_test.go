package clienttrace_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/clienttest"
	"github.com/lockcached/lockcached/client/clienttrace"
)

// A lock is two spans: how it was acquired, and how it was held.
func Example() {
	fake := clienttest.New()
	defer fake.Close()
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans)) // or otel.GetTracerProvider()
	config := fake.Config()                                             // in production: client.Config{Servers: ...}
	config.Observers = []client.Observer{clienttrace.New(provider)}
	c, err := client.New(config)
	if err != nil {
		panic(err)
	}
	defer c.Close()

	err = c.Do(context.Background(), "lock:report", func(context.Context) error { return nil })
	for _, span := range spans.Ended() {
		fmt.Println(span.Name())
	}
	fmt.Println(err)
	// Output:
	// lock.acquire
	// lock.hold
	// <nil>
}
