package protocol

import "testing"

var hotRequests = []struct{ name, input string }{
	{"get", "get lock:user:1234567\r\n"},
	{"add", "add lock:user:1234567 0 30 16\r\n0123456789abcdef\r\n"},
	{"delete", "delete lock:user:1234567\r\n"},
	{"binary-get", testPacket{op: opGet, key: "lock:user:1234567"}.String()},
	{"binary-add", testPacket{op: opAdd, extras: storing(0, 30), key: "lock:user:1234567", value: "0123456789abcdef"}.String()},
	{"binary-delete", testPacket{op: opDelete, key: "lock:user:1234567"}.String()},
}

// next takes one request through the Reader, as a connection does that is idle afterwards.
func next(r *Reader, input string, q *Request) error {
	r.Advance(copy(r.Space(), input))
	err := r.Next(q)
	r.Release()
	return err
}

func BenchmarkNext(b *testing.B) {
	for _, bb := range hotRequests {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			r := NewReader(1 << 20)
			var q Request
			for b.Loop() {
				if err := next(&r, bb.input, &q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	for _, tt := range hotRequests {
		r := NewReader(1 << 20)
		var q Request
		var err error
		allocs := testing.AllocsPerRun(1000, func() { err = next(&r, tt.input, &q) })
		if err != nil || allocs != 0 {
			t.Errorf("%s: %v allocations per request, %v", tt.name, allocs, err)
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	key, value := []byte("lock:user:1234567"), []byte("0123456789abcdef")
	for name, h := range map[string]Head{
		"get":        {Verb: Get},
		"binary-get": {Verb: Get, isPacket: true, opcode: opGet},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var w Writer
			for b.Loop() {
				w.Hit(&h, key, 0, value, 1)
				w.EndGet(&h)
				w.Drop()
			}
		})
	}
}
