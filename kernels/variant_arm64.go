package kernels

import "github.com/klauspost/cpuid/v2"

// register adds the kernels for NEON, which every arm64 processor has.
func register() {
	variants[NEON] = &functions{
		lanes: 8, // a vector of a panel is two registers
		tile:  6,
		gemmNN: [6]gemmNNFunc{
			nil, gemmNN1NEON, gemmNN2NEON, gemmNN3NEON,
			gemmNN2PairedNEON, gemmNN3PairedNEON,
		},
		gemmTN: [6]gemmTNFunc{
			nil, gemmTN1NEON, gemmTN2NEON, gemmTN3NEON,
			gemmTN2PairedNEON, gemmTN3PairedNEON,
		},
		affine:           [activationCount]affineFunc{Identity: affineNEON, ReLU: affineReLUNEON, GELU: affineGELUNEON},
		affineGrad:       [activationCount]affineGradFunc{ReLU: affineReLUGradNEON, GELU: affineGELUGradNEON},
		combineColumns:   combineColumnsNEON,
		combine:          combineNEON,
		copyRows:         copyRowsNEON,
		columnSums:       columnSumsNEON,
		columnDeviations: columnDeviationsNEON,
		columnDots:       columnDotsNEON,
		vectorMax:        vectorMaxNEON,
		expSum:           expSumNEON,
		dot:              dotNEON,
		sumSquares:       sumSquaresNEON,
		adamW:            adamWNEON,
		transpose8:       transpose8NEON,
		dwConv:           dwConvNEON,
		groupConv:        groupConvNEON,
		layerNorm:        layerNormNEON,
		layerNormGrad:    layerNormGradNEON,
		softmaxRows:      softmaxRowsNEON,
		softmaxRowsGrad:  softmaxRowsGradNEON,
		orient:           orientNEON,
		resampleRGB:      resampleRGBNEON,
		resampleRows:     resampleRowsNEON,
		upsampleChroma:   upsampleChromaNEON,
		yCbCrToRGB:       yCbCrToRGBNEON,
	}
}

// registerBF16 adds the path of bf16 if the processor can multiply matrices of bfloat16.
func registerBF16() {
	if !hasBF16() {
		refusals[BF16NEON] = "the processor has no BF16 (BFMMLA)"
		return
	}
	halves[BF16NEON] = &halfFunctions{
		path:       BF16NEON,
		variant:    NEON,
		step:       4,
		nn:         [4]productFunc{nil, halfNN1NEON, halfNN2NEON, halfNN3NEON},
		toHalf:     toHalfNEON,
		copyHalf:   copyHalfNEON,
		fromHalf:   fromHalfNEON,
		interleave: interleaveNEON,
		quads:      quadsNEON,
	}
}

// registerInt8 adds the path of 8-bit products, if the processor has one.
func registerInt8() {
	if !armHas(cpuid.ASIMDDP) {
		return
	}
	int8Paths[Int8NEON] = &int8Functions{
		path: Int8NEON, lanes: 8, tile: 5,
		nn:      [4]dotFunc{nil, dotNN1NEON, dotNN2NEON, dotNN3NEON},
		float:   [4]dotFloatFunc{nil, dotNNFloat1NEON, dotNNFloat2NEON, dotNNFloat3NEON},
		toBytes: toBytesNEON, group: 8,
	}
}
