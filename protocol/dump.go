package protocol

import (
	"bytes"
	"encoding/base64"
	"strconv"
)

// Dumped is what a listing shows of an item.
type Dumped struct {
	Key     []byte
	Binary  bool  // the key came as base64
	Expires int64 // in Unix seconds, -1 for never
	Used    int64 // when it was last used, in Unix seconds
	CAS     uint64
	Fetched bool // read since it was stored
	Class   int
	Size    int64 // bytes that it takes in memory
	Length  int   // bytes of the value
	Flags   uint32
}

// MetaDump appends a line of the answer to "lru_crawler metadump". As in memcached, it ends
// with a space and a line feed, without a carriage return.
func (w *Writer) MetaDump(d *Dumped) {
	fetched := "no"
	if d.Fetched {
		fetched = "yes"
	}
	b := appendEscaped(append(w.room(), "key="...), d.Key)
	b = strconv.AppendInt(append(b, " exp="...), d.Expires, 10)
	b = strconv.AppendInt(append(b, " la="...), d.Used, 10)
	b = strconv.AppendUint(append(b, " cas="...), d.CAS, 10)
	b = append(append(b, " fetch="...), fetched...)
	b = strconv.AppendInt(append(b, " cls="...), int64(d.Class), 10)
	b = strconv.AppendInt(append(b, " size="...), d.Size, 10)
	b = strconv.AppendUint(append(b, " flags="...), uint64(d.Flags), 10)
	w.buf = append(b, " \n"...)
}

// MetaGetDump appends a line of the answer to "lru_crawler mgdump": the mg that reads
// the item.
func (w *Writer) MetaGetDump(d *Dumped) {
	b := append(w.room(), "mg "...)
	if d.Binary {
		b = append(base64.StdEncoding.AppendEncode(b, d.Key), " b"...)
	} else {
		b = append(b, d.Key...)
	}
	w.buf = append(b, "\r\n"...)
}

// CacheDump appends a line of the answer to "stats cachedump". An item that never expires
// shows 0. A key is escaped if it would break the line.
func (w *Writer) CacheDump(d *Dumped) {
	b := append(w.room(), "ITEM "...)
	if bytes.ContainsAny(d.Key, " \r\n") {
		b = appendEscaped(b, d.Key)
	} else {
		b = append(b, d.Key...)
	}
	b = strconv.AppendInt(append(b, " ["...), int64(d.Length), 10)
	b = strconv.AppendInt(append(b, " b; "...), max(d.Expires, 0), 10)
	w.buf = append(b, " s]\r\n"...)
}

// appendEscaped appends a key with %XX for every byte that is not unreserved in a URI.
func appendEscaped(b, key []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range key {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}
