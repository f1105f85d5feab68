package kernels

import "github.com/klauspost/cpuid/v2"

// peaksHere lists the formats and paths of this architecture.
func peaksHere() []Peak {
	return []Peak{
		{Format: FP32.String(), Path: string(AVX512)},
		{Format: FP32.String(), Path: string(AVX2)},
		{Format: FP32.String(), Path: string(Go), Run: peakGo},
		{Format: BF16.String(), Path: string(BF16AMX), Missing: refusals[BF16AMX]},
		{Format: BF16.String(), Path: string(BF16AVX512), Missing: refusals[BF16AVX512]},
		{Format: Int8, Path: "amx_int8"},
		{Format: Int8, Path: "avx512_vnni"},
		{Format: Int8, Path: "avx_vnni"},
	}
}

// peakLoop returns the assembly loop of a path, or why the processor cannot run it.
func peakLoop(path string) (run func(int) int, missing string) {
	has := cpuid.CPU.Supports
	switch path {
	case string(AVX512):
		if variants[AVX512] == nil {
			return nil, "the processor has no AVX-512 (F, DQ, BW, VL)"
		}
		return peakFloatAVX512, ""
	case string(AVX2):
		if variants[AVX2] == nil {
			return nil, "the processor has no AVX2 with FMA3"
		}
		return peakFloatAVX2, ""
	case string(BF16AVX512):
		return peakBF16, ""
	case string(BF16AMX):
		return peakAMX, ""
	case "amx_int8":
		if refused := refusals[BF16AMX]; refused != "" || !has(cpuid.AMXINT8) {
			return nil, "the processor or the system has no AMX_INT8"
		}
		return peakBytesAMX, ""
	case "avx512_vnni":
		if variants[AVX512] == nil || !has(cpuid.AVX512VNNI) {
			return nil, "the processor has no AVX512_VNNI"
		}
		return peakBytesAVX512, ""
	case "avx_vnni":
		if variants[AVX2] == nil || !has(cpuid.AVXVNNI) {
			return nil, "the processor has no AVX_VNNI"
		}
		return peakBytesAVX2, ""
	}
	return nil, "there is no such path"
}
