package command

import "testing"

func TestClosed(t *testing.T) {
	for _, tt := range []struct {
		lock fields
		want string
	}{
		{fields{{"held", "1"}, {"settling_ms", "5000"}}, "0s "},
		{fields{{"held", "0"}}, "0s "},
		{fields{{"held", "0"}, {"delay_ms", "0"}, {"settling_ms", "0"}}, "0s "},
		{fields{{"held", "0"}, {"delay_ms", "2000.5"}}, "2s --lock-delay"},
		{fields{{"held", "0"}, {"settling_ms", "3000"}}, "3s --settle"},
		{fields{{"held", "0"}, {"delay_ms", "9000"}, {"settling_ms", "3000"}}, "9s --lock-delay"},
	} {
		left, flag := closed(tt.lock)
		if got := about(left) + " " + flag; got != tt.want {
			t.Errorf("%v: %s, want %s", tt.lock, got, tt.want)
		}
	}
}
