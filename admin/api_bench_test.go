package admin

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
)

// What it costs to put the answers together that open pages ask for.
func BenchmarkAnswers(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		m := locks.NewManager(locks.Config{NamedClasses: 100, Recent: true})
		a := &api{Config: Config{Locks: m, Server: server.New(server.Config{Locks: m})}, health: new(Health)}
		for i := range n {
			_, _ = m.Put(&locks.Put{Op: locks.Add, Key: fmt.Appendf(nil, "lock:%d", i), Value: []byte("ann"), Lease: time.Hour, Session: new(locks.Session)})
		}
		b.Run(fmt.Sprint("locks/", n), func(b *testing.B) {
			for b.Loop() {
				a.locks(200, nil)
			}
		})
		b.Run(fmt.Sprint("classes/", n), func(b *testing.B) {
			for b.Loop() {
				_, _ = json.Marshal(a.classes())
			}
		})
		b.Run(fmt.Sprint("server/", n), func(b *testing.B) {
			for b.Loop() {
				_, _ = json.Marshal(a.serverDocument(time.Now()))
			}
		})
	}
}
