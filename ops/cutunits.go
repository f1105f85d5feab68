package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// CutUnits adds the visible squares of images x [batch, height, width, C]; side is in pixels. The result
// is [batch·visible, side, side, C]. kept holds the numbers of the visible squares of every image, in
// raster order of the squares, in the order of the result. The owner of the list may write other
// numbers between two runs. The images get no gradient.
func CutUnits(t *Tape, name string, x *gorgonia.Node, kept []int32, side int) (*gorgonia.Node, error) {
	in, err := shapeOfMap(x)
	if err != nil {
		return nil, fmt.Errorf("ops: units %q: %w", name, err)
	}
	if side < 1 || in.height%side != 0 || in.width%side != 0 || len(kept) == 0 || len(kept)%in.batch != 0 {
		return nil, fmt.Errorf("ops: units %q: %d squares of %d pixels of images %v", name, len(kept), side, x.Shape())
	}
	f := &cutUnits{tape: t, in: in, kept: kept, side: side, visible: len(kept) / in.batch}
	f.task = f.image
	return t.Record(Spec{
		Kind:   KindCutUnits,
		Name:   name,
		Inputs: gorgonia.Nodes{x},
		Shape:  tensor.Shape{len(kept), side, side, in.channels},
		Run:    f.run,
		Again:  Repeat(f.run),
	})
}

type cutUnits struct {
	tape          *Tape
	in            mapShape
	kept          []int32
	side, visible int
	task          func(worker, image int)

	// In the current run.
	src, dst []float32
}

func (f *cutUnits) run(in [][]float32, out []float32) error {
	units := f.in.height / f.side * (f.in.width / f.side)
	for i, u := range f.kept {
		if u < 0 || int(u) >= units {
			return fmt.Errorf("visible square %d of image %d is number %d of %d",
				i%f.visible, i/f.visible, u, units)
		}
	}
	f.src, f.dst = in[0], out
	f.tape.Pool().Run(f.in.batch, f.task)
	return nil
}

func (f *cutUnits) image(_, image int) {
	line, across := f.in.width*f.in.channels, f.in.width/f.side
	run := f.side * f.in.channels // of a line of a square
	defer f.tape.kernels.Begin().End(kernels.Work{Kind: kernels.Copying}, 8*f.visible*f.side*run)
	k := f.tape.kernels.Unmetered()
	for i := range f.visible {
		n := image*f.visible + i
		y, x := int(f.kept[n])/across, int(f.kept[n])%across
		from := (image*f.in.height+y*f.side)*line + x*run
		k.Copy(kernels.NewMatrix(f.dst[n*f.side*run:], f.side, run), kernels.Matrix{
			Data:   f.src[from:],
			Rows:   f.side,
			Cols:   run,
			Stride: line,
		})
	}
}
