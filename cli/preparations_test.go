package cli

import (
	"strings"
	"testing"
	"time"

	"fasternet/train"
)

// A long preparation says how far it is, now and then. A short one says nothing.
func TestPreparations(t *testing.T) {
	var out strings.Builder
	p := &preparations{show: train.NewDisplay(&out)}
	now := time.Now()
	p.now = func() time.Time { return now }
	for _, s := range []struct {
		after time.Duration
		task  string
		done  int
	}{
		{0, "reading sizes", 0}, {time.Second, "reading sizes", 90}, {0, "reading sizes", 100},
		{0, "looking for copies", 0}, {time.Second, "looking for copies", 10},
		{2 * time.Second, "looking for copies", 30}, {5 * time.Second, "looking for copies", 50},
		{11 * time.Second, "looking for copies", 80},
		{time.Second, "looking for copies", 100},
		{0, "reading sizes", 0}, {3 * time.Second, "reading sizes", 60}, {0, "reading sizes", 100},
	} {
		now = now.Add(s.after)
		p.report(s.task, s.done, 100)
	}
	const want = "looking for copies: 30 of 100\nlooking for copies: 80 of 100\nreading sizes: 60 of 100\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
