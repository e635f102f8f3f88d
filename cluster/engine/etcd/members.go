package etcd

import (
	"context"
	"io"
	"net/url"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lockcached/lockcached/cluster/engine"
)

// Member is a member of the cluster as all see it.
type Member struct {
	ID      uint64
	Name    string // "" until it has run for the first time
	Address string // HOST:PORT
	Learner bool   // it does not vote yet
}

// Members lists the members, in the order of their ids. It needs a majority.
func (e *Engine) Members(ctx context.Context) ([]Member, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	answer, err := e.client.MemberList(ctx)
	if err != nil {
		return nil, e.failed(err)
	}
	return members(answer.Members), nil
}

func members(from []*etcdserverpb.Member) (made []Member) {
	for _, m := range from {
		made = append(made, member(m))
	}
	return made
}

func member(m *etcdserverpb.Member) Member {
	made := Member{ID: m.ID, Name: m.Name, Learner: m.IsLearner}
	for _, peer := range m.PeerURLs {
		if u, err := url.Parse(peer); err == nil {
			made.Address = u.Host
		}
	}
	return made
}

// AddMember makes a place for a member at an address, HOST:PORT. It does not vote, and
// counts towards no majority, until it has been started with an empty directory and has
// caught up. There may be one such member at a time.
func (e *Engine) AddMember(ctx context.Context, address string) (Member, error) {
	if err := engine.CheckAddress(address); err != nil {
		return Member{}, engine.Refused("%w", err)
	}
	if err := e.usable(); err != nil {
		return Member{}, err
	}
	peer, err := e.urlLikeOthers(ctx, address)
	if err != nil {
		return Member{}, err
	}
	answer, err := e.client.MemberAddAsLearner(ctx, []string{peer})
	if err != nil {
		return Member{}, e.failed(err)
	}
	return member(answer.Member), nil
}

// urlLikeOthers is the URL of an address, with TLS if the members have it.
func (e *Engine) urlLikeOthers(ctx context.Context, address string) (string, error) {
	answer, err := e.client.MemberList(ctx)
	if err != nil {
		return "", e.failed(err)
	}
	u := url.URL{Scheme: "http", Host: address}
	for _, m := range answer.Members {
		for _, peer := range m.PeerURLs {
			if like, err := url.Parse(peer); err == nil {
				u.Scheme = like.Scheme
			}
		}
	}
	return u.String(), nil
}

// RemoveMember removes a member for good: if it runs it ends with ErrRemoved. It is refused
// if the rest would have no majority.
func (e *Engine) RemoveMember(ctx context.Context, id uint64) error {
	if err := e.usable(); err != nil {
		return err
	}
	if _, err := e.client.MemberRemove(ctx, id); err != nil {
		return e.failed(err)
	}
	return nil
}

// Status is what one server of etcd says of itself.
type Status struct {
	ID      uint64 // of the server
	Leader  uint64 // the id of the leader that it knows, 0 if there is none
	Term    uint64
	Index   uint64 // the latest entry that is committed
	Applied uint64 // the latest entry that is carried out
	Learner bool
	Bytes   int64    // size of the database
	InUse   int64    // the part of it that is in use
	Quota   int64    // what Bytes may be
	Alarms  []string // such as "NOSPACE" for every member that is out of space
	Version string
}

// Status asks the local member, or one of those that Dial was given. It needs no majority.
func (e *Engine) Status(ctx context.Context) (s Status, err error) {
	if err := e.usable(); err != nil {
		return Status{}, err
	}
	endpoints := e.client.Endpoints()
	if e.local != nil {
		endpoints = []string{"local"} // which is not looked at
	}
	var answer *clientv3.StatusResponse
	for _, endpoint := range endpoints {
		if answer, err = e.client.Status(ctx, endpoint); err == nil {
			return e.status(ctx, answer), nil
		}
	}
	return Status{}, e.failed(err)
}

func (e *Engine) status(ctx context.Context, from *clientv3.StatusResponse) Status {
	s := Status{
		ID: from.Header.MemberId, Leader: from.Leader, Term: from.RaftTerm, Index: from.RaftIndex, Applied: from.RaftAppliedIndex,
		Learner: from.IsLearner, Bytes: from.DbSize, InUse: from.DbSizeInUse, Quota: from.DbSizeQuota, Version: from.Version,
	}
	if answer, err := e.client.AlarmList(ctx); err == nil {
		for _, a := range answer.Alarms {
			s.Alarms = append(s.Alarms, a.Alarm.String())
		}
	}
	return s
}

// Snapshot writes a backup that etcdutl can restore, and returns its size in bytes. It is
// of one server, at one revision; a checksum is part of it.
func (e *Engine) Snapshot(ctx context.Context, w io.Writer) (bytes int64, err error) {
	if err := e.usable(); err != nil {
		return 0, err
	}
	answer, err := e.client.SnapshotWithVersion(ctx)
	if err != nil {
		return 0, e.failed(err)
	}
	defer answer.Snapshot.Close()
	return io.Copy(w, answer.Snapshot)
}
