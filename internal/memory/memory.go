// Package memory knows how much memory the process may use. A model that does not fit is refused
// with a message, instead of being killed or becoming slow hours later.
package memory

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"runtime/metrics"
)

// limit is a limit on the memory of the process.
type limit struct {
	source string // what sets it, for a message
	bytes  uint64
	used   uint64
	grain  uint64 // memory is taken in multiples of this
}

// limits returns the known limits: Go's own first, then the system's.
func limits() []limit {
	var all []limit
	if n := debug.SetMemoryLimit(-1); n < math.MaxInt64 {
		all = append(all, limit{"GOMEMLIMIT", uint64(max(n, 0)), heap(), 0})
	}
	return append(all, systemLimits()...)
}

// heap returns the memory that counts towards GOMEMLIMIT, without free memory.
func heap() uint64 {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64() - s[2].Value.Uint64()
}

// ErrShort says that something does not fit into memory.
var ErrShort = errors.New("not enough memory")

// Check returns an error if this many more bytes do not fit into the limits of the system, the user or
// GOMEMLIMIT; it wraps [ErrShort]. what names what needs them.
func Check(what string, bytes int) error {
	err := check(what, uint64(bytes), limits())
	if err != nil {
		debug.FreeOSMemory() // some of the memory in use may be garbage
		err = check(what, uint64(bytes), limits())
	}
	return err
}

// CheckDouble returns an error unless the process may take as much memory again as it has now, garbage
// included; it wraps [ErrShort]. what names what may need it.
func CheckDouble(what string) error { return check(what, used(), limits()) }

func check(what string, bytes uint64, limits []limit) error {
	for _, l := range limits {
		need := bytes
		if l.grain > 0 {
			need = (need + l.grain - 1) / l.grain * l.grain
		}
		if l.used+need > l.bytes {
			return fmt.Errorf("%w: %s need %s, about %s with the memory in use; %s allows %s",
				ErrShort, what, size(bytes), size(l.used+need), l.source, size(l.bytes))
		}
	}
	return nil
}

// size writes a number of bytes for people.
func size(bytes uint64) string {
	const mib = 1 << 20
	if bytes < 1000*mib {
		return fmt.Sprintf("%.0f MiB", float64(bytes)/mib)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

// Allowed returns the smallest known limit on the memory of the process, in bytes, and what sets it;
// 0 if there is none.
func Allowed() (bytes uint64, source string) {
	for _, l := range limits() {
		if bytes == 0 || l.bytes < bytes {
			bytes, source = l.bytes, l.source
		}
	}
	return bytes, source
}
