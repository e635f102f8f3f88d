package admin

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/lockcached/lockcached/locks"
	"github.com/lockcached/lockcached/stats"
)

// A lockDocument is the answer to GET /api/v1/lock.
type lockDocument struct {
	Lock         stats.Object   `json:"lock"`
	UsualOf      string         `json:"usual_of"` // lock, class, or nothing
	Idle         float64        `json:"idle_ms"`  // now, although somebody waits
	Line         []stats.Object `json:"line"`
	Holds        []stats.Object `json:"holds"`
	Tries        []stats.Object `json:"tries"`
	Distribution []bar          `json:"distribution"`
}

// A bar is a bucket of the distribution of hold times, and the share of holds in it.
type bar struct {
	From     float64 `json:"from_ms"`
	To       float64 `json:"to_ms"`
	Released float64 `json:"released"`
	Censored float64 `json:"censored"`
}

// showLock answers GET /api/v1/lock?id=ID or ?key=KEY.
func (a *api) showLock(w http.ResponseWriter, r *http.Request) {
	key, err := a.key(r.FormValue("id"), r.FormValue("key"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	d, err := a.Locks.Detail(key, maxLine)
	switch {
	case errors.Is(err, locks.ErrMoved):
		a.moved(w, key)
		return
	case err == nil && a.Locks.Strict(): // what is seen is a promise only if a majority confirms it
		err = a.Locks.Confirm(a.Locks.Mark())
	}
	if err != nil {
		unkept(w, err)
		return
	}
	body, err := json.Marshal(a.document(string(key), &d))
	if err != nil {
		unkept(w, err)
		return
	}
	send(w, body)
}

func (a *api) document(key string, d *locks.Detail) *lockDocument {
	fields := append(a.named(key), a.Server.LockFields(&d.Lock)...)
	doc := &lockDocument{
		Lock:    append(fields, usualFields(&d.Usual)...),
		UsualOf: "lock", Idle: ms(d.Idle),
		Line: []stats.Object{}, Holds: []stats.Object{}, Tries: []stats.Object{}, Distribution: []bar{},
	}
	switch {
	case d.Mean == 0:
		doc.UsualOf = "nothing"
	case d.OfClass:
		doc.UsualOf = "class"
	}
	for i := range d.Line {
		doc.Line = append(doc.Line, waiterFields(&d.Line[i]))
	}
	for i := range d.Holds {
		doc.Holds = append(doc.Holds, holdFields(&d.Holds[i]))
	}
	for i := range d.Tries {
		doc.Tries = append(doc.Tries, tryFields(&d.Tries[i]))
	}
	for b := range d.Law.Bars() {
		doc.Distribution = append(doc.Distribution, bar{ms(b.From), ms(b.To), b.Released, b.Censored})
	}
	return doc
}

func waiterFields(w *locks.InLine) stats.Object {
	state := "polling"
	if w.Queued {
		state = "queued"
	}
	return stats.Object{
		{Name: "owner", Text: w.Owner},
		{Name: "state", Text: state},
		stats.MsField("age_ms", float64(w.Age)),
		stats.MsField("retry_ms", float64(w.Next)),
	}
}

func holdFields(h *locks.SeenHold) stats.Object {
	return stats.Object{
		{Name: "owner", Text: h.Owner},
		stats.CountField("token", h.Token),
		stats.MsField("ago_ms", float64(h.Ago)),
		stats.MsField("took_ms", float64(h.Took)),
		stats.MsField("wait_ms", float64(h.Wait)),
		stats.MsField("gap_ms", float64(h.Gap)),
		{Name: "ending", Text: h.Ending},
	}
}

// attempts are the names of what became of a claim.
var attempts = [...]string{locks.WasRefused: "refused", locks.WasQueued: "queued", locks.GaveUp: "gave_up"}

func tryFields(t *locks.SeenTry) stats.Object {
	return stats.Object{
		{Name: "owner", Text: t.Owner},
		{Name: "what", Text: attempts[t.What]},
		stats.MsField("ago_ms", float64(t.Ago)),
		stats.MsField("wait_ms", float64(t.Wait)),
		stats.CountField("count", uint64(t.Count)),
	}
}
