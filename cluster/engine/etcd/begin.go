package etcd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"
	"go.etcd.io/etcd/server/v3/storage/datadir"
	"go.etcd.io/etcd/server/v3/storage/wal"

	"github.com/lockcached/lockcached/cluster/engine"
)

// Errors of Start for a member whose directory is empty.
var (
	// ErrDataLost says that the member had data before. It cannot come back as itself:
	// remove it, and add it again.
	ErrDataLost = errors.New("the directory is empty, but this member was part of the cluster before: remove it with lockcached cluster remove, and add it again")

	// ErrNotAdded says that a cluster runs that does not expect this member.
	ErrNotAdded = errors.New("the cluster runs and does not know this member: add it first, with lockcached cluster add")
)

// A beginning is how etcd is told to begin. One that has data goes on whatever it is told.
type beginning struct {
	state   string // embed.ClusterStateFlagNew or Existing
	initial string // all members, as NAME=URL,NAME=URL
}

// What a member says of itself below beginPath, before etcd answers for it.
const (
	beginPath = "/begin"
	isEmpty   = "empty"
	hasData   = "data"
)

// hasWAL reports whether the member has been one before, so that etcd goes on with what it
// finds.
func (c Config) hasWAL() bool { return wal.Exist(datadir.ToWALDir(c.Dir)) }

// beginHandler answers other members until etcd does.
func (c Config) beginHandler() http.Handler {
	state := isEmpty
	if c.hasWAL() {
		state = hasData
	}
	mux := http.NewServeMux()
	mux.HandleFunc(beginPath, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, state) })
	return mux
}

const (
	askTimeout  = 2 * time.Second
	askPause    = 200 * time.Millisecond
	waitingNews = 5 * time.Second // between two lines in the log
)

// begin finds out how this member begins. With an empty directory it may have to wait until
// enough of the others answer.
func (c Config) begin(ctx context.Context) (beginning, error) {
	if c.hasWAL() || len(c.Peers) == 1 {
		return c.founding(), nil
	}
	reported := time.Now()
	for {
		answers := c.askAll(ctx)
		b, err := c.decide(answers)
		if !errors.Is(err, errUndecided) {
			return b, err
		}
		if now := time.Now(); now.Sub(reported) > waitingNews {
			reported = now
			c.Logger.Info().Strs("answered", answered(answers)).Str("why", err.Error()).Msg("waiting for other members of the cluster")
		}
		select {
		case <-ctx.Done():
			return beginning{}, fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(askPause):
		}
	}
}

// founding is the beginning of a member that is one of the first.
func (c Config) founding() beginning {
	var words []string
	for _, p := range c.Peers {
		u := c.url(p.Address)
		words = append(words, p.Name+"="+u.String())
	}
	return beginning{embed.ClusterStateFlagNew, strings.Join(words, ",")}
}

// An answer is what another member says.
type answer struct {
	from    string
	state   string // isEmpty, hasData, or "" if it does not answer
	cluster string // the id of the cluster, if it runs
	members []*membership.Member
}

func answered(answers []answer) (names []string) {
	for _, a := range answers {
		if a.state != "" {
			names = append(names, a.from)
		}
	}
	return names
}

// askAll asks the other members.
func (c Config) askAll(ctx context.Context) []answer {
	var answers []answer
	for _, p := range c.Peers {
		if p.Name != c.Name {
			answers = append(answers, answer{from: p.Name})
		}
	}
	carrier, err := rafthttp.NewRoundTripper(c.TLS.info(), askTimeout)
	if err != nil {
		c.Logger.Warn().Err(err).Msg("the other members of the cluster cannot be asked")
		return answers
	}
	client := &http.Client{Transport: carrier, Timeout: askTimeout}
	defer client.CloseIdleConnections()
	var busy sync.WaitGroup
	for i := range answers {
		a := &answers[i]
		busy.Go(func() { c.ask(ctx, client, a) })
	}
	busy.Wait()
	return answers
}

