// Package collective describes the ranks that train one model together, and the few
// operations that they do together. The training loop knows only this interface; a run by
// itself is a group of one.
//
// All ranks call the same operations in the same order. An operation that fails says
// which rank is to blame, as far as that is known.
package collective

// Group is the processes that train one model together. Its methods are called by one
// goroutine at a time; operations take effect in the order in which they were called,
// including those in Start.
type Group interface {
	// Rank is the number of this process, from 0 to Size()-1; LocalRank is its number
	// among those of the same host.
	Rank() int
	Size() int
	LocalRank() int
	// Name says which process a rank is, as in "rank 3 on node7".
	Name(rank int) string

	// Broadcast gives every rank the data of root. The lengths are the same everywhere.
	Broadcast(data []byte, root int) error
	// Sum replaces x by its sum over the ranks, the same bits on all of them.
	Sum(x []float32) error
	// Sum64 is Sum in float64, for statistics and metrics.
	Sum64(x []float64) error
	// Start is Sum in the background: x belongs to the group until wait has returned.
	Start(x []float32) (wait func() error)
	// Gather gives every rank the data of all, by rank. The lengths may differ.
	Gather(data []byte) ([][]byte, error)
	// Barrier returns when all ranks have called it.
	Barrier() error

	// Progress tells the group where this rank is, for the message of a rank that
	// others wait for, as in "epoch 3, step 120".
	Progress(at string)
	// Abort ends the whole job, all ranks of it, for a reason that is printed once
	// with the name of this rank. It does not return.
	Abort(reason error)
	// Close leaves the group, after all ranks have called it.
	Close() error
}
