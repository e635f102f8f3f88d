package clientmetrics_test

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/clientmetrics"
	"github.com/lockcached/lockcached/client/clienttest"
)

// One Metrics observes all Clients of a program.
func Example() {
	fake := clienttest.New()
	defer fake.Close()
	metrics := clientmetrics.New()
	registry := prometheus.NewRegistry() // or prometheus.DefaultRegisterer
	registry.MustRegister(metrics)
	config := fake.Config() // in production: client.Config{Servers: ...}
	config.Observers = []client.Observer{metrics}
	c, err := client.New(config)
	if err != nil {
		panic(err)
	}
	defer c.Close()

	err = c.Do(context.Background(), "lock:report", func(context.Context) error { return nil })
	families, _ := registry.Gather()
	for _, family := range families {
		if family.GetName() == "lockcached_client_lock_acquisitions_total" {
			fmt.Println(family.GetName(), family.GetMetric()[0].GetCounter().GetValue(), err)
		}
	}
	// Output:
	// lockcached_client_lock_acquisitions_total 1 <nil>
}
