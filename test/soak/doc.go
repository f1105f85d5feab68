// Package soak trains for a long time and measures what the process holds: resident memory, live heap,
// goroutines and open files. Nothing may grow.
//
// "make soak" does it; without its flag -soak the test is skipped.
package soak
