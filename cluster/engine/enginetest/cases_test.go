package enginetest

import (
	"testing"
	"testing/synctest"
)

func TestCases(t *testing.T) {
	t.Parallel()
	for _, c := range Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := New()
				a, b, d := f.Node("a"), f.Node("b"), f.Node("c")
				c.Run(t, "test/", a, b, d)
				for _, n := range []*Node{a, b, d} {
					if err := n.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}
