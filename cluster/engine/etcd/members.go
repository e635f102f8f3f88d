package etcd

import (
	"context"
	"io"
	"net/url"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lockcached/lockcached/cluster/engine"
)

// Members lists the members, in the order of their ids. It needs a majority.
func (e *Engine) Members(ctx context.Context) ([]engine.Member, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	answer, err := e.client.MemberList(ctx)
	if err != nil {
		return nil, e.failed(err)
	}
	return members(answer.Members), nil
}

func members(from []*etcdserverpb.Member) (made []engine.Member) {
	for _, m := range from {
		made = append(made, member(m))
	}
	return made
}

func member(m *etcdserverpb.Member) engine.Member {
	made := engine.Member{ID: m.ID, Name: m.Name, Learner: m.IsLearner}
	made.Address = hostOf(m.PeerURLs)
	return made
}

// hostOf is the HOST:PORT of the last of some URLs; there is one.
func hostOf(urls []string) (address string) {
	for _, text := range urls {
		if u, err := url.Parse(text); err == nil {
			address = u.Host
		}
	}
	return address
}

// AddMember makes a place for a member at an address, HOST:PORT. It does not vote, and
// counts towards no majority, until it has been started with an empty directory and has
// caught up. There may be one such member at a time.
func (e *Engine) AddMember(ctx context.Context, address string) (engine.Member, error) {
	if err := engine.CheckAddress(address); err != nil {
		return engine.Member{}, engine.Refused("%w", err)
	}
	if err := e.usable(); err != nil {
		return engine.Member{}, err
	}
	peer, err := e.urlLikeOthers(ctx, address)
	if err != nil {
		return engine.Member{}, err
	}
	answer, err := e.client.MemberAddAsLearner(ctx, []string{peer})
	if err != nil {
		return engine.Member{}, e.failed(err)
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

// Status is that of the local member, or of one of those that Dial was given. It needs no
// majority.
func (e *Engine) Status(ctx context.Context) (s engine.Status, err error) {
	if err := e.usable(); err != nil {
		return engine.Status{}, err
	}
	if e.local != nil {
		return e.local.status(), nil
	}
	for _, endpoint := range e.client.Endpoints() {
		if s, err = e.statusOf(ctx, endpoint); err == nil {
			return s, nil
		}
	}
	return engine.Status{}, e.failed(err)
}

func (l *local) status() engine.Status {
	server := l.server()
	backend := server.Backend()
	s := engine.Status{
		ID: uint64(server.MemberID()), Local: true, Cluster: uint64(server.Cluster().ID()), Leader: server.Lead(), Term: server.Term(),
		Bytes: backend.Size(), InUse: backend.SizeInUse(), Quota: l.config.Quota, Version: version.Version,
	}
	for _, m := range server.Cluster().Members() {
		s.Members = append(s.Members, engine.Member{ID: uint64(m.ID), Name: m.Name, Address: hostOf(m.PeerURLs), Learner: m.IsLearner})
	}
	for _, a := range server.Alarms() {
		s.Alarms = append(s.Alarms, a.Alarm.String())
	}
	s.Alarms = distinct(s.Alarms)
	return s
}

// statusOf asks one server.
func (e *Engine) statusOf(ctx context.Context, endpoint string) (s engine.Status, err error) {
	from, err := e.client.Status(ctx, endpoint)
	if err != nil {
		return s, err
	}
	// What that server knows suffices: it is asked when there is no majority, too.
	list, err := e.client.MemberList(ctx, clientv3.WithSerializable())
	if err != nil {
		return s, err
	}
	s = engine.Status{
		ID: from.Header.MemberId, Cluster: from.Header.ClusterId, Leader: from.Leader, Term: from.RaftTerm, Members: members(list.Members),
		Bytes: from.DbSize, InUse: from.DbSizeInUse, Quota: from.DbSizeQuota, Version: from.Version,
	}
	for _, text := range from.Errors { // one for each alarm, with its name in it
		for _, alarm := range etcdserverpb.AlarmType_name {
			if strings.Contains(text, alarm) {
				s.Alarms = append(s.Alarms, alarm)
			}
		}
	}
	s.Alarms = distinct(s.Alarms)
	return s, nil
}

func distinct(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

// Answers reports whether the member at an address answers now.
func (e *Engine) Answers(ctx context.Context, address string) bool {
	peer, err := e.urlLikeOthers(ctx, address)
	if err != nil {
		return false
	}
	_, err = e.client.Status(ctx, peer)
	return err == nil
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
