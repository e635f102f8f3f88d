package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

func TestFrames(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 2*keptBuffer)
	var sent []byte
	sent = appendFrame(sent, beat, 1<<63, nil)
	sent = appendFrame(sent, call, 2, func(b []byte) []byte { return append(b, large...) })
	sent = appendFrame(sent, answer, 3, nil)
	r := frameReader{from: bytes.NewReader(sent)}
	for _, want := range []frame{{beat, 1 << 63, nil}, {call, 2, large}, {answer, 3, nil}} {
		f, err := r.next()
		if err != nil || f.kind != want.kind || f.id != want.id || !bytes.Equal(f.body, want.body) {
			t.Errorf("%d, %d, %d bytes, %v", f.kind, f.id, len(f.body), err)
		}
	}
	if cap(r.buf) > keptBuffer {
		t.Errorf("keeps %d bytes", cap(r.buf))
	}
	if _, err := r.next(); err != io.EOF {
		t.Error(err)
	}
}

func TestBadFrames(t *testing.T) {
	header := func(size uint32) []byte {
		return append(binary.BigEndian.AppendUint32(nil, size), make([]byte, headerSize-4)...)
	}
	for name, tt := range map[string]struct {
		sent []byte
		want error
	}{
		"cut off":   {header(headerSize)[:headerSize-1], io.ErrUnexpectedEOF},
		"too short": {header(headerSize - 5), errFrame},
		"too large": {header(maxFrame + headerSize), errTooLarge},
	} {
		r := frameReader{from: bytes.NewReader(tt.sent)}
		if _, err := r.next(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// FuzzFrames: whatever arrives, reading it ends with an error or with what was sent.
func FuzzFrames(f *testing.F) {
	c := Call{Session: 1, Client: "client", Request: []byte("get a\r\n")}
	f.Add(appendFrame(nil, call, 1, c.appendTo))
	r := Reply{Text: []byte("END\r\n"), Err: ErrMoved}
	f.Add(appendFrame(nil, reply, 1, r.appendTo))
	f.Fuzz(func(t *testing.T, sent []byte) {
		in := frameReader{from: bytes.NewReader(sent)}
		for {
			f, err := in.next()
			if err != nil {
				return
			}
			if c, err := readCall(f.body); err == nil && !bytes.Equal(c.appendTo(nil), f.body) {
				t.Errorf("%+v", c)
			}
			if r, err := readReply(f.body); err == nil && r.Token == 0 && len(f.body) < 10 {
				t.Errorf("%+v of %d bytes", r, len(f.body))
			}
		}
	})
}
