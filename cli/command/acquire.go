package command

import (
	"fmt"
	"os/signal"
)

// An acquireCommand is "lockcached acquire".
type acquireCommand struct{ claimCommand }

const acquireNotes = `
It prints the fencing token of the lock and nothing else. Nothing renews the lock: it ends with its
TTL, or by lockcached release KEY --token <num>. In a shell script:

  token=$(lockcached acquire job --ttl 5m) || exit
  trap 'lockcached release job --token "$token"' EXIT
`

func newAcquire() task { return &acquireCommand{newClaimCommand()} }

func (q *acquireCommand) run(a *App, args arguments) (err error) {
	if q.key, err = args.key("acquire"); err != nil {
		return err
	}
	if err := q.finish(); err != nil {
		return err
	}
	signals := receiveSignals()
	defer signal.Stop(signals)
	c, lock, err := q.obtain(a, signals)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintln(a.Stdout, lock.Token()); err != nil {
		_ = lock.Unlock() // nobody knows the token
		return fmt.Errorf("%s: released again, because its token could not be printed: %w", q.key, err)
	}
	return nil
}
