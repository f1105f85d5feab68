package memory

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// heapArena is the step in which Go's heap grows; it is reserved as a whole and counts as address
// space.
const heapArena = 64 << 20

func systemLimits() []limit {
	address, resident := usage("/proc/self/statm")
	var all []limit
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &r) == nil && r.Cur != unix.RLIM_INFINITY {
		all = append(all, limit{"the limit on address space (ulimit -v)", r.Cur, address + heapArena, heapArena})
	}
	if n, ok := groupLimit("/proc/self/cgroup", "/sys/fs/cgroup"); ok {
		all = append(all, limit{"the memory limit of the control group (container, job)", n, resident, 0})
	}
	if n, ok := installed("/proc/meminfo"); ok {
		all = append(all, limit{"this machine's memory", n, resident, 0})
	}
	return all
}

// usage reads the sizes of the address space and of the resident memory.
func usage(statm string) (address, resident uint64) {
	text, err := os.ReadFile(statm)
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0, 0
	}
	page := uint64(os.Getpagesize())
	a, _ := strconv.ParseUint(fields[0], 10, 64)
	r, _ := strconv.ParseUint(fields[1], 10, 64)
	return a * page, r * page
}

// installed returns the sum of memory and swap.
func installed(meminfo string) (sum uint64, ok bool) {
	text, err := os.ReadFile(meminfo)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) > 1 && (fields[0] == "MemTotal:" || fields[0] == "SwapTotal:") {
			n, err := strconv.ParseUint(fields[1], 10, 64)
			ok = ok || err == nil && n > 0
			sum += n << 10
		}
	}
	return sum, ok
}

// groupLimit returns the smallest memory limit of the process's control groups and the groups around
// them, of either version.
func groupLimit(membership, root string) (least uint64, ok bool) {
	text, err := os.ReadFile(membership)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(text) {
		number, rest, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		dir, file := root, "memory.max"
		if number != "0" {
			if controllers != "memory" {
				continue
			}
			dir, file = filepath.Join(root, "memory"), "memory.limit_in_bytes"
		}
		for g := path.Clean("/" + group); ; g = path.Dir(g) {
			if text, err := os.ReadFile(filepath.Join(dir, g, file)); err == nil {
				n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
				if err == nil && (!ok || n < least) { // not "max"
					least, ok = n, true
				}
			}
			if g == "/" {
				break
			}
		}
	}
	return least, ok
}

// used returns the resident memory of the process in bytes.
func used() uint64 {
	_, resident := usage("/proc/self/statm")
	return resident
}
