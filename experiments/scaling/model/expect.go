package main

import (
	"fmt"
	"math"
	"time"
)

// bucketMiB is the size of the buckets in which gradients are summed (train/buckets.go).
const bucketMiB = 4

// Step is a training step on one machine.
type Step struct {
	Alone  time.Duration // without sums
	MiB    float64       // gradients
	Window float64       // share of the step during which buckets can travel
}

// Network is the network between machines.
type Network struct {
	Gbit    float64       // rate of a machine's link, in each direction
	Delay   time.Duration // in one direction
	Message time.Duration // processor time for a message
	Share   float64       // part of the rate that is left for data
	Carry   time.Duration // time of all processors of a machine for each MiB that it sends
}

// check returns an error that names the flag whose value is out of range.
func (s Step) check(n Network) error {
	switch {
	case s.Alone <= 0:
		return fmt.Errorf("-step: want a time above 0, got %v", s.Alone)
	case !(s.MiB > 0):
		return fmt.Errorf("-mib: want a number above 0, got %v", s.MiB)
	case !(s.Window >= 0 && s.Window <= 1):
		return fmt.Errorf("-window: want 0 to 1, got %v", s.Window)
	case !(n.Share > 0 && n.Share <= 1):
		return fmt.Errorf("-share: want above 0 and at most 1, got %v", n.Share)
	case n.Delay < 0 || n.Message < 0 || n.Carry < 0:
		return fmt.Errorf("-delay, -message, -carry: want times of 0 or more, got %v, %v, %v",
			n.Delay, n.Message, n.Carry)
	}
	return nil
}

// Expected says how long a step on several machines takes.
type Expected struct {
	Transfer, Waited time.Duration
	Taken            time.Duration // from the processors, while they compute
	Step             time.Duration
	Efficiency       float64 // time of a step alone divided by the time of a step
}

// On returns the model. Every rank sends and receives 2·(n−1)/n of the gradients. A bucket takes two
// journeys of n−1 messages each, one bucket after the other. There are also two sums of a few
// numbers, each with one journey. Buckets travel while the backward pass goes on. The last bucket is
// complete only when the pass ends, so the rank always waits for it.
//
// The model leaves out the time that ranks of different speed wait for each other.
func (s Step) On(ranks int, n Network) Expected {
	if ranks < 2 {
		return Expected{Efficiency: 1, Step: s.Alone}
	}
	others := float64(ranks - 1)
	buckets := math.Max(1, math.Ceil(s.MiB/bucketMiB))
	journey := n.Delay.Seconds() + others*n.Message.Seconds()
	sent := 2 * others / float64(ranks) * s.MiB
	taken := sent * n.Carry.Seconds()
	carried := sent * (1 << 20) * 8 / (n.Gbit * 1e9 * n.Share)
	transfer := carried + 2*buckets*journey
	waited := math.Max(transfer-s.Window*s.Alone.Seconds(), transfer/buckets) + 2*journey
	alone := s.Alone.Seconds()
	step := alone + taken + waited
	return Expected{seconds(transfer), seconds(waited), seconds(taken), seconds(step), alone / step}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