func (c Config) ask(ctx context.Context, client *http.Client, a *answer) {
	at := slices.IndexFunc(c.Peers, func(p engine.Peer) bool { return p.Name == a.from })
	base := c.url(c.Peers[at].Address)
	body, header, err := fetch(ctx, client, base.String()+"/members")
	if err == nil {
		if json.Unmarshal(body, &a.members) == nil && len(a.members) > 0 {
			a.state, a.cluster = hasData, header.Get("X-Etcd-Cluster-ID")
		}
		return
	}
	if body, _, err := fetch(ctx, client, base.String()+beginPath); err == nil {
		a.state = string(body)
	}
}

func fetch(ctx context.Context, client *http.Client, url string) (body []byte, header http.Header, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, nil, errors.New(response.Status)
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return body, response.Header, err
}

// errUndecided says that the answers do not suffice. The error that wraps it says why.
var errUndecided = errors.New("undecided")

// decide decides how a member with an empty directory begins.
//
// It founds the cluster if it and others that are empty, too, are a majority: then no
// majority can have data. (A member that has lost its data could be taken for a founding
// one only if at the same time others of the first members have never run.) If the cluster
// runs already, its list of members says whether there is a place.
func (c Config) decide(answers []answer) (beginning, error) {
	empty := 1
	var found []beginning
	var errs []error
	for _, a := range answers {
		switch {
		case len(a.members) > 0:
			b, err := c.place(a)
			found, errs = append(found, b), append(errs, err)
		case a.state == isEmpty:
			empty++
		}
	}
	switch {
	case len(found) > 0:
		return agreed(found, errs)
	case empty > len(c.Peers)/2:
		return c.founding(), nil
	}
	return beginning{}, fmt.Errorf("%w: %d of %d members have an empty directory, and the cluster does not run", errUndecided, empty, len(c.Peers))
}

// agreed returns what the running members agree on. One of them may not have heard yet of
// a change, and it cannot be told which.
func agreed(found []beginning, errs []error) (beginning, error) {
	for i := range found {
		if found[i] != found[0] || !errors.Is(errs[i], errs[0]) {
			return beginning{}, fmt.Errorf("%w: the members of the cluster do not agree about this one", errUndecided)
		}
	}
	return found[0], errs[0]
}

// place finds this member's place in the list of a running cluster.
func (c Config) place(a answer) (beginning, error) {
	self, _ := c.self()
	own := c.url(self.Address)
	mine := func(m *membership.Member) bool { return slices.Contains(m.PeerURLs, own.String()) }
	at := slices.IndexFunc(a.members, mine)
	if at < 0 {
		return beginning{}, ErrNotAdded
	}
	// Members say which addresses they serve clients at when they run for the first time.
	if len(a.members[at].ClientURLs) > 0 {
		return beginning{}, ErrDataLost
	}
	if c.isFounder(a, a.members[at]) {
		return c.founding(), nil
	}
	return beginning{embed.ClusterStateFlagExisting, c.initial(a.members, mine)}, nil
}

// isFounder reports whether a member of a running cluster is one of the first, which has
// not run yet. etcd derives the ids of those from their addresses.
func (c Config) isFounder(a answer, m *membership.Member) bool {
	urls, err := types.NewURLsMap(c.founding().initial)
	if err != nil {
		return false
	}
	founded, err := membership.NewClusterFromURLsMap(nil, c.Cluster, urls)
	return err == nil && founded.ID().String() == a.cluster && founded.MemberByName(c.Name).ID == m.ID
}

// initial lists the members of a running cluster, in the order of their ids. Those that
// have not run have no name yet, and get one that only this start uses.
func (c Config) initial(members []*membership.Member, mine func(*membership.Member) bool) string {
	members = slices.Clone(members)
	slices.SortFunc(members, func(m, n *membership.Member) int { return cmp.Compare(m.ID, n.ID) })
	var words []string
	for _, m := range members {
		name := cmp.Or(m.Name, m.ID.String())
		if mine(m) {
			name = c.Name
		}
		for _, u := range m.PeerURLs {
			words = append(words, name+"="+u)
		}
	}
	return strings.Join(words, ",")
}
