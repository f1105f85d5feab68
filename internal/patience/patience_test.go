package patience

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a test that notes its failure.
type fake struct {
	testing.TB
	said string
}

func (*fake) Helper() {}

func (f *fake) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	panic(f) // the test ends here
}

// failure returns what a test says when it fails, or "".
func failure(test func(t testing.TB)) string {
	f := &fake{}
	func() {
		defer func() {
			if v := recover(); v != nil && v != any(f) {
				panic(v)
			}
		}()
		test(f)
	}()
	return f.said
}

// A state that comes late is waited for; one that never comes fails the test after the limit.
func TestWaiting(t *testing.T) {
	const never = "not within 5m0s: the run ends"
	for _, c := range []struct {
		name  string
		after time.Duration
		want  string
	}{{"at once", 0, ""}, {"late", Limit - time.Second, ""}, {"never", 2 * Limit, never}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				said := failure(func(t testing.TB) {
					Until(t, "the run ends", func() bool { return time.Since(began) >= c.after })
				})
				if took := time.Since(began); said != c.want || took > Limit+time.Second {
					t.Errorf("Until says %q after %v, want %q", said, took, c.want)
				}
				ended := make(chan int, 1)
				go func() { time.Sleep(c.after); ended <- 7 }()
				got := 7
				said = failure(func(t testing.TB) { got = Receive(t, "the run ends", ended) })
				if said != c.want || got != 7 {
					t.Errorf("Receive returns %d and says %q, want %q", got, said, c.want)
				}
				time.Sleep(2 * Limit) // until the goroutine has ended
			})
		})
	}
}
