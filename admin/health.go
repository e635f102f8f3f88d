package admin

import (
	"fmt"
	"log"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/rs/zerolog"
)

// Health is what /healthz answers: 200 and "ok", or 503 and a line for each thing that is
// wrong. The zero value is healthy. Safe for concurrent use.
type Health struct {
	mu      sync.Mutex
	wrong   map[string]string
	watched map[string]func() error
}

// Watch makes each request to /healthz call look. An error means that the named thing is wrong,
// and says why.
func (h *Health) Watch(what string, look func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watched == nil {
		h.watched = make(map[string]func() error)
	}
	h.watched[what] = look
}

// all returns what is wrong at this moment, and why. The caller holds h.mu.
func (h *Health) all() map[string]string {
	all := make(map[string]string)
	maps.Copy(all, h.wrong)
	for what, look := range h.watched {
		if err := look(); err != nil {
			all[what] = err.Error()
		}
	}
	return all
}

// Wrong returns what is wrong at this moment, and why.
func (h *Health) Wrong() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all()
}

// Fail records that something is wrong, and why. A second reason for the same thing replaces
// the first.
func (h *Health) Fail(what, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wrong == nil {
		h.wrong = make(map[string]string)
	}
	h.wrong[what] = why
}

// Recover records that it is no longer wrong.
func (h *Health) Recover(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.wrong, what)
}

func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	wrong := h.all()
	if len(wrong) == 0 {
		fmt.Fprintln(w, "ok")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, what := range slices.Sorted(maps.Keys(wrong)) {
		fmt.Fprintf(w, "%s: %s\n", what, wrong[what])
	}
}

// newErrorLog returns a log.Logger for packages that need one. It writes to logger.
func newErrorLog(logger zerolog.Logger) *log.Logger { return log.New(lineWriter{logger}, "", 0) }

// lineWriter logs each line as a warning.
type lineWriter struct{ logger zerolog.Logger }

func (w lineWriter) Write(line []byte) (int, error) {
	w.logger.Warn().Str("error", strings.TrimSpace(string(line))).Msg("HTTP")
	return len(line), nil
}
