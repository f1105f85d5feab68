package hostile_test

import (
	"fmt"
	"testing"

	"fasternet/internal/hostile"
)

// reporter notes that a test failed.
type reporter struct {
	testing.TB
	failed bool
}

func (*reporter) Helper()                 {}
func (r *reporter) Errorf(string, ...any) { r.failed = true }

var sink []byte

func TestBound(t *testing.T) {
	for _, c := range []struct {
		size int
		want bool
	}{{1 << 10, false}, {8 << 20, true}} {
		t.Run(fmt.Sprint(c.size), func(t *testing.T) {
			r := &reporter{}
			hostile.Bound(r, 1<<20, func() { sink = make([]byte, c.size) })
			if r.failed != c.want {
				t.Errorf("%d bytes against a bound of 1 MiB: failed is %v", c.size, r.failed)
			}
		})
	}
}
