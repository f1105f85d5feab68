//go:build unix

package kernels

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fasternet/internal/patience"
)

var stressFor = flag.Duration("stress", 300*time.Millisecond, "how long the stress test of bf16 lasts for each path")

// Products on more goroutines than processors keep their bits while garbage is collected, timers fire
// and preemption signals arrive: registers and tiles survive every interruption of a kernel.
//
//	go test ./kernels -run Stress -stress 45s
func TestBF16Stress(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU() + 2))
	v := Default().Variant()
	for _, path := range AvailableBF16(v) {
		t.Run(string(path), func(t *testing.T) {
			products, signals, collections := stress(t, withPath(t, v, path), *stressFor)
			t.Logf("%d products verified, %d signals, %d collections", products, signals, collections)
		})
	}
}

func stress(t *testing.T, k *Set, d time.Duration) (products, signals, collections int64) {
	var stop atomic.Bool
	var count atomic.Int64
	var wg sync.WaitGroup
	background := func(f func()) {
		wg.Go(func() {
			for !stop.Load() {
				f()
			}
		})
	}
	for i := range runtime.NumCPU() + 4 {
		r := rand.New(rand.NewPCG(7, uint64(i)))
		M, K, N := 20+r.IntN(60), 20+r.IntN(200), 20+r.IntN(100)
		a, b, at := newGuarded(r, M, K), newGuarded(r, K, N), newGuarded(r, K, M)
		p := k.NewPacked(K, N, BF16)
		p.Pack(b.Matrix)
		c := NewMatrix(make([]float32, M*N), M, N)
		product := func() {
			clear(c.Data)
			k.Gemm(c, 1, a.Matrix, p, Matrix{})
			k.GemmTN(c, at.Matrix, b.Matrix, BF16)
		}
		product()
		want := slices.Clone(c.Data)
		background(func() {
			product()
			if !slices.Equal(c.Data, want) {
				t.Errorf("a product of %d×%d by %d×%d has different bits", M, K, K, N)
				stop.Store(true)
			}
			count.Add(1)
		})
	}
	background(func() {
		runtime.GC()
		collections++
		_ = make([]byte, 1<<20)
	})
	background(func() { <-time.After(50 * time.Microsecond) })
	background(func() {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGURG) // the signal of Go's preemption
		signals++
		time.Sleep(20 * time.Microsecond)
	})
	time.Sleep(d)
	patience.Until(t, "a product is verified", func() bool { return count.Load() > 0 })
	stop.Store(true)
	wg.Wait()
	return count.Load(), signals, collections
}
