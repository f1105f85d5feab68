// Command gen writes the assembly of package kernels for one instruction set;
// BF16 is AVX512_BF16.
//
//	go run . -isa AVX512 -out ../kernels_avx512_amd64.s -stubs ../kernels_avx512_amd64.go -pkg kernels
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	name := flag.String("isa", "AVX512", "AVX512, AVX2, BF16, AMX or NEON")
	flag.Parse()
	s := newISA(*name)
	switch *name {
	case "BF16":
		s.bf16Kernels()
		s.bf16Peak()
		Generate()
		return
	case "AMX":
		s.amxTiles(1)
		s.amxTiles(2)
		s.amxPeaks()
		s.xcr0()
		Generate()
		return
	case "NEON":
		s.neonKernels()
		s.arm.generate(
			flag.Lookup("out").Value.String(), flag.Lookup("stubs").Value.String(),
			flag.Lookup("pkg").Value.String(),
		)
		return
	}
	for _, p := range panelShapes {
		s.gemmNN(p)
		s.gemmTN(p)
	}
	for _, act := range []string{"", "ReLU", "GELU"} {
		s.affine(act)
	}
	s.affineGrad("ReLU")
	s.affineGrad("GELU")
	s.combineColumns()
	s.combine()
	s.copyRows()
	s.columnSums()
	s.columnDeviations()
	s.columnDots()
	s.vectorMax()
	s.expSum()
	s.dot()
	s.sumSquares()
	s.adamW()
	s.transpose8()
	s.dwConv()
	s.groupConv()
	s.layerNorm()
	s.layerNormGrad()
	s.softmaxRows()
	s.softmaxRowsGrad()
	s.orient()
	s.resampleRGB()
	s.resampleRows()
	s.upsampleChroma()
	s.yCbCrToRGB()
	s.peaks()
	s.int8Kernels()
	Generate()
}

// neonKernels generates the kernels for arm64.
func (s *isa) neonKernels() {
	for _, p := range panelShapes {
		s.gemmNN(p)
		s.gemmTN(p)
	}
	s.transpose8()
	s.dwConv()
	s.groupConv()
	s.combine()
	s.copyRows()
	for _, act := range []string{"", "ReLU", "GELU"} {
		s.affine(act)
	}
	s.affineGrad("ReLU")
	s.affineGrad("GELU")
	s.combineColumns()
	s.columnSums()
	s.columnDeviations()
	s.columnDots()
	s.vectorMax()
	s.expSum()
	s.dot()
	s.sumSquares()
	s.adamW()
	s.layerNorm()
	s.layerNormGrad()
	s.softmaxRows()
	s.softmaxRowsGrad()
	for nv := 1; nv <= 3; nv++ {
		s.halfNNQuads(nv)
	}
	s.toHalfNEON()
	s.copyHalfNEON()
	s.fromHalfNEON()
	s.interleaveNEON()
	s.quadsNEON()
	s.orient()
	s.resampleRGB()
	s.resampleRows()
	s.upsampleChroma()
	s.yCbCrToRGB()
	s.peaksNEON()
	s.int8NEON()
}
