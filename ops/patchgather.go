package ops

import "fasternet/kernels"

// mostGathered is the largest number of patches in a line of a unit for which patches are gathered.
// Longer lines are long enough for products of their own; shorter ones would read all weights again
// for a few patches.
const mostGathered = 4

// gathers says whether the patches of a span are gathered for one product. In evaluation they
// are also gathered for lines that fill at most half of a tile, if there are many channels: then the
// copying takes little time next to the product. At batch 1 the merging layers of FasterNet-S then
// run at 89 to 94 % of the peak, instead of 73 to 89 % (Zen 5).
func (f *patchConv) gathers() bool {
	const manyChannels = 256
	if !f.tape.Train && f.out.width <= tile/2 && f.out.channels >= manyChannels {
		return true
	}
	return f.Units && f.out.width <= mostGathered && f.tiled()
}

// tiled says whether every pixel is in exactly one patch.
func (f *patchConv) tiled() bool { return !f.patch.Overlap() && f.patch.Covers() }

// scatters says whether the gradient of the input is one product for a span, whose rows are then
// copied to their lines. A line that fills a tile has its own product, which writes into the line.
func (f *patchConv) scatters() bool { return f.tiled() && f.out.width < tile }

// eachPatchLine calls f for the lines of pixels in the patches of a span: with the row of the first
// patch, the column of its pixels in a gathered patch, and the pixels of the line, [patches,
// size·channels].
func (f *patchConv) eachPatchLine(maps []float32, b span, each func(row, column int, pixels kernels.Matrix)) {
	run, step := f.patch.Size*f.in.channels, f.patch.Step*f.in.channels
	row := 0
	for i := range b.images {
		image := f.image(maps, b.image+i)
		for y := b.line; y < b.line+b.lines; y++ {
			for line := range f.patch.Size {
				from := (y*f.patch.Step + line) * f.in.width * f.in.channels
				each(row, line*run, kernels.Matrix{Data: image[from:], Rows: f.out.width, Cols: run, Stride: step})
			}
			row += f.out.width
		}
	}
}

// gathered puts the patches of a span into scratch: [rows, values of a patch].
func (f *patchConv) gathered(s *scratch, b span) kernels.Matrix {
	patches := s.matrix(f.out.to(b)-f.out.from(b), f.patch.Inner())
	f.gatherInto(patches, b)
	return patches
}

// gatherInto puts the patches of a span into a matrix.
func (f *patchConv) gatherInto(patches kernels.Matrix, b span) {
	defer f.tape.kernels.Begin().End(kernels.Work{Kind: kernels.Copying}, 8*patches.Rows*patches.Cols)
	k := f.tape.kernels.Unmetered()
	f.eachPatchLine(f.x, b, func(row, column int, pixels kernels.Matrix) {
		k.Copy(patches.Slice(row, row+pixels.Rows).Columns(column, column+pixels.Cols), pixels)
	})
}

func (f *patchConv) gatheredProduct(worker int, dst kernels.Matrix, b span) {
	s := scratch{f.tape.Scratch(worker)}
	var bias kernels.Matrix
	if f.Bias != nil {
		bias = kernels.Broadcast(f.Bias.Data(), dst.Rows)
	}
	f.tape.kernels.Gemm(dst, 1, f.gathered(&s, b), f.w.Packed, bias)
}
