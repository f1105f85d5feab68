package collective

import (
	"fmt"
	"os"

	"fasternet/internal/printable"
)

// Single is the group of a process that trains alone.
type Single struct{}

// Rank implements Group.
func (Single) Rank() int { return 0 }

// Size implements Group.
func (Single) Size() int { return 1 }

// LocalRank implements Group.
func (Single) LocalRank() int { return 0 }

// Name implements Group.
func (Single) Name(rank int) string { return fmt.Sprintf("rank %d", rank) }

// Broadcast implements Group.
func (Single) Broadcast([]byte, int) error { return nil }

// Sum implements Group.
func (Single) Sum([]float32) error { return nil }

// Sum64 implements Group.
func (Single) Sum64([]float64) error { return nil }

// Start implements Group.
func (Single) Start([]float32) (wait func() error) { return func() error { return nil } }

// Gather implements Group.
func (Single) Gather(data []byte) ([][]byte, error) { return [][]byte{data}, nil }

// Barrier implements Group.
func (Single) Barrier() error { return nil }

// Progress implements Group.
func (Single) Progress(string) {}

// Abort implements Group.
func (Single) Abort(reason error) {
	printable.Fprintln(os.Stderr, reason)
	os.Exit(1)
}

// Close implements Group.
func (Single) Close() error { return nil }
