package argv

import "testing"

func TestEditDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ls", 2}, {"lock", "lock", 0}, {"lokc", "lock", 1}, {"status", "stats", 1},
		{"kitten", "sitting", 3}, {"unlock", "lock", 2}, {"sl", "ls", 1}, {"ca", "abc", 3},
	} {
		if got, back := editDistance(tt.a, tt.b), editDistance(tt.b, tt.a); got != tt.want || back != tt.want {
			t.Errorf("%s, %s: %d and %d, want %d", tt.a, tt.b, got, back, tt.want)
		}
	}
}
