package slots

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/lockcached/lockcached/cluster/engine"
)

// origin is what the engine's data says about where it comes from.
type origin struct {
	Engine string `json:"engine"`           // id of the engine in which it was written
	Tokens uint64 `json:"tokens,omitempty"` // all tokens from now on are larger
}

func originKey(prefix string) string { return prefix + "origin" }

// Prepare is called before a node joins. id names the engine; one that was restored from a backup
// has another id than the one that the backup is of. tokens is larger than all that can have been
// given so far.
//
// A backup revives member keys, by which incarnations that have been fenced since, or go on
// somewhere, could write again. So before anybody joins, whoever finds the engine restored ends
// all of them, in one step, and puts tokens ahead of all that may have been given since the backup.
func Prepare(ctx context.Context, e engine.Engine, prefix, id string, tokens uint64, log zerolog.Logger) error {
	for {
		found, err := readOrigin(ctx, e, prefix)
		if err != nil {
			return err
		}
		if found.Engine == id {
			return nil
		}
		next := origin{Engine: id, Tokens: found.Tokens}
		then := []engine.Op(nil)
		if found.pair.Exists() {
			next.Tokens = max(found.Tokens, tokens)
			then = append(then, engine.DeletePrefix(newView(e, prefix).memberKey("")))
		}
		value, _ := json.Marshal(next) // text and a number cannot fail
		r, err := engine.Settle(ctx, e, engine.Txn{
			If:   []engine.Cond{engine.ModifiedAt(originKey(prefix), found.pair.Modified)},
			Then: append(then, engine.Put(originKey(prefix), value)),
		})
		if err != nil {
			return err
		}
		if r.Held && found.pair.Exists() {
			log.Warn().Uint64("tokens", next.Tokens).Msg("the engine was restored from a backup: all nodes begin anew, and tokens go on far above")
		}
	}
}

type foundOrigin struct {
	origin
	pair engine.Pair
}

func readOrigin(ctx context.Context, e engine.Engine, prefix string) (found foundOrigin, err error) {
	r, err := engine.Settle(ctx, e, engine.Txn{Then: []engine.Op{engine.Get(originKey(prefix))}})
	if err != nil || len(r.Got[0]) == 0 {
		return found, err
	}
	found.pair = r.Got[0][0]
	if err := json.Unmarshal(found.pair.Value, &found.origin); err != nil {
		return found, fmt.Errorf("slots: cannot read %s: %w", found.pair.Key, err)
	}
	return found, nil
}
