package stats

import "testing"

func TestSizes(t *testing.T) {
	t.Parallel()
	var s Sizes
	for _, n := range []int{0, 1, 2, 3, 5, 6, 5000, 5001, 100_000} {
		s.Add(n)
	}
	if s.Count() != 9 || s.Sum() != 0+1+2+3+5+6+5000+5001+100_000 {
		t.Errorf("%d numbers, their sum is %d", s.Count(), s.Sum())
	}
	want := map[int]uint64{1: 2, 2: 3, 5: 5, 10: 6, 2000: 6, 5000: 7}
	for bound, n := range s.UpTo() {
		if w, ok := want[bound]; ok && n != w {
			t.Errorf("%d are no larger than %d, want %d", n, bound, w)
		}
	}
}
