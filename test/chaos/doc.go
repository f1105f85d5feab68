// Package chaos tries what can happen to a run, and counts what it survives.
//
// Its tests drive the built program: they kill it, take its disk away, damage its
// files, and then resume the run. Survived is a fault after which no whole
// checkpoint was lost, the run could be resumed, its checkpoints were those of an
// undisturbed run to the last bit, and no other file was left.
//
// A few of each run with all tests; "make chaos" tries them all and prints a
// table.
package chaos
