package protocol

import "bytes"

// The replies to requests that both dialects have. Each takes the form that the request's Head
// tells. Replies to the other requests are lines of text; a fault can be told in both.

// Stored appends the reply to a storage command that has stored. cas is the item's new id.
func (w *Writer) Stored(h *Head, cas uint64) { w.success(h, "STORED", cas) }

// Deleted appends the reply to a delete that has deleted.
func (w *Writer) Deleted(h *Head) { w.success(h, "DELETED", 0) }

// Done appends the reply to a command about the server that was carried out.
func (w *Writer) Done(h *Head) { w.success(h, "OK", 0) }

func (w *Writer) success(h *Head, line string, cas uint64) {
	switch {
	case h.Quiet():
	case h.isPacket:
		w.header(h, statusOK, 0, 0, 0, cas)
	default:
		w.Line(line)
	}
}

// Touched appends the reply to a touch of an item with these flags and this id.
func (w *Writer) Touched(h *Head, flags uint32, cas uint64) {
	switch {
	case h.NoReply:
	case h.isPacket:
		w.header(h, statusOK, flagsExtras, 0, 0, cas)
		w.uint32(flags)
	default:
		w.Line("TOUCHED")
	}
}

// Number appends the reply to incr or decr: the item's new number and id.
func (w *Writer) Number(h *Head, n, cas uint64) {
	switch {
	case h.Quiet():
	case h.isPacket:
		w.header(h, statusOK, 0, 0, numberLength, cas)
		w.uint64(n)
	default:
		w.number(n)
	}
}

// Hit appends an item to the reply to a get.
func (w *Writer) Hit(h *Head, key []byte, flags uint32, value []byte, cas uint64) {
	switch {
	case h.isPacket:
		if !h.withKey() {
			key = nil
		}
		w.header(h, statusOK, flagsExtras, len(key), len(value), cas)
		w.uint32(flags)
		w.buf = append(append(w.buf, key...), value...)
	case h.Verb == Gets || h.Verb == Gats:
		w.valueCAS(key, flags, value, cas)
	default:
		w.value(key, flags, value)
	}
}

// Miss appends that there is no item of the key to the reply to a get.
func (w *Writer) Miss(h *Head, key []byte) {
	switch {
	case !h.isPacket || h.Quiet():
	case h.withKey():
		w.header(h, statusNotFound, 0, len(key), 0, 0)
		w.buf = append(w.buf, key...)
	default:
		w.failure(h, NotFound)
	}
}

// EndGet ends the reply to a get.
func (w *Writer) EndGet(h *Head) {
	if !h.isPacket {
		w.Line("END")
	}
}

// CutEndGet returns the items in the reply to a get in the text protocol; ok is false if the
// reply is an error.
func CutEndGet(reply []byte) (items []byte, ok bool) {
	return bytes.CutSuffix(reply, []byte("END\r\n"))
}

// Stat appends a name and its value to the reply to stats.
func (w *Writer) Stat(h *Head, name, value string) {
	if !h.isPacket {
		w.stat(name, value)
		return
	}
	w.header(h, statusOK, 0, len(name), len(value), 0)
	w.buf = append(append(w.buf, name...), value...)
}

// EndStats ends the reply to stats. In the text protocol the word does so.
func (w *Writer) EndStats(h *Head, word string) {
	if h.isPacket {
		w.header(h, statusOK, 0, 0, 0, 0)
	} else {
		w.Line(word)
	}
}

// Details appends the whole reply to "stats detail dump".
func (w *Writer) Details(h *Head, lines string) {
	if h.isPacket {
		w.Stat(h, "detailed", lines+"END\r\n")
		w.EndStats(h, "")
		return
	}
	w.Raw([]byte(lines))
	w.Line("END")
}

// Noop appends the reply to a request that does nothing.
func (w *Writer) Noop(h *Head) { w.success(h, "MN", 0) }

// Version appends the reply to version.
func (w *Writer) Version(h *Head, version string) {
	if h.isPacket {
		w.text(h, statusOK, version)
	} else {
		w.Line("VERSION " + version)
	}
}

// Bye appends the reply to quit, which only the binary protocol has.
func (w *Writer) Bye(h *Head) {
	if h.isPacket {
		w.success(h, "", 0)
	}
}

// LoggedIn appends the reply to a login with the right password.
func (w *Writer) LoggedIn(h *Head) {
	if h.isPacket {
		w.text(h, statusOK, "Authenticated")
	} else {
		w.Line("STORED")
	}
}

// GoOn appends the reply to a login that has begun: the credentials may follow.
func (w *Writer) GoOn(h *Head) { w.header(h, statusAuthContinue, 0, 0, 0, 0) }

// Mechanisms appends the mechanisms of SASL.
func (w *Writer) Mechanisms(h *Head) { w.text(h, statusOK, mechanisms) }

// Fault appends a fault, unless the client wants no reply at all.
func (w *Writer) Fault(h *Head, f *Fault) {
	switch {
	case h.NoReply:
	case h.isPacket:
		w.failure(h, f)
	default:
		w.Line(f.Line)
	}
}
