package protocol

import (
	"strings"
	"testing"
)

func TestSASL(t *testing.T) {
	auth := func(mechanism, credentials string) string {
		return testPacket{op: opSASLAuth, key: mechanism, value: credentials}.String()
	}
	step := func(credentials string) string {
		return testPacket{op: opSASLStep, key: "anything", value: credentials}.String()
	}
	const known, bad, begun = `login "foo" value="bar"`, "bad-login", "begin-login"
	plain := auth("PLAIN", "\x00foo\x00bar")
	for _, tt := range []struct {
		name, input string
		want        []string
	}{
		{"plain", plain, []string{known}},
		{"plain-in-lower-case", auth("plain", "\x00foo\x00bar"), []string{known}},
		{"as-oneself", auth("PLAIN", "foo\x00foo\x00bar"), []string{known}},
		{"as-another", auth("PLAIN", "root\x00foo\x00bar"), []string{bad}},
		{"no-user", auth("PLAIN", "\x00\x00bar"), []string{bad}},
		{"no-password", auth("PLAIN", "\x00foo\x00"), []string{bad}},
		{"no-password-at-all", auth("PLAIN", "\x00foo"), []string{bad}},
		{"garbage", auth("PLAIN", "garbage"), []string{bad}},
		{"again", auth("PLAIN", "garbage") + plain, []string{bad, known}},
		{"two-steps", auth("PLAIN", "") + step("\x00foo\x00bar"), []string{begun, known}},
		{"step-alone", step("\x00foo\x00bar"), []string{bad}},
		{"step-twice", auth("PLAIN", "") + step("x") + step("\x00foo\x00bar"), []string{begun, bad, bad}},
		{"version-between", auth("PLAIN", "") + testPacket{op: opVersion}.String() + step("\x00foo\x00bar"),
			[]string{begun, "version", known}},
		{"mechanisms", testPacket{op: opSASLList}.String() + plain, []string{"mechanisms", known}},
		{"other-mechanism", auth("CRAM-MD5", ""), []string{bad}},
		{"mechanism-too-long", auth(strings.Repeat("P", 33), "") + plain, []string{errMechanism.Error(), known}},
		{"no-mechanism", auth("", "\x00foo\x00bar"), []string{errPacket.Error()}},
		{"endless-mechanism", auth(strings.Repeat("P", 251), ""), []string{errPacket.Error()}},
		{"endless-credentials", auth("PLAIN", strings.Repeat("x", maxLogin+1)) + plain, []string{ErrNoMemory.Error(), known}},
		{"noop-before", testPacket{op: opNoop}.String(), []string{errPacketLogin.Error()}},
		{"get-before", testPacket{op: opGet, key: "k"}.String(), []string{errPacketLogin.Error()}},
		{"unknown-before", testPacket{op: 0x30}.String(), []string{errPacketLogin.Error()}},
		{"bad-form-before", testPacket{op: opGet, key: strings.Repeat("k", 300)}.String(), []string{errPacketLogin.Error()}},
		{"body-too-short-before", testPacket{op: opGet, key: "key", body: 2}.String(), []string{errPacketLength.Error()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{len(tt.input), 1} {
				r := NewReader(fuzzMax)
				r.RequireLogin()
				got := feed(&r, pieces(tt.input, size)...)
				wantLines(t, got[:min(len(got), len(tt.want))], tt.want...)
			}
		})
	}
}

// After a login the Reader reads every packet, until a login fails.
func TestPacketsBehindALogin(t *testing.T) {
	r := NewReader(fuzzMax)
	r.RequireLogin()
	noop := testPacket{op: opNoop}.String()
	wantLines(t, feed(&r, testPacket{op: opSASLAuth, key: "PLAIN", value: "\x00foo\x00bar"}.String()), `login "foo" value="bar"`)
	r.LoggedIn(true)
	wantLines(t, feed(&r, noop, testPacket{op: opSASLList}.String(), noop), "mn", "mechanisms", "mn")
	r.LoggedIn(false)
	wantLines(t, feed(&r, noop), errPacketLogin.Error())
}
