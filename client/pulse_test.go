package client_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/clienttest"
)

// A swallower leads to a server. When it is silent, it takes what comes, and gives
// nothing back, on old connections and on new ones.
type swallower struct {
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	silent atomic.Bool
}

func (s *swallower) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := s.dial(ctx, network, addr)
	return &swallowed{conn, s}, err
}

type swallowed struct {
	net.Conn
	by *swallower
}

func (s *swallowed) Write(b []byte) (int, error) {
	if s.by.silent.Load() {
		return len(b), nil
	}
	return s.Conn.Write(b)
}

func (s *swallowed) Read(b []byte) (int, error) {
	for {
		n, err := s.Conn.Read(b)
		if err != nil || !s.by.silent.Load() {
			return n, err
		}
	}
}

// A path that dies without a word is noticed by who waits in line, and so is its return.
func TestSilentPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := clienttest.New()
		defer fake.Close()
		release, err := fake.Hold("k")
		if err != nil {
			t.Fatal(err)
		}
		config := fake.Config()
		path := &swallower{dial: config.Dial}
		config.Dial = path.connect
		c, err := client.New(config)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()

		for range 3 {
			failed := make(chan error)
			go func() {
				_, err := c.Lock(t.Context(), "k")
				failed <- err
			}()
			time.Sleep(20 * time.Second) // a wait in line, of which nothing is heard
			synctest.Wait()
			if fake.Queued("k") != 1 {
				t.Fatalf("%d wait in line", fake.Queued("k"))
			}
			path.silent.Store(true)
			began := time.Now()
			err := <-failed
			if took := time.Since(began); !errors.Is(err, client.ErrUnavailable) || took > 7*time.Second {
				t.Errorf("after %v: %v", took, err)
			}
			path.silent.Store(false)
			time.Sleep(20 * time.Second) // until a probe may find it back
		}
		release()
		l, err := c.Lock(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Unlock(); err != nil {
			t.Error(err)
		}
	})
}
