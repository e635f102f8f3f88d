package etcd

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
)

// upkeep keeps the database of the local member small. Its methods are called by one
// goroutine.
type upkeep struct {
	engine   *Engine
	server   *etcdserver.EtcdServer
	quota    int64
	interval time.Duration
	previous int64 // the revision of the last round
	least    int64 // bytes that were in use since then, at least
	alarmed  bool  // it was logged that the space is used up
}

func newUpkeep(e *Engine) *upkeep {
	c := e.local.config
	return &upkeep{engine: e, server: e.local.server(), quota: c.Quota, interval: c.upkeep}
}

// alarmRounds is how often within an interval it is looked whether the space is used up.
const alarmRounds = 30

func (u *upkeep) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel()
		<-u.engine.local.ending
	}()
	ticker := time.NewTicker(max(u.interval/alarmRounds, time.Millisecond))
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-u.engine.ended:
			return
		case now := <-ticker.C:
			u.relieve(ctx)
			if now.Sub(last) >= u.interval || u.grows() {
				last = now
				u.compact(ctx)
				u.defragment(now)
			}
		}
	}
}

// compact forgets what is older than the last round, so that whoever reads a long list, or
// watches, has as long as an interval for it. Every member remembers the revision; the
// leader compacts.
func (u *upkeep) compact(ctx context.Context) {
	if u.previous > 1 && u.server.Lead() == uint64(u.server.MemberID()) {
		u.compactTo(ctx, u.previous)
	}
	u.previous = u.server.KV().Rev()
}

// A round begins early when what is in use has grown by this part of the quota: at full load,
// history of half a minute would take more than half of it.
const grownPart = 16

// grows reports whether history is piling up.
func (u *upkeep) grows() bool {
	inUse := u.server.Backend().SizeInUse()
	if u.least == 0 || inUse < u.least {
		u.least = inUse
	}
	if inUse-u.least < u.quota/grownPart {
		return false
	}
	u.least = inUse
	return true
}

func (u *upkeep) compactTo(ctx context.Context, revision int64, options ...clientv3.CompactOption) {
	ctx, cancel := context.WithTimeout(ctx, u.interval)
	defer cancel()
	_, err := u.engine.client.Compact(ctx, revision, options...)
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		u.engine.log.Debug().Err(err).Int64("revision", revision).Msg("the cluster's history was not compacted")
	}
}

// Defragmentation frees what is unused, but the member does nothing else meanwhile, for
// about a second per 200 MB that remain. Pages that are free are used again, so it is
// worthwhile only after an exceptional load.
const worthwhile = 256 << 20

func isWorthwhile(size, inUse int64) bool {
	free := size - inUse
	return free >= worthwhile && free > inUse
}

// turn is for how long one member may begin to defragment before it is another one's turn.
const turn = time.Minute

// isTurn reports whether it is the turn of a member. The members' clocks need not agree: if
// two of them take a turn at the same time, a third one waits for them, no more.
func isTurn(now time.Time, id uint64, members []uint64) bool {
	slices.Sort(members)
	return members[now.Unix()/int64(turn.Seconds())%int64(len(members))] == id
}

// defragment defragments if that is worthwhile. A leader hands its office over before.
func (u *upkeep) defragment(now time.Time) {
	backend := u.server.Backend()
	if !isWorthwhile(backend.Size(), backend.SizeInUse()) || !isTurn(now, uint64(u.server.MemberID()), u.members()) {
		return
	}
	if err := u.server.TryTransferLeadershipOnShutdown(); err != nil {
		u.engine.log.Debug().Err(err).Msg("the leader cannot hand over to defragment its database")
		return
	}
	u.defragmentNow()
}

func (u *upkeep) members() (ids []uint64) {
	for _, m := range u.server.Cluster().Members() {
		ids = append(ids, uint64(m.ID))
	}
	return ids
}

func (u *upkeep) defragmentNow() {
	backend := u.server.Backend()
	before, began := backend.Size(), time.Now()
	err := u.server.Defragment()
	u.engine.log.Info().Err(err).Int64("before", before).Int64("after", backend.Size()).
		Dur("took_ms", time.Since(began)).Msg("defragmented the cluster's database")
}

// roomAgain is the part of the quota, in percent, below which an alarm is lifted: above it
// the next one would come at once.
const roomAgain = 90

// relieve makes room if this member has used up its quota. Until then, nobody in the
// cluster can put anything.
func (u *upkeep) relieve(ctx context.Context) {
	if !u.isAlarmed() {
		u.alarmed = false
		return
	}
	if !u.alarmed {
		u.alarmed = true
		u.engine.log.Error().Int64("quota", u.quota).Msg("the cluster's database is full: nothing can be changed until there is room")
	}
	u.compactTo(ctx, u.server.KV().Rev(), clientv3.WithCompactPhysical())
	backend := u.server.Backend()
	enough := u.quota / 100 * roomAgain
	if backend.SizeInUse() < enough && backend.Size() >= enough {
		u.defragmentNow()
	}
	if backend.Size() < enough {
		u.lift(ctx)
	}
}

// isAlarmed reports whether this member is out of space. Others see to themselves.
func (u *upkeep) isAlarmed() bool {
	return slices.ContainsFunc(u.server.Alarms(), func(a *etcdserverpb.AlarmMember) bool {
		return a.Alarm == etcdserverpb.AlarmType_NOSPACE && a.MemberID == uint64(u.server.MemberID())
	})
}

func (u *upkeep) lift(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, u.interval)
	defer cancel()
	_, err := u.engine.client.AlarmDisarm(ctx, &clientv3.AlarmMember{
		MemberID: uint64(u.server.MemberID()), Alarm: etcdserverpb.AlarmType_NOSPACE,
	})
	u.engine.log.Info().Err(err).Msg("the cluster's database has room again")
}
