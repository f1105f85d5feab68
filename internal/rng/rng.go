// Package rng makes randomness a function of position.
//
// A generator depends only on a seed, a purpose and a position in the run (epoch, step, sample …).
// It carries no state, so a resumed run, a run with another number of loader workers and an
// uninterrupted run see the same numbers.
package rng

import (
	"hash/fnv"
	"math/rand/v2"
)

// Purpose separates the streams of a seed.
type Purpose string

// The purposes of the framework.
const (
	Init      Purpose = "init"      // at: hash of the parameter name
	Shuffle   Purpose = "shuffle"   // at: epoch
	Sample    Purpose = "sample"    // which samples an epoch shows, and their order; at: epoch
	Augment   Purpose = "augment"   // at: epoch, sample index
	Mix       Purpose = "mix"       // at: epoch, step
	Mask      Purpose = "mask"      // at: epoch, sample index; or epoch, step if a batch shares a mask
	DropPath  Purpose = "drop_path" // at: step, block
	Bench     Purpose = "bench"     // synthetic inputs
	Few       Purpose = "few"       // which images keep their labels; at: class
	HoldOut   Purpose = "hold_out"  // which images are held out for validation; at: class
	Shard     Purpose = "shard"     // order of the samples in shards
	Sweep     Purpose = "sweep"     // values of a trial; at: trial, hash of the key
	Bootstrap Purpose = "bootstrap" // which images are drawn again; at: resample
	Calibrate Purpose = "calibrate" // which images a temperature is fitted on
)

// New returns the generator of a purpose at a position. Equal arguments give equal draws.
func New(seed uint64, purpose Purpose, at ...uint64) *rand.Rand {
	hi := Hash(string(purpose)) ^ mix(seed)
	lo := mix(hi + golden)
	for _, v := range at {
		hi = mix(hi ^ mix(v+golden))
		lo = mix(lo + hi)
	}
	return rand.New(rand.NewPCG(hi, lo))
}

const golden = 0x9E3779B97F4A7C15

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection of the 64-bit
// integers in which every input bit changes half of the output bits on average.
func mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB
	return z ^ (z >> 31)
}

// Hash returns the 64-bit FNV-1a hash of s, to turn a name into a position.
func Hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
