// Package collective describes the ranks that train one model together, and the few operations that
// they do together. The training loop knows only this interface; a process that trains by itself is
// a group of one.
//
// All ranks call the same operations in the same order. The error of an operation says which rank
// caused it, if this is known.
package collective

// Group is the processes that train one model together. Only one goroutine at a time may call its
// methods. Operations take effect in the order in which they were called, including those by Start.
type Group interface {
	// Rank returns the number of this process, from 0 to Size()-1. LocalRank returns its number
	// among the ranks on the same host.
	Rank() int
	Size() int
	LocalRank() int
	// Name returns which process a rank is, as in "rank 3 on node7".
	Name(rank int) string

	// Broadcast gives every rank the data of root. The length must be the same on all ranks.
	Broadcast(data []byte, root int) error
	// Sum replaces x by its sum over the ranks, with the same bits on all of them.
	Sum(x []float32) error
	// Sum64 is Sum in float64, for statistics and metrics.
	Sum64(x []float64) error
	// Start is Sum in the background: x belongs to the group until wait has returned.
	Start(x []float32) (wait func() error)
	// Gather gives every rank the data of all ranks, by rank. The lengths may differ.
	Gather(data []byte) ([][]byte, error)
	// Barrier returns when all ranks have called it.
	Barrier() error

	// Progress tells the group where this rank is, as in "epoch 3, step 120". It is for the
	// message about a rank that others wait for.
	Progress(at string)
	// Abort ends the whole job, all its ranks. The reason is printed once, with the name of this
	// rank. Abort does not return.
	Abort(reason error)
	// Close leaves the group once all ranks have called it.
	Close() error
}
