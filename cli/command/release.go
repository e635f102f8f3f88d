package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cli/internal/term"
	"github.com/lockcached/lockcached/client"
)

// A releaseCommand is "lockcached release".
type releaseCommand struct {
	remote
	token uint64 // 0: not given
	force bool
}

const releaseNotes = `
With --token only the hold with that token ends, never the next holder's; "lockcached show KEY" prints
the token. With --force the hold ends, whoever has it. The next in line gets the lock. Exit code 1:
there was no such hold.
`

func newRelease() task { return &releaseCommand{remote: newRemote()} }

func (r *releaseCommand) options() []option {
	return append(r.remote.options(),
		option{long: "token", arg: "num", usage: "end the hold with this token only", take: func(value string) (err error) {
			if r.token, err = strconv.ParseUint(value, 10, 64); err != nil || r.token == 0 {
				return errors.New("should be a number greater than 0, as \"lockcached show\" tells it")
			}
			return nil
		}},
		option{long: "force", usage: "end the hold, whoever has it", take: turnOn(&r.force)})
}

func (r *releaseCommand) run(a *App, args arguments) error {
	key, err := args.key("release")
	if err = cmp.Or(err, r.check(key), r.finish()); err != nil {
		return err
	}
	if err := r.discover(); err != nil {
		return err
	}
	released, answers := r.releaseAll(key)
	err = a.print(r.json, released, func() string { return receipt(released) })
	if err = cmp.Or(err, a.complain(answers)); err != nil {
		return err
	}
	if len(released) == 0 {
		return fmt.Errorf("%s: %w", term.Printable(key), r.missing())
	}
	return nil
}

// releaseAll ends the hold at all servers, or in the cluster.
func (r *releaseCommand) releaseAll(key string) (released []fields, answers []answer) {
	released = []fields{} // not nil, which JSON writes as null
	note := func(server string, done fields, err error) {
		answers = append(answers, answer{server: server, err: err})
		if done != nil {
			released = append(released, done)
		}
	}
	if r.isCluster() {
		done, err := r.releaseInCluster(key)
		note(strings.Join(r.servers, ","), done, err)
		return released, answers
	}
	for _, server := range r.servers {
		done, err := r.release(server, key)
		note(server, done, err)
	}
	return released, answers
}

// releaseInCluster ends the hold in a cluster, whose nodes pass the release on. It goes by the token
// in any case: if the answer is lost it is repeated, and then a bare delete could end the next hold.
func (r *releaseCommand) releaseInCluster(key string) (done fields, err error) {
	err = r.inCluster(func(ctx context.Context, c *client.Client) error {
		for {
			found, err := c.Read(ctx, key)
			item := found[key]
			if err != nil || item == nil || !r.force && item.CasID != r.token {
				return err
			}
			switch err := c.Release(ctx, key, item.CasID); {
			case err == nil:
				done = fields{{"key", key}, {"owner", string(item.Value)}, {"token", fmt.Sprint(item.CasID)}}
				return nil
			case !errors.Is(err, client.ErrLost):
				return err
			}
			// it was renewed, or somebody else has it now
		}
	})
	return done, err
}

func (r *releaseCommand) check(key string) error {
	switch {
	case r.token == 0 && !r.force:
		return exit.Refuse("release "+key, "needs --token <num>, to end that grant alone (\"lockcached show\" tells it), or --force, to end whichever hold there is")
	case r.token != 0 && r.force:
		return exit.Refuse("--force", "give either --token or --force")
	}
	return nil
}

func (r *releaseCommand) missing() error {
	if r.force {
		return errors.New("nobody holds it")
	}
	return fmt.Errorf("nobody holds it with token %d", r.token)
}

func receipt(released []fields) string {
	t := newTable()
	for _, f := range released {
		row := []string{"released " + term.Printable(f.text("key")), "owner " + ownerOf(f), "token " + f.text("token")}
		if server := f.text("server"); server != "" { // or it was somewhere in a cluster
			row = append(row, "on "+server)
		}
		t.row(row...)
	}
	return t.String()
}

// release ends the hold at one server, if it has the right token or with --force. It returns what
// it has ended, or nil.
func (r *releaseCommand) release(server, key string) (fields, error) {
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

// end releases the lock by its token, or with --force whatever its token is now. A plain memcached
// understands both.
func (r *releaseCommand) end(mc *memcache.Client, item *memcache.Item) error {
	if r.force {
		return mc.Delete(item.Key)
	}
	item.Expiration = -1
	return mc.CompareAndSwap(item)
}
