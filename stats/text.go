package stats

import (
	"bytes"
	"strconv"
)

// Field is a number with its name on the wire. The same fields are printed as
// STAT lines and as name=value pairs on one line.
type Field struct {
	Name string
	Text string
}

// AppendMs appends nanoseconds as milliseconds with up to three decimals:
// 550, 550.5, 0.123.
func AppendMs(dst []byte, ns float64) []byte {
	dst = strconv.AppendFloat(dst, ns/1e6, 'f', 3, 64)
	dst = bytes.TrimRight(dst, "0")
	return bytes.TrimSuffix(dst, []byte("."))
}

// MsField is the Field of a time in nanoseconds, as milliseconds.
func MsField(name string, ns float64) Field {
	return Field{name, string(AppendMs(nil, ns))}
}

// CountField is the Field of a count.
func CountField(name string, n uint64) Field {
	return Field{name, strconv.FormatUint(n, 10)}
}
