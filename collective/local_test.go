package collective

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// each runs f on all ranks of a local group.
func each(n int, f func(g Group)) {
	var wg sync.WaitGroup
	for _, g := range Local(n) {
		wg.Go(func() { f(g) })
	}
	wg.Wait()
}

func ExampleLocal() {
	var ranks sync.WaitGroup
	for _, g := range Local(3) {
		ranks.Go(func() {
			x := []float64{float64(g.Rank())}
			if err := g.Sum64(x); err == nil && g.Rank() == 0 {
				fmt.Println(x)
			}
		})
	}
	ranks.Wait()
	// Output: [3]
}

func TestLocal(t *testing.T) {
	each(3, func(g Group) {
		r := float32(g.Rank())
		data, x, y := []byte{byte(r), 7}, []float32{r + 1, 1e8 * r}, []float32{r}
		wait, other := g.Start(x), g.Start(y)
		sum := []float64{float64(r)}
		err := errors.Join(g.Sum64(sum), other(), wait(), g.Broadcast(data, 1), g.Barrier())
		all, err2 := g.Gather([]byte(strings.Repeat("x", g.Rank())))
		if err = errors.Join(err, err2, g.Close()); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprintf("%v %v %v %v %s", data, x, y, sum, all); got != "[1 7] [6 3e+08] [3] [3] [ x xx]" {
			t.Error(got)
		}
	})
}

// It is an error when ranks call different operations, or when one does not call any.
func TestLocalErrors(t *testing.T) {
	for _, c := range []struct {
		want string
		f    func(g Group) error
	}{
		{"a broadcast", func(g Group) error {
			if g.Rank() == 1 {
				return g.Barrier()
			}
			return g.Broadcast(nil, 0)
		}},
		{"room for 2", func(g Group) error { return g.Broadcast(make([]byte, 1+g.Rank()), 0) }},
		{"rank 1 2", func(g Group) error { return g.Sum(make([]float32, 1+g.Rank())) }},
		{"rank 1: broke", func(g Group) error {
			if g.Rank() == 1 {
				g.Abort(errors.New("broke"))
			}
			return g.Barrier()
		}},
	} {
		t.Run(c.want, func(t *testing.T) {
			each(2, func(g Group) {
				if err := c.f(g); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
			})
		})
	}
}

func TestAgree(t *testing.T) {
	kind := errors.New("stopped")
	each(3, func(g Group) {
		if err := Agree(g, nil); err != nil {
			t.Error(err)
		}
		var own error
		if g.Rank() > 0 {
			own = fmt.Errorf("%w by a signal on %d", kind, g.Rank())
		}
		err := Agree(g, own, errors.New("another"), kind)
		var at *RankError
		if !errors.Is(err, kind) || !errors.As(err, &at) || at.Rank != 1 ||
			err.Error() != "rank 1: stopped by a signal on 1" {
			t.Errorf("%v", err)
		}
	})
	own := errors.New("alone")
	if err := Agree(Single{}, own); err != own {
		t.Error(err)
	}
}
