package kernels

import "github.com/klauspost/cpuid/v2"

// registerBF16 adds the paths of bf16 that the processor and the system can run.
func registerBF16() {
	if variants[AVX512] == nil || !cpuid.CPU.Supports(cpuid.AVX512BF16) {
		refusals[BF16AVX512] = "the processor has no AVX512_BF16"
		refusals[BF16AMX] = "the processor has no AMX_BF16 with AVX512_BF16"
		return
	}
	halves[BF16AVX512] = &halfFunctions{
		path:     BF16AVX512,
		variant:  AVX512,
		step:     2,
		nn:       [4]productFunc{nil, halfNN1BF16, halfNN2BF16, halfNN3BF16},
		nnHalf:   [4]productHalfFunc{nil, halfNNHalf1BF16, halfNNHalf2BF16, halfNNHalf3BF16},
		tn:       [4]halfTNFunc{nil, halfTN1BF16, halfTN2BF16, halfTN3BF16},
		toHalf:   toHalfBF16,
		copyHalf: copyHalfBF16,
		affineHalf: [activationCount]affineHalfFunc{
			Identity: affineHalfBF16,
			ReLU:     affineHalfReLUBF16,
			GELU:     affineHalfGELUBF16,
		},
		affineHalves: [activationCount]affineHalvesFunc{
			Identity: affineHalvesBF16,
			ReLU:     affineHalvesReLUBF16,
			GELU:     affineHalvesGELUBF16,
		},
		fromHalf:   fromHalfBF16,
		interleave: interleaveBF16,
	}
	if refusals[BF16AMX] = amxRefusal(); refusals[BF16AMX] == "" {
		halves[BF16AMX] = tilePath(tiles1AMX, tiles2AMX, halves[BF16AVX512], variants[AVX512])
	}
}

// amxRefusal returns why tiles cannot be used, or "". A program does not inherit the permission of
// the system from its parent. Without it the first AMX instruction ends the process.
func amxRefusal() string {
	const tileState = 1<<17 | 1<<18 // XSTATE components TILECFG and TILEDATA (Intel SDM, volume 1, chapter 13)
	switch {
	case !cpuid.CPU.Supports(cpuid.AMXTILE, cpuid.AMXBF16):
		return "the processor has no AMX_BF16"
	case !cpuid.CPU.Supports(cpuid.OSXSAVE) || xcr0AMX()&tileState != tileState:
		return "the system does not save the tiles of AMX (XCR0)"
	}
	if err := permitTiles(); err != nil {
		return "the system does not permit the tiles of AMX: " + err.Error()
	}
	return ""
}
