package journal

// Append encodes the entry behind b, for journals that are not files.
func (e *Entry) Append(b []byte) []byte { return e.appendTo(b) }

// Decode takes the first entry from b and returns the rest. Key and Value are slices of b.
func (e *Entry) Decode(b []byte) (rest []byte, err error) { return e.decode(b) }
