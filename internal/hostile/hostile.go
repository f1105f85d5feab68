// Package hostile helps the fuzz tests of parsers: it compares the memory that they take with the
// bound in docs/reference/hostile-input.md.
package hostile

import (
	"runtime/metrics"
	"testing"
)

// Bound calls f and fails the test if f allocates more than this many bytes in all, garbage included.
// Nothing else may run in the process. Under the race detector four times as many are allowed.
func Bound(t testing.TB, bytes int, f func()) {
	t.Helper()
	before := allocated()
	f()
	if n := allocated() - before; n > uint64(instrumented*bytes) {
		t.Errorf("%d bytes were allocated, more than the bound of %d", n, bytes)
	}
}

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
