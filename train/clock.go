package train

import "time"

// clock is time.Now, except in tests.
var clock = time.Now

// since returns the time that has passed, 0 if the clock was set back.
func since(t time.Time) time.Duration { return max(clock().Sub(t), 0) }

// perSecond returns n divided by a time; 0 if the clock shows no time.
func perSecond(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
