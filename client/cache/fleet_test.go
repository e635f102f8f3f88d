package cache

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lockcached/lockcached/client"
	"github.com/lockcached/lockcached/client/internal/testhost"
	"github.com/lockcached/lockcached/internal/testenv"
	"github.com/lockcached/lockcached/locks"
)

// These are stories of a fleet: processes, which are this test binary run again, and
// goroutines in each, all of which want one value that nobody has computed yet.

const (
	fleetMembers    = 20
	fleetGoroutines = 50 // in each
	fleetComputing  = time.Second
	fleetLease      = time.Hour // no lease ends because the machine is slow
)

// memberTask is what a member reads from its environment.
type memberTask struct {
	Address string
	FailOne string // if not "", a file: the computation that makes it fails
	HangOne string // likewise: the computation that makes it has no end
}

const asMember = "LOCKCACHED_TEST_FLEET_MEMBER"

// event is what a member tells.
type event struct {
	Member int `json:"-"` // its process id
	What   string
	At     int64 // of a value: when a goroutine had it, in nanoseconds
	Made   int64 // and when computing it ended
	Error  string
}

const (
	ready     = "ready"
	computing = "computing"
	gotValue  = "value"
	gotError  = "error"
	done      = "done" // all goroutines of a member have an outcome
	gone      = "gone" // told in a member's place
)

// errOnce is how a computation fails.
var errOnce = errors.New("the first one fails")

// TestFleetMember is a member of a fleet, and of itself nothing. It tells events in
// file 3, begins at the end of its standard input, and tells the outcomes and goes at
// the end of file 4: before that it would keep the others waiting.
func TestFleetMember(t *testing.T) {
	var task memberTask
	if json.Unmarshal([]byte(os.Getenv(asMember)), &task) != nil {
		return
	}
	out := json.NewEncoder(os.NewFile(3, "events"))
	tell := func(e event) {
		if err := out.Encode(e); err != nil {
			t.Error(err)
		}
	}
	c, err := client.New(client.Config{
		Servers: []string{task.Address}, Timeout: testenv.Patience,
		Tries: 10, // on a slow machine an outage lasts
	})
	is(t, "new client", err, nil)
	defer c.Close()
	m := New(c, Config[int64]{Lease: fleetLease})
	_, err = c.Read(t.Context(), "page:1")
	is(t, "get", err, nil)
	tell(event{What: ready})
	_, _ = io.Copy(io.Discard, os.Stdin)

	outcomes := make(chan event, fleetGoroutines)
	var callers sync.WaitGroup
	for range fleetGoroutines {
		callers.Go(func() {
			made, err := m.Get(t.Context(), "page:1", func(ctx context.Context) (int64, error) {
				tell(event{What: computing})
				return task.compute(ctx)
			})
			e := event{What: gotValue, At: time.Now().UnixNano(), Made: made}
			if err != nil {
				e = event{What: gotError, Error: err.Error()}
			}
			outcomes <- e
		})
	}
	callers.Wait()
	tell(event{What: done})
	_, _ = io.Copy(io.Discard, os.NewFile(4, "end"))
	for range fleetGoroutines {
		tell(<-outcomes)
	}
}

