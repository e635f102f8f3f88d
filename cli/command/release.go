package command

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/term"
)

// A releasing is "lockcached release".
type releasing struct {
	remote
	token uint64 // 0: not given
	force bool
}

const releaseNotes = `
With --token only that grant ends, and never the next holder's; "lockcached show KEY" tells it.
With --force whichever hold there is ends. The next in line gets the lock. Exit code 1: there
was no such hold.
`

func newRelease() task { return &releasing{remote: newRemote()} }

func (r *releasing) options() []option {
	return append(r.remote.options(),
		option{long: "token", arg: "num", usage: "end the hold with this token only", take: func(value string) (err error) {
			if r.token, err = strconv.ParseUint(value, 10, 64); err != nil || r.token == 0 {
				return errors.New("should be a number greater than 0, as \"lockcached show\" tells it")
			}
			return nil
		}},
		option{long: "force", usage: "end the hold, whosever it is", take: turnOn(&r.force)})
}

func (r *releasing) run(a *App, args arguments) error {
	key, err := args.key("release")
	if err = cmp.Or(err, r.check(key), r.finish()); err != nil {
		return err
	}
	answers := make([]answer, len(r.servers))
	released := []fields{}
	for i, server := range r.servers {
		done, err := r.release(server, key)
		answers[i] = answer{server: server, err: err}
		if done != nil {
			released = append(released, done)
		}
	}
	err = a.print(r.json, released, func() string { return receipt(released) })
	if err = cmp.Or(err, a.complain(answers)); err != nil {
		return err
	}
	if len(released) == 0 {
		return fmt.Errorf("%s: %w", term.Printable(key), r.missing())
	}
	return nil
}

func (r *releasing) check(key string) error {
	switch {
	case r.token == 0 && !r.force:
		return exit.Refuse("release "+key, "needs --token <num>, to end that grant alone (\"lockcached show\" tells it), or --force, to end whichever hold there is")
	case r.token != 0 && r.force:
		return exit.Refuse("--force", "give either --token or --force")
	}
	return nil
}

func (r *releasing) missing() error {
	if r.force {
		return errors.New("nobody holds it")
	}
	return fmt.Errorf("nobody holds it with token %d", r.token)
}

func receipt(released []fields) string {
	t := newTable()
	for _, f := range released {
		t.row("released "+term.Printable(f.text("key")), "owner "+ownerOf(f), "token "+f.text("token"), "on "+f.text("server"))
	}
	return t.String()
}

// release ends the hold at one server, if it is the one that is meant, and tells
// what it was; nil if it was not there.
func (r *releasing) release(server, key string) (fields, error) {
	mc := r.memcached(server)
	defer mc.Close()
	item, err := mc.Get(key)
	if err == nil && !r.force && item.CasID != r.token {
		return nil, nil
	}
	if err == nil {
		err = r.end(mc, item)
	}
	switch {
	case errors.Is(err, memcache.ErrCacheMiss), errors.Is(err, memcache.ErrCASConflict):
		return nil, nil
	case err != nil:
		return nil, r.cause(err)
	}
	return fields{{"key", key}, {"server", server}, {"owner", string(item.Value)}, {"token", fmt.Sprint(item.CasID)}}, nil
}

// end releases by the token unless whoever holds it now is meant. A plain memcached
// understands both.
func (r *releasing) end(mc *memcache.Client, item *memcache.Item) error {
	if r.force {
		return mc.Delete(item.Key)
	}
	item.Expiration = -1
	return mc.CompareAndSwap(item)
}
