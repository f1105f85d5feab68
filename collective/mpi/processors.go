//go:build mpi && linux && (amd64 || arm64)

package mpi

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"fasternet/collective/engine"
	"fasternet/kernels"

	"golang.org/x/sys/unix"
)

// share divides the processors of a host among its ranks. Each rank gets one thread more for the
// engine's goroutine, which needs it for some microseconds now and then, while all others compute.
//
// If a launcher has bound the ranks to processors, those on the same processors divide them. share
// returns the process of each rank on this host, and -1 for ranks on others.
func share(g *engine.Group, o Options) (pids []int, err error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return nil, err
	}
	_ = showSign(g.LocalSize()) // if this fails, only the launcher notices when this process dies
	all, err := g.Gather(fmt.Appendf(nil, "%d %x", os.Getpid(), allowed))
	if err != nil {
		return nil, err
	}
	mask := maskOf(all[g.Rank()])
	sharing := 0
	for r, text := range all {
		if g.Host(r) != g.Host(g.Rank()) {
			pids = append(pids, -1)
			continue
		}
		if bytes.Equal(maskOf(text), mask) {
			sharing++
		}
		pids = append(pids, pidOf(text))
	}
	threads := max(1, runtime.GOMAXPROCS(0)/max(1, sharing))
	runtime.GOMAXPROCS(threads + 1)
	kernels.Reserve(1)
	if g.Rank() == 0 && o.Note != nil {
		note(g, all, o.Note)
		online := online()
		bound := sharing == 1 && g.LocalSize() > 0 && threads*g.LocalSize() <= online/2
		if bound {
			idle := online - threads*g.LocalSize()
			o.Note(fmt.Sprintf("warning: the launcher has bound each rank to %d of the %d processors of %s, "+
				"and %d of them are left idle: mpirun --bind-to none (or --map-by node:PE=%d) gives them back",
				threads, online, g.Host(0), idle, online/g.LocalSize()))
		}
	}
	return pids, nil
}

// pidOf returns the process of a rank, or -1.
func pidOf(text []byte) int {
	digits, _, _ := bytes.Cut(text, []byte(" "))
	pid, err := strconv.Atoi(string(digits))
	if err != nil {
		return -1
	}
	return pid
}

func maskOf(text []byte) []byte {
	_, mask, _ := bytes.Cut(text, []byte(" "))
	return mask
}

// note says which ranks run where: if one of them dies, the launcher names at most its host and its
// process.
func note(g *engine.Group, all [][]byte, show func(string)) {
	hosts := "1 host"
	if n := g.Hosts(); n > 1 {
		hosts = fmt.Sprintf("%d hosts", n)
	}
	show(fmt.Sprintf("%d ranks on %s train together", g.Size(), hosts))
	for first := 0; first < g.Size(); {
		host := g.Host(first)
		var list []string
		next := first
		for next < g.Size() && g.Host(next) == host {
			list = append(list, fmt.Sprintf("%d (process %d)", next, pidOf(all[next])))
			next++
		}
		show(fmt.Sprintf("  %s: rank %s", host, strings.Join(list, ", ")))
		first = next
	}
}

// online returns the number of processors of this machine, even those that this process may not use.
func online() int {
	b, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return 0
	}
	n := 0
	for _, part := range strings.Split(strings.TrimSpace(string(b)), ",") { // 0-3,6
		low, high, ok := strings.Cut(part, "-")
		if !ok {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil {
			return 0
		}
		n += to - from + 1
	}
	return n
}