// compute takes its time, and returns when it was.
func (task *memberTask) compute(ctx context.Context) (int64, error) {
	after := time.After(fleetComputing)
	if isFirst(task.HangOne) {
		after = nil
	}
	select {
	case <-after:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if isFirst(task.FailOne) {
		return 0, errOnce
	}
	return time.Now().UnixNano(), nil
}

// isFirst makes a file, and reports whether nobody else had done so. Without a name
// nobody is first.
func isFirst(file string) bool {
	if file == "" {
		return false
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL, 0o600)
	return err == nil && f.Close() == nil
}

// fleet is its members, and what they tell.
type fleet struct {
	t       *testing.T
	members map[int]*exec.Cmd // by process id
	events  chan event
	begin   *os.File // closed when they are to begin,
	finish  *os.File // and when all are done
}

func startFleet(t *testing.T, task memberTask) *fleet {
	t.Helper()
	stdin, begin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	end, finish, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	f := &fleet{
		t: t, members: make(map[int]*exec.Cmd), events: make(chan event, 4*fleetMembers*fleetGoroutines),
		begin: begin, finish: finish,
	}
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	t.Cleanup(readers.Wait)
	for range fleetMembers {
		member := exec.Command(os.Args[0], "-test.run=^TestFleetMember$", "-test.timeout="+testenv.Patience.String())
		member.Env = append(os.Environ(), asMember+"="+string(text))
		events, told, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		member.Stdin, member.Stderr, member.ExtraFiles = stdin, os.Stderr, []*os.File{told, end}
		if err := member.Start(); err != nil {
			t.Fatal(err)
		}
		told.Close()
		f.members[member.Process.Pid] = member
		readers.Go(func() { f.listen(member.Process.Pid, events) })
	}
	t.Cleanup(f.end)
	for range fleetMembers {
		if e := f.next(); e.What != ready {
			t.Fatalf("member told %+v", e)
		}
	}
	return f
}

// listen passes on what a member tells.
func (f *fleet) listen(member int, events *os.File) {
	defer events.Close()
	for in := json.NewDecoder(events); ; {
		var e event
		if in.Decode(&e) != nil {
			f.events <- event{Member: member, What: gone}
			return
		}
		e.Member = member
		f.events <- e
	}
}

func (f *fleet) next() event {
	f.t.Helper()
	select {
	case e := <-f.events:
		return e
	case <-time.After(testenv.Patience):
		f.t.Fatal("the fleet is stuck")
		panic("unreachable")
	}
}

// end waits for those that have done their work, and does away with the others.
func (f *fleet) end() {
	f.begin.Close()
	f.finish.Close()
	for _, member := range f.members {
		if f.t.Failed() {
			_ = member.Process.Kill()
		}
		_ = member.Wait() // with what it was killed, the test knows
	}
}

// tale is how a story went.
type tale struct {
	computed []int // members that began to
	values   int
	errors   []string
	late     []time.Duration // from the end of the computation until a goroutine had the value
}

// play lets all begin and listens until all members have gone. interfere is called when
// the first begins to compute.
func (f *fleet) play(interfere func(first int)) (s tale) {
	f.t.Helper()
	f.begin.Close()
	var interfering sync.WaitGroup
	defer interfering.Wait()
	busy := maps.Clone(f.members)
	rest := func(member int) {
		if delete(busy, member); len(busy) == 0 {
			f.finish.Close()
		}
	}
	for left := len(f.members); left > 0; {
		switch e := f.next(); e.What {
		case computing:
			if s.computed = append(s.computed, e.Member); len(s.computed) == 1 && interfere != nil {
				interfering.Go(func() { interfere(e.Member) })
			}
		case gotValue:
			s.values++
			s.late = append(s.late, time.Duration(e.At-e.Made))
		case gotError:
			s.errors = append(s.errors, e.Error)
		case done:
			rest(e.Member)
		case gone:
			rest(e.Member)
			left--
		}
	}
	return s
}

// wants checks how a story went, and logs how late the value came.
func (s *tale) wants(t *testing.T, computed, values, errors int) {
	t.Helper()
	if len(s.computed) != computed || s.values != values || len(s.errors) != errors {
		t.Errorf("begun to compute %d times, %d have the value, errors %q; want %d, %d, %d errors",
			len(s.computed), s.values, s.errors, computed, values, errors)
	}
	if len(s.late) == 0 {
		return
	}
	slices.Sort(s.late)
	t.Logf("had the value after it was computed: half within %v, all within %v", s.late[len(s.late)/2], s.late[len(s.late)-1])
}

// inTurn runs a story on lockcached and then, in the long form, on memcached: at the
// same time they would be in each other's way.
func inTurn(t *testing.T, story func(t *testing.T, address string)) {
	t.Run("lockcached", func(t *testing.T) { story(t, newHost(t, locks.Config{})) })
	if os.Getenv("LOCKCACHED_ROUNDS") != "" {
		t.Run("memcached", func(t *testing.T) { story(t, memcached(t)) })
	}
}

func TestFleetComputesOnce(t *testing.T) {
	inTurn(t, func(t *testing.T, address string) {
		s := startFleet(t, memberTask{Address: address}).play(nil)
		s.wants(t, 1, fleetMembers*fleetGoroutines, 0)
	})
}

// TestFleetLosesItsComputer: the process that computes is killed half-way. Its lease
// then ends, earlier than it would by itself.
func TestFleetLosesItsComputer(t *testing.T) {
	inTurn(t, func(t *testing.T, address string) {
		hangs := filepath.Join(t.TempDir(), "hangs")
		f := startFleet(t, memberTask{Address: address, HangOne: hangs})
		mc := newMemcache(t, address)
		s := f.play(func(first int) {
			eventually(t, "the one computing hangs", func() bool {
				_, err := os.Stat(hangs)
				return err == nil
			})
			_ = f.members[first].Process.Kill()
			is(t, "touch", mc.Touch("lock:page:1", 1), nil)
		})
		s.wants(t, 2, (fleetMembers-1)*fleetGoroutines, 0)
		if len(s.computed) == 2 && s.computed[0] == s.computed[1] {
			t.Error("who was killed computed again")
		}
	})
}

func TestFleetFailsOnce(t *testing.T) {
	inTurn(t, func(t *testing.T, address string) {
		s := startFleet(t, memberTask{Address: address, FailOne: filepath.Join(t.TempDir(), "failed")}).play(nil)
		s.wants(t, 2, fleetMembers*fleetGoroutines-1, 1)
		if len(s.errors) == 1 && s.errors[0] != errOnce.Error() {
			t.Errorf("the error is %q", s.errors[0])
		}
	})
}

// TestFleetLosesItsServer: the server is started again, with nothing in its memory,
// while somebody computes.
func TestFleetLosesItsServer(t *testing.T) {
	first, second := newHost(t, locks.Config{}), newHost(t, locks.Config{})
	r := testhost.NewRelay(t, "tcp", first, 0)
	s := startFleet(t, memberTask{Address: r.Addr()}).play(func(int) {
		time.Sleep(fleetComputing / 2)
		r.Away.Store(true)
		r.HangUp()
		time.Sleep(fleetComputing / 4)
		r.SetTarget("tcp", second)
		r.Away.Store(false)
	})
	if n := len(s.computed); n > 2 {
		t.Errorf("computed %d times, want one more time at most", n)
	}
	s.wants(t, len(s.computed), fleetMembers*fleetGoroutines, 0)
}
