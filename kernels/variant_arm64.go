package kernels

// register adds the kernels for NEON, which every arm64 processor has. What is not written for it
// yet is in Go.
func register() {
	f := plain
	f.lanes, f.tile = 8, 6 // a vector of a panel is two registers
	f.gemmNN = [6]func(int, *float32, int, int, int, int, *float32, *float32, int, *float32, int, float32, int, *float32, int){nil, gemmNN1NEON, gemmNN2NEON, gemmNN3NEON, gemmNN2PairedNEON, gemmNN3PairedNEON}
	f.gemmTN = [6]func(int, *float32, int, int, *float32, int, int, int, int, *float32, int, int){nil, gemmTN1NEON, gemmTN2NEON, gemmTN3NEON, gemmTN2PairedNEON, gemmTN3PairedNEON}
	f.affine = [activationCount]affineFunc{Identity: affineNEON, ReLU: affineReLUNEON, GELU: affineGELUNEON}
	f.affineGrad = [activationCount]affineGradFunc{ReLU: affineReLUGradNEON, GELU: affineGELUGradNEON}
	f.combineColumns, f.combine, f.copyRows, f.transpose8 = combineColumnsNEON, combineNEON, copyRowsNEON, transpose8NEON
	f.columnSums, f.columnDeviations, f.columnDots = columnSumsNEON, columnDeviationsNEON, columnDotsNEON
	f.vectorMax, f.expSum, f.dot, f.sumSquares = vectorMaxNEON, expSumNEON, dotNEON, sumSquaresNEON
	f.adamW = adamWNEON
	f.layerNorm, f.layerNormGrad = layerNormNEON, layerNormGradNEON
	f.softmaxRows, f.softmaxRowsGrad = softmaxRowsNEON, softmaxRowsGradNEON
	f.dwConv, f.groupConv = dwConvNEON, groupConvNEON
	f.orient = orientNEON
	f.resampleRGB, f.resampleRows = resampleRGBNEON, resampleRowsNEON
	f.upsampleChroma, f.yCbCrToRGB = upsampleChromaNEON, yCbCrToRGBNEON
	variants[NEON] = &f
}

// registerBF16 adds the path of bf16, if the processor can multiply matrices of it.
func registerBF16() {
	if !hasBF16() {
		refusals[BF16NEON] = "the processor has no BF16 (BFMMLA)"
		return
	}
	halves[BF16NEON] = &halfFunctions{
		path:       BF16NEON,
		variant:    NEON,
		step:       2,
		nn:         [4]productFunc{nil, halfNN1NEON, halfNN2NEON, halfNN3NEON},
		toHalf:     toHalfNEON,
		copyHalf:   copyHalfNEON,
		fromHalf:   fromHalfNEON,
		interleave: interleaveNEON,
	}
}
