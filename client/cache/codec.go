package cache

import "encoding/json"

// A Codec turns the values of a Cache into bytes and back. What Decode refuses
// counts as not being there, and is computed again: after a change of format, or
// of the key that values are encrypted with, nothing needs to be flushed.
type Codec[T any] interface {
	Encode(T) ([]byte, error)
	Decode([]byte) (T, error)
}

// JSON is the Codec of a Cache that has no other.
type JSON[T any] struct{}

// Encode is for a Cache.
func (JSON[T]) Encode(value T) ([]byte, error) { return json.Marshal(value) }

// Decode is for a Cache.
func (JSON[T]) Decode(data []byte) (value T, err error) {
	err = json.Unmarshal(data, &value)
	return value, err
}
