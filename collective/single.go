package collective

import (
	"fmt"
	"os"

	"fasternet/internal/printable"
)

// Single is the group of a process that trains by itself.
type Single struct{}

// Rank is part of Group.
func (Single) Rank() int { return 0 }

// Size is part of Group.
func (Single) Size() int { return 1 }

// LocalRank is part of Group.
func (Single) LocalRank() int { return 0 }

// Name is part of Group.
func (Single) Name(rank int) string { return fmt.Sprintf("rank %d", rank) }

// Broadcast is part of Group.
func (Single) Broadcast([]byte, int) error { return nil }

// Sum is part of Group.
func (Single) Sum([]float32) error { return nil }

// Sum64 is part of Group.
func (Single) Sum64([]float64) error { return nil }

// Start is part of Group.
func (Single) Start([]float32) (wait func() error) { return func() error { return nil } }

// Gather is part of Group.
func (Single) Gather(data []byte) ([][]byte, error) { return [][]byte{data}, nil }

// Barrier is part of Group.
func (Single) Barrier() error { return nil }

// Progress is part of Group.
func (Single) Progress(string) {}

// Abort is part of Group.
func (Single) Abort(reason error) {
	printable.Fprintln(os.Stderr, reason)
	os.Exit(1)
}

// Close is part of Group.
func (Single) Close() error { return nil }
