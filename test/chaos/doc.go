// Package chaos tries faults that can happen to a run, and counts how many it survives.
//
// Its tests drive the built program: they kill it, take its disk away, damage its files, and then
// resume the run. A run survives a fault if no good checkpoint is lost, it can be resumed, its
// checkpoints then equal the checkpoints of a run without a fault to the last bit, and no other file is left.
//
// A few of each kind run with all tests; "make chaos" tries them all and prints a table.
package chaos
