package cache_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/cache"
	"github.com/lockcached/lockcached/client/clienttest"
)

// connect returns a client of a server of its own, and what ends both.
func connect() (c *client.Client, stop func()) {
	fake := clienttest.New()
	return fake.Client(), fake.Close
}

func render(_ context.Context, id string) (string, error) {
	fmt.Println("rendering", id)
	return "<h1>Page " + id + "</h1>", nil
}

// docs/recipes.md and the README show what follows, each function or part of one.

// page returns a page. If it is not in the cache, one process of the fleet renders it
// while all others wait for it.
func page(ctx context.Context, c *client.Client, id string) (string, error) {
	return cache.GetOrCompute(ctx, c, "page:"+id, time.Minute, func(ctx context.Context) (string, error) {
		return render(ctx, id)
	})
}

func ExampleGetOrCompute() {
	c, stop := connect()
	defer stop()
	for range 2 {
		fmt.Println(page(context.Background(), c, "17"))
	}
	// Output:
	// rendering 17
	// <h1>Page 17</h1> <nil>
	// <h1>Page 17</h1> <nil>
}

// newPages returns a cache that rather serves an old page than a slow one.
func newPages(c *client.Client, aead cipher.AEAD) *cache.Cache[string] {
	return cache.New(c, cache.Config[string]{
		Name:        "pages",
		TTL:         time.Minute,
		Stale:       time.Hour,       // then it is served a while longer, and rendered in the background
		NegativeTTL: 5 * time.Second, // a database that is down is not asked by everybody in turn
		Wait:        3 * time.Second, // then it is rendered without the lock
		Codec:       sealed[string]{cache.JSON[string]{}, aead},
	})
}

// sealed encrypts what another codec makes.
type sealed[T any] struct {
	cache.Codec[T]
	aead cipher.AEAD // of cipher.NewGCMWithRandomNonce
}

func (s sealed[T]) Encode(value T) ([]byte, error) {
	data, err := s.Codec.Encode(value)
	return s.aead.Seal(nil, nil, data, nil), err
}

func (s sealed[T]) Decode(data []byte) (value T, err error) {
	if data, err = s.aead.Open(nil, nil, data, nil); err != nil {
		return value, err
	}
	return s.Codec.Decode(data)
}

func ExampleCache() {
	c, stop := connect()
	defer stop()
	block, err := aes.NewCipher([]byte("a key of sixteen")) // not in the source, of course
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	pages := newPages(c, aead)
	down := func(context.Context) (string, error) { return "", errors.New("database is down") }
	up := func(ctx context.Context) (string, error) { return render(ctx, "17") }

	_, err = pages.Get(context.Background(), "page:18", down)
	fmt.Println(err)
	_, err = pages.Get(context.Background(), "page:18", up)
	fmt.Println(err)
	for range 2 {
		fmt.Println(pages.Get(context.Background(), "page:17", up))
	}
	s := pages.Stats()
	fmt.Println(s.Hits, s.Negative, s.Misses, s.Computed, s.Failed)
	// Output:
	// database is down
	// computing page:18 failed a short time ago: database is down
	// rendering 17
	// <h1>Page 17</h1> <nil>
	// <h1>Page 17</h1> <nil>
	// 1 1 2 1 1
}
