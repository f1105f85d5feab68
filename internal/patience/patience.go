// Package patience lets tests wait for a state. A test that waits for a time fails on a machine that
// is slower than its author's, or passes there without having tested anything.
package patience

import (
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Limit ends a test that hangs. It is far longer than anything takes on a slow and busy machine, so
// that no result depends on it.
const Limit = 5 * time.Minute

// pause is the time between two looks at a state.
const pause = 2 * time.Millisecond

// For waits until done returns true, and reports whether it did so within [Limit].
func For(done func() bool) bool {
	for end := time.Now().Add(Limit); !done(); time.Sleep(pause) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// Until waits until done returns true. After [Limit] the test fails, and says what did not happen.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	if !For(done) {
		t.Fatalf("not within %v: %s", Limit, what)
	}
}

// Receive returns the next value of a channel. After [Limit] the test fails, and says what did not
// happen.
func Receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(Limit):
		t.Fatalf("not within %v: %s", Limit, what)
		panic("not reached")
	}
}

// Watch kills a process that was started if it runs for longer than [Limit]. The result ends the
// watch; it reports whether the process was killed.
func Watch(cmd *exec.Cmd) (hung func() bool) {
	var mu sync.Mutex
	killed := false
	timer := time.AfterFunc(Limit, func() {
		mu.Lock()
		defer mu.Unlock()
		killed = true
		_ = cmd.Process.Kill() // an error means that it has ended
	})
	return func() bool {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		return killed
	}
}
