// Package engine implements collective.Group with nonblocking messages between ranks. It needs
// little from the layer that carries them (Wire). Package mpi provides this layer; tests run it in
// one process.
//
// One goroutine, locked to a thread, owns the wire. It starts the operations in the order of the
// calls, keeps several of their parts on their way, and advances them until they are done. So a sum
// goes on while its caller computes. Between its looks the goroutine sleeps, and longer the longer
// nothing arrives: the processors belong to the training.
//
// A sum has the same bits on all ranks, whatever MPI it runs on: one rank adds a part up, in the
// order of the ranks, and the others get a copy (sum.go).
package engine

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"fasternet/collective"
	"fasternet/internal/printable"
)

// Options are the settings of a group.
type Options struct {
	// Timeout is how long ranks wait for another one before it counts as hanging. 0 means
	// DefaultTimeout.
	Timeout time.Duration
	// Fail prints the message of a job that ends, before its processes are killed. nil prints to
	// standard error.
	Fail func(message string)
}

// DefaultTimeout is long enough for rank 0 to evaluate and save a large model alone.
const DefaultTimeout = 10 * time.Minute

// Group is a collective.Group.
type Group struct {
	e     *engine
	rank  int
	hosts []string // by rank
	local int
	peers int // ranks on this host, this one included
}

var _ collective.Group = (*Group)(nil)

// Open forms the group of all ranks that the wire reaches. The goroutine that owns the wire calls
// dial. host is the name of this machine.
func Open(dial func() (Wire, error), host string, o Options) (*Group, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Fail == nil {
		o.Fail = func(message string) { printable.Fprintln(os.Stderr, message) }
	}
	e := &engine{
		options: o,
		wake:    make(chan struct{}, 1),
		aborts:  make(chan error, 1),
		ended:   make(chan struct{}),
	}
	opened := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		wire, err := dial()
		if err != nil {
			opened <- err
			return
		}
		e.wire, e.rank, e.size = wire, wire.Rank(), wire.Size()
		e.watch = newWatch(e)
		opened <- nil
		e.run()
	}()
	if err := <-opened; err != nil {
		return nil, err
	}
	g := &Group{e: e, rank: e.rank}
	names, err := g.Gather([]byte(host))
	if err != nil {
		return nil, fmt.Errorf("asking the ranks where they run: %w", err)
	}
	for r, n := range names {
		g.hosts = append(g.hosts, string(n))
		if string(n) == host {
			if g.peers++; r < g.rank {
				g.local++
			}
		}
	}
	e.watch.names.Store(&g.hosts)
	return g, nil
}

// Rank implements collective.Group.
func (g *Group) Rank() int { return g.rank }

// Size implements collective.Group.
func (g *Group) Size() int { return g.e.size }

// LocalRank implements collective.Group.
func (g *Group) LocalRank() int { return g.local }

// LocalSize returns the number of ranks on this host.
func (g *Group) LocalSize() int { return g.peers }

// Host returns the name of the host of a rank.
func (g *Group) Host(rank int) string { return g.hosts[rank] }

// Hosts returns the number of hosts.
func (g *Group) Hosts() int {
	different := map[string]bool{}
	for _, h := range g.hosts {
		different[h] = true
	}
	return len(different)
}

// Name implements collective.Group.
func (g *Group) Name(rank int) string { return nameOf(rank, g.hosts) }

func nameOf(rank int, hosts []string) string {
	if rank < 0 || rank >= len(hosts) {
		return fmt.Sprintf("rank %d", rank)
	}
	return fmt.Sprintf("rank %d on %s", rank, hosts[rank])
}

// Broadcast implements collective.Group.
func (g *Group) Broadcast(data []byte, root int) error {
	if root < 0 || root >= g.Size() {
		return fmt.Errorf("broadcast from rank %d: the ranks are 0 to %d", root, g.Size()-1)
	}
	return g.do(newBroadcast(data, root, g.Size()))
}

// Sum implements collective.Group.
func (g *Group) Sum(x []float32) error { return g.do(newSum(x, kindSum, g.Size())) }

// Sum64 implements collective.Group.
func (g *Group) Sum64(x []float64) error { return g.do(newSum(x, kindSum64, g.Size())) }

// Start implements collective.Group.
func (g *Group) Start(x []float32) (wait func() error) {
	o := newSum(x, kindSum, g.Size())
	g.e.submit(o)
	return o.wait
}

// Gather implements collective.Group.
func (g *Group) Gather(data []byte) ([][]byte, error) {
	o, all := newGather(data, g.Size())
	err := g.do(o)
	return all, err
}

// Barrier implements collective.Group.
func (g *Group) Barrier() error { return g.do(newBarrier()) }

func (g *Group) do(o *operation) error {
	g.e.submit(o)
	return o.wait()
}

// Progress implements collective.Group.
func (g *Group) Progress(at string) { g.e.watch.at.Store(&at) }

// Abort implements collective.Group.
func (g *Group) Abort(reason error) {
	select {
	case g.e.aborts <- reason:
	default: // another goroutine was first
	}
	select { // normally the process ends during this wait
	case <-g.e.ended:
	case <-time.After(2 * abortPatience):
	}
	os.Exit(1)
}

// Ending says whether the job is about to end. Then the reason has been printed.
func (g *Group) Ending() bool { return g.e.watch.ending.Load() }

// Halt ends the job like Abort, but the caller has printed the reason.
func (g *Group) Halt() {
	g.e.watch.ending.Store(true)
	g.Abort(errHalt)
}

// Close implements collective.Group.
func (g *Group) Close() error {
	// At the second barrier nobody sends notes any more, and all earlier ones have arrived.
	err := g.Barrier()
	if err == nil {
		err = g.do(newQuiet())
	}
	if err == nil {
		err = g.do(newLeave())
	}
	return err
}
