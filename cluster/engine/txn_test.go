package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	var many []Op
	var conds []Cond
	for i := range MaxOps + 1 {
		many = append(many, Put(fmt.Sprint(i), nil))
		conds = append(conds, Absent(fmt.Sprint(i)))
	}
	put, get := Put("k", []byte("v")), Get("k")
	for name, test := range map[string]struct {
		txn     Txn
		refused string // "" if it is not
	}{
		"empty":               {Txn{If: []Cond{Absent("k")}}, "no operation"},
		"then":                {Txn{Then: []Op{put}}, ""},
		"else":                {Txn{Else: []Op{get}}, ""},
		"ops-max":             {Txn{If: conds[1:], Then: many[1:], Else: many[1:]}, ""},
		"ops-over":            {Txn{Then: many}, "more than 128 operations"},
		"ops-over-else":       {Txn{Then: many[1:], Else: many}, "more than 128 operations"},
		"conditions-over":     {Txn{If: conds, Then: []Op{put}}, "more than 128 operations"},
		"bytes-max":           {Txn{Then: []Op{Put("k", make([]byte, MaxBytes-1))}}, ""},
		"bytes-over":          {Txn{Then: []Op{Put("k", make([]byte, MaxBytes))}}, "more than 1048576 bytes"},
		"no-key":              {Txn{Then: []Op{Put("", nil)}}, "without a key"},
		"no-key-to-get":       {Txn{Then: []Op{put}, Else: []Op{Get("")}}, "without a key"},
		"no-key-in-condition": {Txn{If: []Cond{Absent("")}, Then: []Op{put}}, "without a key"},
		"range-of-nothing":    {Txn{Then: []Op{DeleteRange("b", "b")}}, "ends before it begins"},
		"put-twice":           {Txn{Then: []Op{put, put}}, "changed twice"},
		"put-and-delete":      {Txn{Then: []Op{put, Delete("k")}}, "changed twice"},
		"delete-and-put":      {Txn{Else: []Op{DeletePrefix("k"), Put("kk", nil)}}, "changed twice"},
		"put-beside-a-range":  {Txn{Then: []Op{DeleteRange("a", "k"), put}}, ""},
		"put-in-each-branch":  {Txn{Then: []Op{put}, Else: []Op{put}}, ""},
		"put-and-get":         {Txn{Then: []Op{put, get, get, GetPrefix("k")}}, ""},
		"delete-twice":        {Txn{Then: []Op{Delete("k"), DeletePrefix("k")}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.txn.Check()
			switch {
			case test.refused == "" && err == nil:
			case test.refused == "" || !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), test.refused):
				t.Errorf("%v, want %q", err, test.refused)
			case errors.Is(err, ErrUnknown):
				t.Errorf("%v is both refused and unknown", err)
			}
		})
	}
}

func TestPrefixEnd(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{"a": "b", "a/": "a0", "a\xff": "b", "a\xff\xff": "b", "\xfe\xff": "\xff"} {
		if end := PrefixEnd(prefix); end != want {
			t.Errorf("PrefixEnd(%q) = %q, want %q", prefix, end, want)
		}
		for _, key := range []string{prefix, prefix + "\x00", prefix + "\xff\xff"} {
			if !GetPrefix(prefix).covers(key) {
				t.Errorf("the range of %q lacks %q", prefix, key)
			}
		}
	}
}

func TestHolds(t *testing.T) {
	t.Parallel()
	absent, present := Pair{}, Pair{Key: "k", Created: 3, Modified: 5}
	conds := []Cond{Absent("k"), CreatedAt("k", 3), ModifiedAt("k", 5), CreatedAt("k", 5), ModifiedAt("k", 3)}
	holding := func(p Pair) (held []bool) {
		for _, c := range conds {
			held = append(held, c.Holds(p))
		}
		return held
	}
	if got, want := holding(absent), []bool{true, false, false, false, false}; !slices.Equal(got, want) {
		t.Errorf("of an absent key hold %v, want %v", got, want)
	}
	if got, want := holding(present), []bool{false, true, true, false, false}; !slices.Equal(got, want) {
		t.Errorf("of a key hold %v, want %v", got, want)
	}
}
