//go:build mpi && linux && (amd64 || arm64)

package mpi

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fasternet/collective"
)

// scripts/test-mpi.sh runs these tests under a launcher, one at a time: MPI can be started only
// once in a process.

func open(t *testing.T, o Options) collective.Group {
	t.Helper()
	if _, ok := Launched(); !ok {
		t.Skip("needs a launcher: scripts/test-mpi.sh")
	}
	g, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func numbers(rank, n int) []float32 {
	x := make([]float32, n)
	s := uint32(rank+1) * 0x9E3779B9
	for i := range x {
		s ^= s << 13
		s ^= s >> 17
		s ^= s << 5
		x[i] = float32(math.Ldexp(float64(int32(s)), -int(s%30)))
	}
	return x
}

func TestRanksOperations(t *testing.T) {
	g := open(t, Options{Timeout: time.Minute})
	n := g.Size()
	t.Logf("%s, %s", g.Name(g.Rank()), Describe())
	want := func(length int) []float32 {
		sum := numbers(0, length)
		for r := 1; r < n; r++ {
			for i, v := range numbers(r, length) {
				sum[i] += v
			}
		}
		return sum
	}
	same := func(a, b []float32) error {
		for i := range a {
			if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
				return fmt.Errorf("number %d of %d: %v, want %v", i, len(a), a[i], b[i])
			}
		}
		return nil
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", g.Name(g.Rank()), err)
		}
	}
	for _, length := range []int{0, 1, 2, 3, 7, 1001, 4096, 4097, 300007, 2<<20 + 5} {
		x := numbers(g.Rank(), length)
		check(g.Sum(x))
		check(same(x, want(length)))
		y := make([]float64, length%5000)
		for i := range y {
			y[i] = float64(i) + 1/float64(g.Rank()+1)
		}
		check(g.Sum64(y))
		for i := range y {
			sum := float64(i) + 1
			for r := 1; r < n; r++ {
				sum += float64(i) + 1/float64(r+1)
			}
			if y[i] != sum {
				t.Fatalf("number %d: %v, want %v", i, y[i], sum)
			}
		}
	}
	// Sums run in the background, with other operations and garbage collections between them.
	var waits []func() error
	var xs [][]float32
	for i := range 10 {
		xs = append(xs, numbers(g.Rank(), 1+i*99991))
		waits = append(waits, g.Start(xs[i]))
		small := []float32{float32(g.Rank()), 1}
		check(g.Sum(small))
		if small[0] != float32(n*(n-1)/2) || small[1] != float32(n) {
			t.Fatalf("got %v", small)
		}
		runtime.GC()
	}
	for i := range waits {
		check(waits[i]())
		check(same(xs[i], want(len(xs[i]))))
	}
	for root := range n {
		for _, length := range []int{0, 5, 20000, 9<<20 + 1} {
			data := bytes.Repeat([]byte{byte(g.Rank() + 1)}, length)
			check(g.Broadcast(data, root))
			if bytes.Count(data, []byte{byte(root + 1)}) != length {
				t.Fatalf("%d bytes of rank %d: some are wrong", length, root)
			}
		}
	}
	for _, length := range []int{0, 3, 70001} {
		all, err := g.Gather(bytes.Repeat([]byte{byte(g.Rank())}, g.Rank()*length))
		check(err)
		for r, b := range all {
			if len(b) != r*length || bytes.Count(b, []byte{byte(r)}) != len(b) {
				t.Fatalf("got %d bytes of rank %d", len(b), r)
			}
		}
	}
	check(handlers())
	check(g.Close())
}

// handlers returns an error if the library has replaced Go's signal handlers.
func handlers() (err error) {
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "nil pointer") {
			err = fmt.Errorf("a nil pointer ends in %v", v)
		}
	}()
	debug.SetPanicOnFault(true)
	var p *[4]int
	return errors.New(strconv.Itoa(p[3]))
}

// FASTERNET_TEST_RANK names the rank that fails. The job must end with one message, which the
// script looks for.
func TestRanksFault(t *testing.T) {
	fault := os.Getenv("FASTERNET_TEST_FAULT")
	limit := time.Hour
	if fault == "late" || fault == "stop" { // only these need it to end
		limit = 10 * time.Second
	}
	g := open(t, Options{Timeout: limit})
	victim, err := strconv.Atoi(os.Getenv("FASTERNET_TEST_RANK"))
	if err != nil {
		t.Fatal(err)
	}
	at := 20
	if fault == "stop" {
		at = 100 // a second: notes, four times a second, have told the others about a step
	}
	x := make([]float32, 100000)
	for step := 1; ; step++ {
		g.Progress(fmt.Sprintf("epoch 1, step %d", step))
		if err := g.Sum(x); err != nil {
			g.Abort(err)
		}
		time.Sleep(10 * time.Millisecond)
		if step < at || g.Rank() != victim {
			if step > at && victim < 0 {
				g.Abort(errors.New("all ranks fail"))
			}
			continue
		}
		switch fault {
		case "abort":
			g.Abort(errors.New("the loss is NaN"))
		case "late":
			time.Sleep(time.Hour)
		case "stop":
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		case "kill":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "another":
			g.Abort(g.Barrier())
		default:
			t.Fatalf("FASTERNET_TEST_FAULT=%s", fault)
		}
	}
}
