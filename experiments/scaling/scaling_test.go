//go:build linux

package main

import (
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for _, c := range []struct {
		s    string
		want float64
	}{{"0", 0}, {"1gbit", 1e9}, {"2.5gbit", 2.5e9}, {"100mbit", 1e8}} {
		t.Run(c.s, func(t *testing.T) {
			if got, err := parseRate(c.s); err != nil || got != c.want {
				t.Errorf("%s: %v, %v", c.s, got, err)
			}
		})
	}
	for _, s := range []string{"", "fast", "1", "-1gbit", "gbit", "1e9gbit", "NaNgbit"} {
		if got, err := parseRate(s); err == nil {
			t.Errorf("%q is taken for %v", s, got)
		}
	}
}

func TestRelayKnowsWhereFramesGo(t *testing.T) {
	ip := make([]byte, 60)
	ip[12], ip[13] = 0x08, 0x00
	copy(ip[30:], []byte{10, 77, 0, 3})
	if got := destination(ip); got != 3 {
		t.Errorf("to host %d", got)
	}
	arp := make([]byte, 60)
	arp[12], arp[13] = 0x08, 0x06
	if got := destination(arp); got != 0 {
		t.Errorf("ARP goes to host %d alone", got)
	}
	if destination(ip[:20]) != 0 {
		t.Error("a stump has a destination")
	}
}

func TestRelayTakesItsTime(t *testing.T) {
	r := newRelay(1e9, time.Millisecond)
	if got := r.took(125000); got != time.Millisecond {
		t.Errorf("125000 bytes take %v at 1 Gbit/s", got)
	}
	if got := newRelay(0, 0).took(1 << 20); got != 0 {
		t.Errorf("without a rate a frame takes %v", got)
	}
}
