package kernels

import "github.com/klauspost/cpuid/v2"

// register adds the assembly that the processor can run.
func register() {
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.BMI2) {
		variants[AVX2] = &functions{
			lanes: 8,
			tile:  6,
			gemmNN: [6]gemmNNFunc{
				nil, gemmNN1AVX2, gemmNN2AVX2, gemmNN3AVX2,
				gemmNN2PairedAVX2, gemmNN3PairedAVX2,
			},
			gemmTN: [6]gemmTNFunc{
				nil, gemmTN1AVX2, gemmTN2AVX2, gemmTN3AVX2,
				gemmTN2PairedAVX2, gemmTN3PairedAVX2,
			},
			affine: [activationCount]affineFunc{
				Identity: affineAVX2,
				ReLU:     affineReLUAVX2,
				GELU:     affineGELUAVX2,
			},
			affineGrad:       [activationCount]affineGradFunc{ReLU: affineReLUGradAVX2, GELU: affineGELUGradAVX2},
			combineColumns:   combineColumnsAVX2,
			combine:          combineAVX2,
			copyRows:         copyRowsAVX2,
			columnSums:       columnSumsAVX2,
			columnDeviations: columnDeviationsAVX2,
			columnDots:       columnDotsAVX2,
			vectorMax:        vectorMaxAVX2,
			expSum:           expSumAVX2,
			dot:              dotAVX2,
			sumSquares:       sumSquaresAVX2,
			adamW:            adamWAVX2,
			transpose8:       transpose8AVX2,
			dwConv:           dwConvAVX2,
			groupConv:        groupConvAVX2,
			layerNorm:        layerNormAVX2,
			layerNormGrad:    layerNormGradAVX2,
			softmaxRows:      softmaxRowsAVX2,
			softmaxRowsGrad:  softmaxRowsGradAVX2,
			orient:           orientAVX2,
			resampleRGB:      resampleRGBAVX2,
			resampleRows:     resampleRowsAVX2,
			upsampleChroma:   upsampleChromaAVX2,
			yCbCrToRGB:       yCbCrToRGBAVX2,
		}
	}
	if cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512DQ, cpuid.AVX512BW, cpuid.AVX512VL, cpuid.BMI2) {
		variants[AVX512] = &functions{
			lanes: 16,
			tile:  14,
			gemmNN: [6]gemmNNFunc{
				nil, gemmNN1AVX512, gemmNN2AVX512, gemmNN3AVX512,
				gemmNN2PairedAVX512, gemmNN3PairedAVX512,
			},
			gemmTN: [6]gemmTNFunc{
				nil, gemmTN1AVX512, gemmTN2AVX512, gemmTN3AVX512,
				gemmTN2PairedAVX512, gemmTN3PairedAVX512,
			},
			affine: [activationCount]affineFunc{
				Identity: affineAVX512,
				ReLU:     affineReLUAVX512,
				GELU:     affineGELUAVX512,
			},
			affineGrad:       [activationCount]affineGradFunc{ReLU: affineReLUGradAVX512, GELU: affineGELUGradAVX512},
			combineColumns:   combineColumnsAVX512,
			combine:          combineAVX512,
			copyRows:         copyRowsAVX512,
			columnSums:       columnSumsAVX512,
			columnDeviations: columnDeviationsAVX512,
			columnDots:       columnDotsAVX512,
			vectorMax:        vectorMaxAVX512,
			expSum:           expSumAVX512,
			dot:              dotAVX512,
			sumSquares:       sumSquaresAVX512,
			adamW:            adamWAVX512,
			transpose8:       transpose8AVX512,
			dwConv:           dwConvAVX512,
			groupConv:        groupConvAVX512,
			layerNorm:        layerNormAVX512,
			layerNormGrad:    layerNormGradAVX512,
			softmaxRows:      softmaxRowsAVX512,
			softmaxRowsGrad:  softmaxRowsGradAVX512,
			orient:           orientAVX512,
			resampleRGB:      resampleRGBAVX512,
			resampleRows:     resampleRowsAVX512,
			upsampleChroma:   upsampleChromaAVX512,
			yCbCrToRGB:       yCbCrToRGBAVX512,
		}
	}
}

// registerInt8 adds the paths of 8-bit products that the processor can run.
func registerInt8() {
	if variants[AVX512] != nil && cpuid.CPU.Supports(cpuid.AVX512VNNI, cpuid.AVX512VBMI) {
		int8Paths[Int8AVX512] = &int8Functions{
			path: Int8AVX512, lanes: 16, tile: 14, masks: true, table: true,
			nn:      [4]dotFunc{nil, dotNN1AVX512, dotNN2AVX512, dotNN3AVX512},
			float:   [4]dotFloatFunc{nil, dotNNFloat1AVX512, dotNNFloat2AVX512, dotNNFloat3AVX512},
			toBytes: toBytesAVX512, group: 64,
		}
	}
	if variants[AVX2] == nil {
		return
	}
	if cpuid.CPU.Supports(cpuid.AVXVNNI) {
		int8Paths[Int8AVX] = &int8Functions{
			path: Int8AVX, lanes: 8, tile: 6,
			nn:      [4]dotFunc{nil, dotNN1AVX2, dotNN2AVX2, dotNN3AVX2},
			float:   [4]dotFloatFunc{nil, dotNNFloat1AVX2, dotNNFloat2AVX2, dotNNFloat3AVX2},
			toBytes: toBytesAVX2, group: 32,
		}
	}
	int8Paths[Int8Exact] = &int8Functions{
		path: Int8Exact, lanes: 8, tile: 5,
		nn:      [4]dotFunc{nil, dotNNExact1AVX2, dotNNExact2AVX2, dotNNExact3AVX2},
		float:   [4]dotFloatFunc{nil, dotNNFloatExact1AVX2, dotNNFloatExact2AVX2, dotNNFloatExact3AVX2},
		toBytes: toBytesAVX2, group: 32,
	}
}
