package protocol

import (
	"fmt"
	"strings"
)

var verbNames = strings.Fields("- get gets gat gats set add replace append prepend cas incr decr touch delete " +
	"flush_all verbosity version stats quit shutdown cache_memlimit slabs lru lru_crawler watch refresh_certs mg ms md ma me " +
	"mn login bad-login begin-login mechanisms")

// show writes a request, or the error in its place, as a line of text without the zero fields.
func show(q *Request, err error) string {
	if err != nil {
		text := err.Error()
		if q.NoReply {
			text += " noreply"
		}
		return text
	}
	var b strings.Builder
	b.WriteString(verbNames[q.Verb])
	part := func(there bool, format string, args ...any) {
		if there {
			fmt.Fprintf(&b, " "+format, args...)
		}
	}
	part(len(q.Key) > 0, "%q", q.Key)
	part(q.Flags != 0, "flags=%d", q.Flags)
	part(q.Exptime != 0, "exptime=%d", q.Exptime)
	part(q.CAS != 0, "cas=%d", q.CAS)
	part(q.Delta != 0, "delta=%d", q.Delta)
	part(q.Value != nil, "value=%q", q.Value)
	part(q.Create, "initial=%d", q.Initial)
	part(q.Unprintable, "unprintable")
	part(q.Args != nil, "%q", words(q))
	part(q.NoReply, "noreply")
	part(q.isPacket && q.Quiet(), "quiet")
	part(q.Continued, "continued")
	part(q.More, "more")
	showMeta(&q.Meta, part)
	return b.String()
}

func showMeta(m *Meta, part func(there bool, format string, args ...any)) {
	part(m.Has('T'), "TTL=%d", m.TTL)
	part(m.Has('N'), "vivify=%d", m.Vivify)
	part(m.Has('R'), "recache=%d", m.Recache)
	part(m.Has('C'), "compare=%d", m.Compare)
	part(m.Has('E'), "newCAS=%d", m.NewCAS)
	part(m.Has('J'), "initial=%d", m.Initial)
	part(m.Has('D'), "step=%d", m.Delta)
	part(m.Has('M'), "mode=%q", m.Mode)
	part(m.Has('W'), "wait=%d", m.WaitMs)
}

func words(q *Request) []string {
	list := []string{}
	for w, rest := q.NextKey(q.Args); len(w) > 0; w, rest = q.NextKey(rest) {
		list = append(list, string(w))
	}
	return list
}
