package protocol

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestWriter(t *testing.T) {
	for _, tt := range []struct {
		name  string
		write func(*Writer)
		want  string
	}{
		{"line", func(w *Writer) { w.Line("STORED") }, "STORED\r\n"},
		{"number-zero", func(w *Writer) { w.number(0) }, "0\r\n"},
		{"number-max", func(w *Writer) { w.number(math.MaxUint64) }, "18446744073709551615\r\n"},
		{"value", func(w *Writer) { w.value([]byte("k"), 7, []byte("a\r\nb")) }, "VALUE k 7 4\r\na\r\nb\r\n"},
		{"value-empty", func(w *Writer) { w.value([]byte("k"), 0, nil) }, "VALUE k 0 0\r\n\r\n"},
		{"value-flags-max", func(w *Writer) { w.value([]byte("k"), math.MaxUint32, nil) }, "VALUE k 4294967295 0\r\n\r\n"},
		{"value-cas", func(w *Writer) { w.valueCAS([]byte("k"), 7, []byte("a"), 9) }, "VALUE k 7 1 9\r\na\r\n"},
		{"stat", func(w *Writer) { w.stat("pid", "1") }, "STAT pid 1\r\n"},
		{"raw", func(w *Writer) { w.Raw([]byte("PREFIX a\r\n")) }, "PREFIX a\r\n"},
		{"meta", func(w *Writer) { w.Meta("HD"); w.EndMeta() }, "HD\r\n"},
		{"meta-value", func(w *Writer) { w.Meta("VA"); w.MetaSize(2); w.MetaBlock([]byte("ab")) }, "VA 2\r\nab\r\n"},
		{"meta-flags", func(w *Writer) {
			w.Meta("HD")
			w.MetaUint('c', 9)
			w.MetaInt('t', -1)
			w.MetaWord([]byte("Oid"))
			w.MetaMark('W')
			w.EndMeta()
		}, "HD c9 t-1 Oid W\r\n"},
		{"meta-key", func(w *Writer) { w.Meta("HD"); w.MetaKey([]byte("foo"), false); w.EndMeta() }, "HD kfoo\r\n"},
		{"meta-key-binary", func(w *Writer) { w.Meta("HD"); w.MetaKey([]byte("foo"), true); w.EndMeta() }, "HD kZm9v b\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w Writer
			var sent strings.Builder
			tt.write(&w)
			if n, err := w.Flush(&sent); n != len(tt.want) || err != nil || sent.String() != tt.want {
				t.Errorf("%d, %v, %q, want %q", n, err, &sent, tt.want)
			}
			if w.Buffered() != 0 || w.buf != nil {
				t.Error("keeps a buffer")
			}
		})
	}
}

func TestWriterCollects(t *testing.T) {
	var w Writer
	var sent strings.Builder
	if n, err := w.Flush(&sent); n != 0 || err != nil {
		t.Errorf("flushing nothing: %d, %v", n, err)
	}
	long := strings.Repeat("x", 2*bufferSize)
	w.Line("STORED")
	w.Line(long)
	w.Line("END")
	want := "STORED\r\n" + long + "\r\nEND\r\n"
	if w.Buffered() != len(want) || string(w.Bytes()) != want {
		t.Errorf("%d bytes are collected of %d", w.Buffered(), len(want))
	}
	if _, err := w.Flush(&sent); err != nil || sent.String() != want {
		t.Errorf("%v, %d bytes arrive of %d", err, sent.Len(), len(want))
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write(b []byte) (int, error) { return 1, errBroken }

func TestWriterDropsWhatCannotBeSent(t *testing.T) {
	var w Writer
	w.Line("STORED")
	if n, err := w.Flush(brokenWriter{}); n != 1 || err != errBroken {
		t.Errorf("%d, %v", n, err)
	}
	if w.Buffered() != 0 {
		t.Error("still has it")
	}
}
