package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/lockcached/lockcached/protocol"
)

// Every connection to a node of a cluster begins with a question: which cluster is this, which
// node, and which others are there? So a server that is no node of the cluster is found out
// before it gets a claim, and the list of nodes is as new as the latest connection. The node
// answers by itself, without asking others.

const (
	// greetTime bounds how long a connection and the answer to that question may take.
	greetTime = time.Second
	// longestRoster is the longest answer that is read, in bytes.
	longestRoster = 1 << 20

	// What a node is taken to have until one has told: the defaults of --cluster-patience and
	// --cluster-suspect.
	defaultPatience = 2 * time.Second
	defaultSuspect  = 1500 * time.Millisecond
)

// A roster is what a node tells of its cluster.
type roster struct {
	cluster  string // its id
	node     string // the one that tells
	patience time.Duration
	suspect  time.Duration
	nodes    []rosterNode
}

type rosterNode struct{ name, clients string }

// parseRoster reads lines NAME VALUE. What it does not know it skips.
func parseRoster(text string) (r roster) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch name {
		case "cluster":
			r.cluster = value
		case "node":
			r.node = value
		case "patience_ms":
			r.patience = milliseconds(value)
		case "suspect_ms":
			r.suspect = milliseconds(value)
		default:
			if name, isNode := strings.CutPrefix(name, "node_"); isNode {
				r.nodes = append(r.nodes, rosterNode{name, fieldOf(value, "clients")})
			}
		}
	}
	return r
}

func milliseconds(text string) time.Duration {
	ms, _ := strconv.ParseInt(text, 10, 64)
	return time.Duration(ms) * time.Millisecond
}

// fieldOf is the value of that name in name=value,name=value.
func fieldOf(pairs, name string) string {
	for pair := range strings.SplitSeq(pairs, ",") {
		if n, value, _ := strings.Cut(pair, "="); n == name {
			return value
		}
	}
	return ""
}

// Why a server is not asked anything.
var (
	errNotReady     = errors.New("client: node of a cluster that is not ready yet")
	errOtherCluster = errors.New("client: node of another cluster")
)

// dial connects to a node.
func (f *fleet) dial(ctx context.Context, p *peer) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, greetTime)
	defer cancel()
	conn, err := f.client.dialer.DialContext(ctx, p.addr.Network(), p.addr.String())
	if err != nil {
		return nil, p.dialError(err)
	}
	r, err := greet(ctx, conn)
	if err == nil {
		err = f.learn(p, &r)
	}
	if err != nil {
		_ = conn.Close()
		return nil, p.dialError(err)
	}
	p.isA(lockcached)
	return p.track(conn), nil
}

// dialError is an error that says that no request was sent. Of an address that a node has told us
// nothing else can be said: it may be for others than us.
func (s *peer) dialError(err error) error {
	op, isDial := errors.AsType[*net.OpError](err)
	switch {
	case s.seed && (isOurs(err) || isBusy(err) || isDial && op.Op == "dial"):
		return err
	case s.seed:
		return &net.OpError{Op: "dial", Net: s.addr.Network(), Err: err}
	}
	return &net.OpError{Op: "dial", Net: s.addr.Network(), Err: errors.New(err.Error())}
}

// greet asks for the roster on a new connection.
func greet(ctx context.Context, conn net.Conn) (r roster, err error) {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return r, err
	}
	if _, err := io.WriteString(conn, "get "+protocol.ClusterKey+"\r\n"); err != nil {
		return r, err
	}
	text, err := readValue(bufio.NewReader(conn))
	if err != nil {
		return r, err
	}
	return parseRoster(text), conn.SetDeadline(time.Time{})
}

// readValue reads the answer to a get of one key. A miss is ErrNoNode.
func readValue(in *bufio.Reader) (value string, err error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	words := strings.Fields(line)
	switch {
	case line == "END":
		return "", ErrNoNode
	case len(words) != 4 || words[0] != "VALUE":
		return "", fmt.Errorf("%w: %q", errUnexpected, line)
	}
	size, err := strconv.Atoi(words[3])
	if err != nil || size < 0 || size > longestRoster {
		return "", fmt.Errorf("%w: %q", errUnexpected, line)
	}
	const rest = "\r\nEND\r\n"
	all := make([]byte, size+len(rest))
	if _, err := io.ReadFull(in, all); err != nil {
		return "", err
	}
	return string(all[:size]), nil
}

// learn takes over what a node has told, if it belongs to the cluster.
func (f *fleet) learn(p *peer, r *roster) error {
	if r.cluster == "" || r.cluster == "-" {
		return errNotReady
	}
	p.call(r.node)
	var members []*peer
	for _, n := range r.nodes {
		if m := f.named(n.name, n.clients); m != nil && !m.seed {
			m.call(n.name)
			members = append(members, m)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cluster != "" && f.cluster != r.cluster {
		return fmt.Errorf("%w: %s", errOtherCluster, r.cluster)
	}
	f.cluster, f.members, f.told = r.cluster, members, time.Now()
	f.whole.answered()
	if r.patience > 0 && r.suspect > 0 {
		if r.patience != f.patience && r.patience >= f.client.config.Timeout {
			f.client.log.Warn("Config.Timeout is not longer than the patience of the cluster: nodes are given up too soon",
				"timeout_ms", f.client.config.Timeout.Milliseconds(), "patience_ms", r.patience.Milliseconds())
		}
		f.patience, f.suspect = r.patience, r.suspect
	}
	return nil
}

// now asks for the nodes that there are.
func (f *fleet) now(ctx context.Context) (nodes []*peer, err error) {
	var r roster
	err = f.client.do(ctx, protocol.ClusterKey, func(s *peer) error {
		item, err := s.mc.Get(protocol.ClusterKey)
		if err != nil {
			return err
		}
		r = parseRoster(string(item.Value))
		return f.learn(s, &r)
	})
	for _, n := range r.nodes {
		if p := f.named(n.name, n.clients); p != nil {
			nodes = append(nodes, p)
		}
	}
	return nodes, err
}

// call notes the name of a node, and isCalled compares it.

func (s *peer) call(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.node = name
}

func (s *peer) isCalled(name string) bool { return s.nodeName() == name }

func (s *peer) nodeName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node
}
