package kernels

import (
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// armHas says whether the processor has instructions, and the system lets programs use them.
func armHas(f cpuid.FeatureID) bool { return cpuid.CPU.Supports(f) || systemHas(f) }

// hasBF16 says whether there are BFMMLA and the other instructions of FEAT_BF16.
func hasBF16() bool { return armHas(cpuid.BF16) }

func processorFeatures() (has []string) {
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"ASIMD", armHas(cpuid.ASIMD)}, // NEON
		{"FP16", armHas(cpuid.ASIMDHP)},
		{"ASIMDDP", armHas(cpuid.ASIMDDP)},
		{"BF16", hasBF16()},
		{"I8MM", armHas(cpuid.I8MM)},
		{"SVE", armHas(cpuid.SVE)},
		{"SVE2", armHas(cpuid.SVE2)},
		{"SME", systemHasSME()},
	} {
		if f.has {
			has = append(has, f.name)
		}
	}
	return has
}

// processorName returns the name that the system gives. Otherwise it reads the register of the core
// that runs this program, as Linux allows since 4.11.
func processorName() string {
	if name := systemProcessor(); name != "" {
		return name
	}
	return armVendor(cpuid.CPU).String()
}

// armVendor returns the main ID register as cpuid has it: the lower half, and the implementer as a
// name. It is 0 if it could not be read.
func armVendor(c cpuid.CPUInfo) midr {
	if c.Model == 0 {
		return 0
	}
	m := midr(c.Model)
	for code, name := range armImplementers {
		if strings.HasPrefix(c.VendorString, name) {
			m |= midr(code) << 24
		}
	}
	return m
}
