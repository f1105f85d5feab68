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
	name := flag.String("isa", "AVX512", "AVX512, AVX2 or BF16")
	flag.Parse()
	s := newISA(*name)
	if *name == "BF16" {
		s.bf16Kernels()
		Generate()
		return
	}
	for nv := 1; nv <= 3; nv++ {
		s.gemmNN(nv)
		s.gemmTN(nv)
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
	Generate()
}
