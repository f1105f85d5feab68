package kernels

import "github.com/klauspost/cpuid/v2"

// peaksHere lists the formats and paths of this architecture.
func peaksHere() []Peak {
	return []Peak{
		{Format: FP32.String(), Path: string(NEON)},
		{Format: FP32.String(), Path: string(Go), Run: peakGo},
		{Format: BF16.String(), Path: string(BF16NEON), Missing: refusals[BF16NEON]},
		{Format: BF16.String(), Path: "neon_bfdot", Missing: refusals[BF16NEON]},
		{Format: Int8, Path: "neon_i8mm"},
		{Format: Int8, Path: "neon_dotprod"},
	}
}

// peakLoop returns the assembly loop of a path, or why the processor cannot run it.
func peakLoop(path string) (run func(int) int, missing string) {
	switch path {
	case string(NEON):
		return peakFloatNEON, ""
	case string(BF16NEON):
		return peakBF16NEON, ""
	case "neon_bfdot":
		return peakPairsNEON, ""
	case "neon_i8mm":
		if !armHas(cpuid.I8MM) {
			return nil, "the processor has no I8MM (SMMLA)"
		}
		return peakBytesI8MMNEON, ""
	case "neon_dotprod":
		if !armHas(cpuid.ASIMDDP) {
			return nil, "the processor has no DotProd (SDOT)"
		}
		return peakBytesNEON, ""
	}
	return nil, "there is no such path"
}
