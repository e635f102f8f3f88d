package admin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/protocol"
	"github.com/lockcached/lockcached/server"
	"github.com/lockcached/lockcached/stats"
)

// What an answer has at most, so that its size is bounded whatever there is.
const (
	defaultRows = 100
	maxRows     = 1000
	maxLine     = 100 // those in line for one lock
)

// An api answers the page's questions, in JSON. docs/page.md describes it. Numbers have the names that
// they have in the protocol.
type api struct {
	Config
	snapshots *snapshots
	rates     rates
	health    *Health
}

func (a *api) routes(mux *http.ServeMux, guard func(http.Handler) http.Handler) {
	for path, answer := range map[string]http.HandlerFunc{
		"GET /api/v1/locks":   a.listLocks,
		"GET /api/v1/lock":    a.showLock,
		"GET /api/v1/classes": a.listClasses,
		"GET /api/v1/server":  a.showServer,
		"/api/v1/release":     a.release,
		"/api/": func(w http.ResponseWriter, _ *http.Request) {
			refuse(w, http.StatusNotFound, "there is no such thing in version 1 of this API")
		},
	} {
		mux.Handle(path, guard(answer))
	}
}

// shared answers with a snapshot.
func (a *api) shared(w http.ResponseWriter, r *http.Request, name string, put func() any) {
	a.sharedBytes(w, r, name, func() ([]byte, error) { return json.Marshal(put()) })
}

// sharedBytes is shared for an answer that is put together already.
func (a *api) sharedBytes(w http.ResponseWriter, r *http.Request, name string, put func() ([]byte, error)) {
	body, err := a.snapshots.get(r.Context(), name, put)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	send(w, body)
}

func send(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// listLocks answers GET /api/v1/locks?limit=N&q=TEXT.
func (a *api) listLocks(w http.ResponseWriter, r *http.Request) {
	limit, text := defaultRows, r.FormValue("q")
	if word := r.FormValue("limit"); word != "" {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > maxRows {
			refuse(w, http.StatusBadRequest, "limit should be a number from 1 to "+strconv.Itoa(maxRows))
			return
		}
		limit = n
	}
	matches, err := a.search(text)
	switch {
	case !a.Server.KeysAreListed():
		refuse(w, http.StatusForbidden, "this server lists no keys: it was started with -X")
	case err != nil:
		refuse(w, http.StatusBadRequest, "q should be a part of a key or of a class, or a glob such as lock:*")
	default:
		a.sharedBytes(w, r, "locks "+strconv.Itoa(limit)+" "+text, func() ([]byte, error) { return a.locks(limit, matches), nil })
	}
}

// search returns a function that finds the keys with that text in the key or its class. A text with *, ?
// or [ is a glob for one of them.
func (a *api) search(text string) (func(key []byte) bool, error) {
	switch {
	case text == "":
		return nil, nil
	case len(text) > protocol.MaxKey:
		return nil, errors.New("too long")
	}
	contains := func(x []byte) bool { return strings.Contains(string(x), text) }
	if strings.ContainsAny(text, "*?[") {
		pattern, err := locks.NewPattern(text)
		if err != nil {
			return nil, err
		}
		contains = pattern.Match
	}
	delimiter := a.Locks.Config().ClassDelimiter
	return func(key []byte) bool {
		var buf [256]byte
		return contains(key) || contains(stats.AppendClass(buf[:0], key, delimiter))
	}, nil
}

// locks is the answer to listLocks: {"locks": [...], "totals": {...}, "more": whether there may be more
// locks than the limit}. It is written without encoding/json, which takes several times as long, since
// pages ask for it all the time.
func (a *api) locks(limit int, matches func([]byte) bool) []byte {
	b := []byte(`{"locks":[`)
	list := a.Locks.Wanted(limit, matches)
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		row := append(a.named(list[i].Name), server.HeldFields(&list[i].Lock)...)
		b = append(row, usualFields(&list[i].Usual)...).AppendJSON(b)
	}
	b = stats.Object(a.Server.LockTotals()).AppendJSON(append(b, `],"totals":`...))
	return append(strconv.AppendBool(append(b, `,"more":`...), len(list) == limit), '}')
}

// named is what the fields of a lock begin with. The id is the key in base64, so that any key can be
// part of an address.
func (a *api) named(key string) stats.Object {
	return stats.Object{
		{Name: "key", Text: server.Word(key)},
		{Name: "id", Text: base64.RawURLEncoding.EncodeToString([]byte(key))},
		{Name: "class", Text: stats.Class(key, a.Locks.Config().ClassDelimiter)},
	}
}

func usualFields(u *locks.Usual) []stats.Field {
	return []stats.Field{
		stats.MsField("usual_mean_ms", float64(u.Mean)),
		stats.MsField("usual_p90_ms", float64(u.P90)),
		stats.MsField("left_ms", float64(u.Left)),
		stats.MsField("left_most_ms", float64(u.LeftMost)),
	}
}

// key reads the lock that a request is about: id is its key in base64, key the key itself.
func (a *api) key(id, key string) ([]byte, error) {
	raw := []byte(key)
	if id != "" {
		var err error
		if raw, err = base64.RawURLEncoding.DecodeString(id); err != nil {
			return nil, errors.New("id should be a key in URL-safe base64 without padding")
		}
	}
	if len(raw) == 0 || len(raw) > protocol.MaxKey {
		return nil, errors.New("a key has 1 to " + strconv.Itoa(protocol.MaxKey) + " bytes")
	}
	return raw, nil
}

// moved answers that another node of the cluster serves a key.
func (a *api) moved(w http.ResponseWriter, key []byte) {
	refuse(w, http.StatusMisdirectedRequest, "another node of the cluster serves this lock: "+a.Server.Owner(key))
}

// unkept answers that the journal has not confirmed what was asked for.
func unkept(w http.ResponseWriter, err error) {
	refuse(w, http.StatusServiceUnavailable, err.Error())
}
