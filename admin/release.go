package admin

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/server"
	"github.com/lockcached/lockcached/stats"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 4096

// crossOrigin refuses requests that a page of another origin makes a browser send.
var crossOrigin = http.NewCrossOriginProtection()

// release answers POST /api/v1/release with the body {"id": ID, "token": TOKEN}: it ends the hold with that
// token, and no other. A form of another site cannot send JSON.
func (a *api) release(w http.ResponseWriter, r *http.Request) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "a lock is released by a POST")
	case !a.Write:
		refuse(w, http.StatusForbidden, "this page only reads: locks can be released here if the server was started with --admin-write")
	case crossOrigin.Check(r) != nil:
		refuse(w, http.StatusForbidden, "another site's page asks for this")
	case kind != "application/json":
		refuse(w, http.StatusUnsupportedMediaType, "the body should be application/json")
	default:
		a.releaseLock(w, r)
	}
}

func (a *api) releaseLock(w http.ResponseWriter, r *http.Request) {
	var asked struct{ ID, Key, Token string }
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&asked)
	token, wrong := strconv.ParseUint(asked.Token, 10, 64)
	if err != nil || wrong != nil {
		refuse(w, http.StatusBadRequest, `the body should be {"id": "...", "token": "..."}, both as in the answer about the lock`)
		return
	}
	key, err := a.key(asked.ID, asked.Key)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	switch err := a.Locks.Release(key, token); {
	case err == nil:
		user, _, _ := r.BasicAuth()
		a.Logger.Info().Str("lock", stats.Legible(server.Word(string(key)))).Uint64("token", token).Str("user", user).Str("client", r.RemoteAddr).
			Msg("lock released on the page")
		send(w, []byte(`{"released":true}`))
	case errors.Is(err, locks.ErrNotFound):
		refuse(w, http.StatusConflict, "nobody holds the lock with this token any more")
	case errors.Is(err, locks.ErrMoved):
		a.moved(w, key)
	default:
		unkept(w, err)
	}
}
