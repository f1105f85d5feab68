package main

import (
	"math"
	"testing"
	"time"
)

func TestExpected(t *testing.T) {
	s := Step{Alone: time.Second, MiB: 40, Window: 0.6}
	if e := s.On(1, Network{}); e.Efficiency != 1 || e.Waited != 0 {
		t.Errorf("one rank: %+v", e)
	}
	// A network without delay: two ranks send 40 MiB each, in ten buckets.
	n := Network{Gbit: 1, Share: 1}
	e := s.On(2, n)
	if want := 40 * (1 << 20) * 8 / 1e9; math.Abs(e.Transfer.Seconds()-want) > 1e-6 {
		t.Errorf("on its way for %v, want %.4f s", e.Transfer, want)
	}
	if want := e.Transfer.Seconds() / 10; math.Abs(e.Waited.Seconds()-want) > 1e-6 {
		t.Errorf("waited for %v, want the last bucket's %.4f s", e.Waited, want)
	}
	// A network that is slower than the backward pass: the rank waits for the rest.
	n.Gbit = 0.1
	e = s.On(2, n)
	if want := e.Transfer.Seconds() - 0.6; math.Abs(e.Waited.Seconds()-want) > 1e-6 {
		t.Errorf("waited for %v, want %.4f s", e.Waited, want)
	}
	if want := 1 / (1 + e.Waited.Seconds()); math.Abs(e.Efficiency-want) > 1e-9 {
		t.Errorf("efficiency %v, want %v", e.Efficiency, want)
	}
	n.Carry = time.Millisecond // 40 MiB are sent
	if got := s.On(2, n); got.Taken != 40*time.Millisecond || (got.Step-e.Step-got.Taken).Abs() > time.Microsecond {
		t.Errorf("%+v, want 40 ms more than %v", got, e.Step)
	}
	for ranks := 2; ranks < 1000; ranks *= 2 {
		n = Network{Gbit: 10, Share: 0.9, Delay: time.Millisecond, Message: time.Microsecond}
		if s.On(2*ranks, n).Efficiency >= s.On(ranks, n).Efficiency {
			t.Errorf("%d ranks are not less efficient than %d", 2*ranks, ranks)
		}
	}
}

func TestNumbers(t *testing.T) {
	if v, err := numbers("-gbit", "10, 2.5"); err != nil || len(v) != 2 || v[1] != 2.5 {
		t.Errorf("%v, %v", v, err)
	}
	for _, bad := range []string{"", "8,", "x", "-1", "0", "NaN"} {
		if _, err := numbers("-ranks", bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}

func TestCheck(t *testing.T) {
	s, n := Step{Alone: time.Second, MiB: 40, Window: 0.6}, Network{Share: 0.9}
	if err := s.check(n); err != nil {
		t.Error(err)
	}
	bad := []Step{
		{MiB: 40},
		{Alone: time.Second},
		{Alone: time.Second, MiB: math.NaN()},
		{Alone: time.Second, MiB: 40, Window: 2},
	}
	for _, bad := range bad {
		if bad.check(n) == nil {
			t.Errorf("%+v passes", bad)
		}
	}
	if s.check(Network{}) == nil || s.check(Network{Share: 1, Carry: -1}) == nil {
		t.Error("a network that cannot be passes")
	}
}
