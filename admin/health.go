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

// Health is what /healthz answers: 200 and "ok", or 503 and a line for each thing
// that is wrong. The zero value is healthy.
type Health struct {
	mu      sync.Mutex
	wrong   map[string]string
	watched map[string]func() error
}

// Watch has something looked at whenever somebody asks: an error says what is wrong
// with it.
func (h *Health) Watch(what string, look func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watched == nil {
		h.watched = make(map[string]func() error)
	}
	h.watched[what] = look
}

// all are the reasons at this moment; h.mu is held.
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

// Fail says that something is wrong, and why; a second reason for the same thing
// takes the place of the first.
func (h *Health) Fail(what, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wrong == nil {
		h.wrong = make(map[string]string)
	}
	h.wrong[what] = why
}

// Recover says that it is not wrong any more.
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

// newErrorLog is for packages that log lines.
func newErrorLog(logger zerolog.Logger) *log.Logger { return log.New(lineWriter{logger}, "", 0) }

// lineWriter makes a warning of each line.
type lineWriter struct{ logger zerolog.Logger }

func (w lineWriter) Write(line []byte) (int, error) {
	w.logger.Warn().Str("error", strings.TrimSpace(string(line))).Msg("metrics")
	return len(line), nil
}
