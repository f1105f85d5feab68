package kernels

import "github.com/klauspost/cpuid/v2"

// processorName is called only if the processor does not give its name.
func processorName() string { return "" }

func processorFeatures() (has []string) {
	for _, f := range []cpuid.FeatureID{cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512BF16, cpuid.AMXBF16} {
		if cpuid.CPU.Supports(f) {
			has = append(has, f.String())
		}
	}
	return has
}
