package kernels

import "github.com/klauspost/cpuid/v2"

// registerBF16 adds the paths of bf16 that the processor can run.
func registerBF16() {
	if variants[AVX512] == nil || !cpuid.CPU.Supports(cpuid.AVX512BF16) {
		refusals[BF16AVX512] = "the processor has no AVX512_BF16"
		return
	}
	halves[BF16AVX512] = &halfFunctions{
		path:       BF16AVX512,
		variant:    AVX512,
		step:       2,
		nn:         [4]func(int, *uint16, int, int, int, int, *float32, *float32, int, *float32, int, float32, int){nil, halfNN1BF16, halfNN2BF16, halfNN3BF16},
		tn:         [4]func(int, *float32, int, *float32, int, *float32, int, int){nil, halfTN1BF16, halfTN2BF16, halfTN3BF16},
		toHalf:     toHalfBF16,
		fromHalf:   fromHalfBF16,
		interleave: interleaveBF16,
	}
}
