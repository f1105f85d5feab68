package hostile_test

import (
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
	for size, want := range map[int]bool{1 << 10: false, 8 << 20: true} {
		r := &reporter{}
		hostile.Bound(r, 1<<20, func() { sink = make([]byte, size) })
		if r.failed != want {
			t.Errorf("%d bytes against a bound of 1 MiB: failed is %v", size, r.failed)
		}
	}
}
