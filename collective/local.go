package collective

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
)

// Local returns n ranks in one process, each for its own goroutine, to try a group without a second
// process. The last rank to come does the operation, so all have the same bits. It is an error when
// ranks call different operations; after an Abort every operation is an error.
func Local(n int) []Group {
	shared := &local{size: n, meetings: map[int]*meeting{}}
	shared.changed.L = &shared.mu
	groups := make([]Group, n)
	for i := range groups {
		groups[i] = &localRank{local: shared, rank: i}
	}
	return groups
}

// local is what the ranks share: the state of a group by Local.
type local struct {
	size     int
	mu       sync.Mutex
	changed  sync.Cond
	meetings map[int]*meeting // by the number of the operation
	failure  error
}

// meeting is an operation to which some ranks have come.
type meeting struct {
	kind  string
	by    int   // the rank that came first
	data  []any // of each rank
	came  int
	left  int // ranks that have their result
	ended bool
}

type localRank struct {
	*local
	rank int
	next int // number of the next operation
}

// enter comes to the next operation. The last rank to come does it.
func (r *localRank) enter(kind string, data any, do func(all []any) error) (number int) {
	number = r.next
	r.next++
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.meetings[number]
	if m == nil {
		m = &meeting{kind: kind, by: r.rank, data: make([]any, r.size)}
		r.meetings[number] = m
	}
	if m.kind != kind {
		r.fail(fmt.Errorf("operation %d is %s on %s and %s on %s",
			number, m.kind, r.Name(m.by), kind, r.Name(r.rank)))
	}
	m.data[r.rank] = data
	if m.came++; m.came == r.size && r.failure == nil {
		if err := do(m.data); err != nil {
			r.fail(err)
		}
		m.ended = true
		r.changed.Broadcast()
	}
	return number
}

// leave waits until an operation has been done.
func (r *localRank) leave(number int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.meetings[number]
	for !m.ended && r.failure == nil {
		r.changed.Wait()
	}
	if m.left++; m.left == r.size {
		delete(r.meetings, number)
	}
	return r.failure
}

// fail ends the group. The caller holds the lock.
func (l *local) fail(err error) {
	if l.failure == nil {
		l.failure = err
	}
	l.changed.Broadcast()
}

func (r *localRank) together(kind string, data any, do func(all []any) error) error {
	return r.leave(r.enter(kind, data, do))
}

// Rank implements Group.
func (r *localRank) Rank() int { return r.rank }

// Size implements Group.
func (r *localRank) Size() int { return r.size }

// LocalRank implements Group.
func (r *localRank) LocalRank() int { return r.rank }

// Name implements Group.
func (r *localRank) Name(rank int) string { return Single{}.Name(rank) }

// Broadcast implements Group.
func (r *localRank) Broadcast(data []byte, root int) error {
	return r.together("a broadcast", data, func(all []any) error {
		from := all[root].([]byte)
		for rank, x := range all {
			if to := x.([]byte); len(to) != len(from) {
				return fmt.Errorf("%s broadcasts %d bytes, %s has room for %d",
					r.Name(root), len(from), r.Name(rank), len(to))
			} else if rank != root {
				copy(to, from)
			}
		}
		return nil
	})
}

// Sum implements Group.
func (r *localRank) Sum(x []float32) error { return r.Start(x)() }

// Sum64 implements Group.
func (r *localRank) Sum64(x []float64) error { return r.together("a sum of float64", x, r.sum64) }

// Start implements Group.
func (r *localRank) Start(x []float32) (wait func() error) {
	number := r.enter("a sum of float32", x, r.sum32)
	return func() error { return r.leave(number) }
}

func (l *local) sum32(all []any) error { return sum[float32](all) }
func (l *local) sum64(all []any) error { return sum[float64](all) }

// sum adds the values of the ranks in order.
func sum[T float32 | float64](all []any) error {
	first := all[0].([]T)
	for rank, x := range all[1:] {
		x := x.([]T)
		if len(x) != len(first) {
			return fmt.Errorf("%s sums %d values, %s %d",
				Single{}.Name(0), len(first), Single{}.Name(rank+1), len(x))
		}
		for i, v := range x {
			first[i] += v
		}
	}
	for _, x := range all[1:] {
		copy(x.([]T), first)
	}
	return nil
}

// Gather implements Group.
func (r *localRank) Gather(data []byte) ([][]byte, error) {
	out := make([][]byte, r.size)
	err := r.together("a gathering", &gathering{slices.Clone(data), out}, func(all []any) error {
		for _, to := range all {
			for rank, from := range all {
				to.(*gathering).all[rank] = from.(*gathering).own
			}
		}
		return nil
	})
	return out, err
}

// gathering has the data that a rank gives, and room for the data of all.
type gathering struct {
	own []byte
	all [][]byte
}

// Barrier implements Group.
func (r *localRank) Barrier() error {
	return r.together("a barrier", nil, func([]any) error { return nil })
}

// Progress implements Group.
func (r *localRank) Progress(string) {}

// Abort implements Group: operations of the other ranks return the reason, and the goroutine of this
// rank ends.
func (r *localRank) Abort(reason error) {
	r.mu.Lock()
	r.fail(&RankError{Rank: r.rank, Name: r.Name(r.rank), Err: reason})
	r.mu.Unlock()
	runtime.Goexit()
}

// Close implements Group.
func (r *localRank) Close() error { return r.Barrier() }
