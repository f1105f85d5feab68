package kernels

import (
	"cmp"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// CPU names the processor and the features that the choice of a variant depends on.
func CPU() string {
	name := strings.TrimSpace(cpuid.CPU.BrandName) // on x86-64 and macOS
	return cmp.Or(name, processorName(), "unknown processor") + " (" + strings.Join(processorFeatures(), " ") + ")"
}
