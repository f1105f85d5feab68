package kernels

import (
	"cmp"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// CPU names the processor and the features that the choice of a variant rests on.
func CPU() string {
	name := strings.TrimSpace(cpuid.CPU.BrandName) // of x86-64, and on macOS
	return cmp.Or(name, processorName(), "unknown processor") + " (" + strings.Join(processorFeatures(), " ") + ")"
}
