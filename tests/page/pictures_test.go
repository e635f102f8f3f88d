package page_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/internal/harness"
)

// laundry is a life for pictures: clients that take locks for a while, in different ways.
func laundry(t *testing.T, s *site, until <-chan struct{}) {
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	client := func(name, key string, hold, pause time.Duration, ttl int32, wait bool) {
		all.Go(func() {
			c := harness.ClientOf(t, s.Address())
			c.Timeout = time.Minute
			time.Sleep(time.Duration(len(name)+int(name[len(name)-1]-'0')) * 300 * time.Millisecond) // not all at once
			for i := 0; ; i++ {
				ask := key
				if wait {
					ask = "lockcached:wait=30s:" + key
				}
				err := c.Add(&memcache.Item{Key: ask, Value: []byte(name), Expiration: ttl})
				if err == nil {
					time.Sleep(hold + time.Duration(i%5)*hold/10)
					_ = c.Delete(key)
				}
				select {
				case <-until:
					return
				case <-time.After(pause):
				}
			}
		})
	}
	for i := range 5 {
		client(fmt.Sprintf("web-%d", i+1), "lock:report:daily", 400*time.Millisecond, 20*time.Millisecond, 10, true)
	}
	for i := range 4 {
		client(fmt.Sprintf("cron-%d", i+1), "lock:index:17", 300*time.Millisecond, 250*time.Millisecond, 5, false)
	}
	for i := range 2 {
		client(fmt.Sprintf("slow-%d", i+1), "import:orders", 1500*time.Millisecond, 100*time.Millisecond, 1, false)
	}
	for i := range 5 {
		client(fmt.Sprintf("worker-%d", i+1), fmt.Sprintf("job/%d/run", 100+i), 4*time.Second, 500*time.Millisecond, 30, false)
	}
	// Two that last longer than usual, the second nearly as long as its TTL.
	for key, ttl := range map[string]int32{"backup:users": 600, "backup:orders": 62} {
		c := harness.ClientOf(t, s.Address())
		for range 8 {
			_ = c.Add(harness.Item(key, "db-1", 60))
			time.Sleep(100 * time.Millisecond)
			_ = c.Delete(key)
		}
		_ = c.Add(harness.Item(key, "db-1", ttl))
	}
}

// TestPictures writes the pictures of the documents:
//
//	LOCKCACHED_PICTURES=docs/img go test -run TestPictures ./tests/page
func TestPictures(t *testing.T) {
	dir := os.Getenv("LOCKCACHED_PICTURES")
	if dir == "" {
		t.Skip("writes pictures into the directory that LOCKCACHED_PICTURES names")
	}
	os.Unsetenv("LOCKCACHED_PICTURES") // the server would warn of it
	s := serve(t, "--admin-write", "--max-wait", "1m")
	until := make(chan struct{})
	laundry(t, s, until)
	defer close(until)
	b := open(t, s.url+"#classes", 1120, 720)
	time.Sleep(50 * time.Second) // until there is something to see
	b.screenshot(dir + "/page-classes.png")
	for name, ready := range map[string]string{
		"now":                             `document.querySelectorAll("tbody tr").length > 5`,
		"lock/" + id("lock:report:daily"): `document.querySelectorAll(".timeline rect.hold").length > 10`,
		"lock/" + id("lock:index:17"):     `document.querySelectorAll(".timeline circle").length > 3`,
		"server":                          `document.querySelectorAll(".settings div").length > 5`,
	} {
		b.visit(name)
		b.waitFor(`document.querySelector("#view").ariaBusy === "false" && %s`, ready)
		time.Sleep(3 * time.Second)
		file := map[string]string{"now": "now", "server": "server", "lock/" + id("lock:report:daily"): "lock"}[name]
		if file == "" {
			file = "lock-polled"
		}
		b.screenshot(dir + "/page-" + file + ".png")
	}
	phone := open(t, s.url+"#lock/"+id("lock:report:daily"), 390, 844, dark())
	phone.waitFor(`document.querySelectorAll(".timeline rect.hold").length > 10`)
	phone.screenshot(dir + "/page-phone.png")
}
