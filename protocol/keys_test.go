package protocol

import (
	"bytes"
	"testing"
	"time"
)

func TestParseKey(t *testing.T) {
	for key, want := range map[string]ReservedKey{
		"lockcached:wait=2s:job":          {WaitTopic, []byte("job"), 2 * time.Second, false},
		"lockcached:wait=200:job":         {WaitTopic, []byte("job"), 200 * time.Millisecond, false},
		"lockcached:wait=0:job":           {WaitTopic, []byte("job"), 0, false},
		"lockcached:wait=1m30s+:a:b":      {WaitTopic, []byte("a:b"), 90 * time.Second, true},
		"lockcached:wait=4294967295:job":  {WaitTopic, []byte("job"), 4294967295 * time.Millisecond, false},
		"lockcached:lock:job":             {Topic: LockTopic, Name: []byte("job")},
		"lockcached:lock:lockcached:lock": {Topic: LockTopic, Name: []byte("lockcached:lock")},
		"lockcached:lock:":                {Topic: LockTopic},
		"lockcached:lock":                 {Topic: LockTopic},
		"lockcached:retry:a:b":            {Topic: RetryTopic, Name: []byte("a:b")},
		"lockcached:class:job":            {Topic: ClassTopic, Name: []byte("job")},
		"lockcached:held:100":             {Topic: HeldTopic, Name: []byte("100")},
		"lockcached:version":              {Topic: VersionTopic},
		"lockcached:version:job":          {Topic: VersionTopic, Name: []byte("job")},
		"lockcached:owner:job":            {Topic: OwnerTopic, Name: []byte("job")},
		"lockcached:":                     {},
		"lockcached::job":                 {Name: []byte("job")},
		"lockcached:wait:job":             {Name: []byte("job")},
		"lockcached:Lock:job":             {Name: []byte("job")},
	} {
		got, fault := ParseKey([]byte(key))
		if got.Topic != want.Topic || !bytes.Equal(got.Name, want.Name) || got.Wait != want.Wait ||
			got.GoesOn != want.GoesOn || fault != nil {
			t.Errorf("%s: %+v, %v, want %+v", key, got, fault, want)
		}
	}
}

func TestParseBadWait(t *testing.T) {
	for _, option := range []string{"", "2s", "2s:", ":job", "-1:job", "-1s:job", "+:job", "++2s:job", "2s++:job", "4294967296:job",
		"soon:job", "2s:lockcached:wait=2s:job", "2s:lockcached:"} {
		key := "lockcached:wait=" + option
		if got, fault := ParseKey([]byte(key)); got.Topic != WaitTopic || fault != ErrBadWait {
			t.Errorf("%s: %+v, %v", key, got, fault)
		}
	}
}

func TestIsReserved(t *testing.T) {
	for key, want := range map[string]bool{"lockcached:": true, "lockcached:x": true, "lockcached": false, "job": false, "": false} {
		if IsReserved([]byte(key)) != want {
			t.Errorf("%q is reserved: %v", key, !want)
		}
	}
}

// FuzzKeys checks that ParseKey reads back what the functions for reserved keys make of any key,
// and returns only parts of the key that it parses.
func FuzzKeys(f *testing.F) {
	f.Add("job:1", int64(2000))
	f.Add("lockcached:lock:job", int64(0))
	f.Add("wait=2s+:job", int64(1)<<32)
	f.Fuzz(func(t *testing.T, key string, ms int64) {
		for topic, made := range map[Topic]string{LockTopic: LockKey(key), RetryTopic: RetryKey(key), ClassTopic: ClassKey(key),
			VersionTopic: VersionKey(key), OwnerTopic: OwnerKey(key)} {
			if k, fault := ParseKey([]byte(made)); k.Topic != topic || string(k.Name) != key || fault != nil {
				t.Errorf("%q is %+v, %v", made, k, fault)
			}
		}
		possible := ms >= 0 && ms < 1<<32 && key != "" && !IsReserved([]byte(key))
		wait := time.Duration(ms) * time.Millisecond
		if possible {
			for goesOn, made := range map[bool]string{false: WaitKey(wait, key), true: WaitOnKey(wait, key)} {
				if k, fault := ParseKey([]byte(made)); k.Topic != WaitTopic || string(k.Name) != key || k.Wait != wait ||
					k.GoesOn != goesOn || fault != nil {
					t.Errorf("%q is %+v, %v", made, k, fault)
				}
			}
		}
		whole := []byte(ReservedPrefix + key)
		k, fault := ParseKey(whole)
		if !bytes.HasSuffix(whole, k.Name) || k.Wait < 0 || fault != nil && k.Topic != WaitTopic {
			t.Errorf("%q is %+v, %v", whole, k, fault)
		}
	})
}
