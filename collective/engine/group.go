// Package engine is a collective.Group over nonblocking messages between ranks. It
// needs little of what carries them (Wire), which is what package mpi provides; tests
// run it in one process.
//
// One goroutine, locked to a thread, owns the wire. It starts the operations in the
// order of the calls, keeps several of their parts on the way at a time, and looks after
// them until they are done, so that a sum that was started goes on while its caller
// computes. Between looks it sleeps, the longer the longer nothing has come: the
// processors belong to the training.
//
// A sum has the same bits on all ranks, whatever MPI it runs on: a part of it is added up
// by one rank, in the order of the ranks, and the others get a copy (sum.go).
package engine

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"fasternet/collective"
	"fasternet/internal/printable"
)

// Options are the properties of a group.
type Options struct {
	// Timeout is how long ranks wait for one before it counts as hanging. 0 means
	// DefaultTimeout.
	Timeout time.Duration
	// Fail prints the message of a job that ends, before all of its processes are ended.
	// nil prints to standard error.
	Fail func(message string)
}

// DefaultTimeout leaves rank 0 the time to evaluate and save a large model alone.
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

// Open forms the group of all ranks that the wire of dial reaches; dial is called by the
// goroutine that owns the wire, and host is the name of this machine.
func Open(dial func() (Wire, error), host string, o Options) (*Group, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Fail == nil {
		o.Fail = func(message string) { printable.Fprintln(os.Stderr, message) }
	}
	e := &engine{options: o, wake: make(chan struct{}, 1), aborts: make(chan error, 1), ended: make(chan struct{})}
	opened := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
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

// Rank is part of collective.Group.
func (g *Group) Rank() int { return g.rank }

// Size is part of collective.Group.
func (g *Group) Size() int { return g.e.size }

// LocalRank is part of collective.Group.
func (g *Group) LocalRank() int { return g.local }

// LocalSize is the number of ranks on the host of this one.
func (g *Group) LocalSize() int { return g.peers }

// Host is the name of the host of a rank.
func (g *Group) Host(rank int) string { return g.hosts[rank] }

// Hosts is the number of hosts.
func (g *Group) Hosts() int {
	different := map[string]bool{}
	for _, h := range g.hosts {
		different[h] = true
	}
	return len(different)
}

// Name is part of collective.Group.
func (g *Group) Name(rank int) string { return nameOf(rank, g.hosts) }

func nameOf(rank int, hosts []string) string {
	if rank < 0 || rank >= len(hosts) {
		return fmt.Sprintf("rank %d", rank)
	}
	return fmt.Sprintf("rank %d on %s", rank, hosts[rank])
}

// Broadcast is part of collective.Group.
func (g *Group) Broadcast(data []byte, root int) error {
	if root < 0 || root >= g.Size() {
		return fmt.Errorf("broadcast from rank %d: the ranks are 0 to %d", root, g.Size()-1)
	}
	return g.do(newBroadcast(data, root, g.Size()))
}

// Sum is part of collective.Group.
func (g *Group) Sum(x []float32) error { return g.do(newSum(x, kindSum, g.Size())) }

// Sum64 is part of collective.Group.
func (g *Group) Sum64(x []float64) error { return g.do(newSum(x, kindSum64, g.Size())) }

// Start is part of collective.Group.
func (g *Group) Start(x []float32) (wait func() error) {
	o := newSum(x, kindSum, g.Size())
	g.e.submit(o)
	return o.wait
}

// Gather is part of collective.Group.
func (g *Group) Gather(data []byte) ([][]byte, error) {
	o, all := newGather(data, g.Size())
	err := g.do(o)
	return all, err
}

// Barrier is part of collective.Group.
func (g *Group) Barrier() error { return g.do(newBarrier()) }

func (g *Group) do(o *operation) error {
	g.e.submit(o)
	return o.wait()
}

// Progress is part of collective.Group.
func (g *Group) Progress(at string) { g.e.watch.at.Store(&at) }

// Abort is part of collective.Group.
func (g *Group) Abort(reason error) {
	select {
	case g.e.aborts <- reason:
	default: // another goroutine was first
	}
	select { // the process ends before
	case <-g.e.ended:
	case <-time.After(2 * abortPatience):
	}
	os.Exit(1)
}

// Ending says whether the job is being ended, with a message that has been printed.
func (g *Group) Ending() bool { return g.e.watch.ending.Load() }

// Halt ends the job like Abort, for a reason that the caller has printed.
func (g *Group) Halt() {
	g.e.watch.ending.Store(true)
	g.Abort(errHalt)
}

// Close is part of collective.Group.
func (g *Group) Close() error {
	// The second time nobody sends notes any more: what is on its way has come then.
	err := g.Barrier()
	if err == nil {
		err = g.do(newQuiet())
	}
	if err == nil {
		err = g.do(newLeave())
	}
	return err
}
