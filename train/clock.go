package train

import "time"

// clock is time.Now but in tests.
var clock = time.Now

// since is the time that has passed, 0 if the clock was set back meanwhile.
func since(t time.Time) time.Duration { return max(clock().Sub(t), 0) }

// perSecond is n in so long a time; 0 if none has passed that a clock could tell.
func perSecond(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
