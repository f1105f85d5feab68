package onnxgraph

import (
	"fmt"

	"fasternet/formats/onnx"
	"fasternet/ops"
)

// masked is added to the logits of attention between tokens of different windows: it is far below any
// logit, and a finite number in half precision too.
const masked = -1e4

// windows is the attention pattern of a block of Swin in a form for ONNX: all windows are full. A map of
// height × width tokens is padded to whole windows and rolled up and left by the shift; a mask separates
// tokens that only the roll has put together. The model itself cuts the windows instead
// (ops.ShiftedWindows).
type windows struct {
	height, width, side, shift int
	down, across               int // number of windows
}

func newWindows(height, width, side, shift int) *windows {
	return &windows{height, width, side, shift, (height + side - 1) / side, (width + side - 1) / side}
}

func (w *windows) count() int { return w.down * w.across }

// padded returns the size of the map in whole windows.
func (w *windows) padded() (height, width int) { return w.down * w.side, w.across * w.side }

func (w *windows) pads() bool {
	h, v := w.padded()
	return h != w.height || v != w.width
}

// cut adds the windows [batch, windows, tokens, dim] of a map [batch, tokens, dim].
func (w *windows) cut(b *Builder, name, x string, dim int) string {
	s := w.side
	h, v := w.padded()
	if w.pads() {
		x = b.Reshape(name+".map", x, 0, w.height, w.width, dim)
		x = b.Node("Pad", name+".padded", []string{x, b.Ints(0, 0, 0, 0, 0, h-w.height, v-w.width, 0)})
	} else if w.shift > 0 {
		x = b.Reshape(name+".map", x, 0, h, v, dim)
	}
	x = w.roll(b, name, x, w.shift)
	x = b.Reshape(name+".lines", x, 0, w.down, s, w.across, s, dim)
	x = b.Transpose(name+".squares", x, 0, 1, 3, 2, 4, 5)
	return b.Reshape(name, x, 0, w.count(), s*s, dim)
}

// join adds the inverse of cut.
func (w *windows) join(b *Builder, name, x string, dim int) string {
	s := w.side
	h, v := w.padded()
	x = b.Reshape(name+".squares", x, 0, w.down, w.across, s, s, dim)
	x = b.Transpose(name+".lines", x, 0, 1, 3, 2, 4, 5)
	if w.pads() || w.shift > 0 {
		x = b.Reshape(name+".map", x, 0, h, v, dim)
	}
	x = w.roll(b, name, x, -w.shift)
	if h != w.height {
		x = b.Slice(name+".rows", x, 1, 0, w.height)
	}
	if v != w.width {
		x = b.Slice(name+".columns", x, 2, 0, w.width)
	}
	return b.Reshape(name, x, 0, w.height*w.width, dim)
}

// roll adds a cyclic shift of the padded map, up and left, or back.
func (w *windows) roll(b *Builder, name, x string, shift int) string {
	if shift == 0 {
		return x
	}
	h, v := w.padded()
	for axis, n := range [2]int{h, v} {
		at := (shift + n) % n
		part := fmt.Sprintf("%s.rolled.%d", name, axis)
		first, second := b.Slice(part+".first", x, axis+1, at, n), b.Slice(part+".second", x, axis+1, 0, at)
		x = b.Node("Concat", part, []string{first, second}, onnx.Int("axis", axis+1))
	}
	return x
}

// bias adds the relative position bias to the logits [batch, windows, heads, tokens, tokens], and the
// mask.
func (w *windows) bias(b *Builder, name, x string, table *ops.Param) string {
	n := w.side * w.side
	index := b.Constant(onnx.Tensor{
		Name:  fmt.Sprintf("relative_position_index.%d", w.side),
		Shape: []int{n, n},
		I64:   ops.RelativeIndex(w.side),
	})
	v := b.Node("Gather", name+".bias.places", []string{b.Param(table), index}, onnx.Int("axis", 0))
	x = b.Node("Add", name+".biased", []string{x, b.Transpose(name+".bias", v, 2, 0, 1)})
	if w.shift == 0 && !w.pads() {
		return x
	}
	return b.Node("Add", name+".masked", []string{x, b.Constant(w.mask())})
}

// mask is 0 for two tokens that attend to each other, by window: [windows, 1, tokens, tokens]. Tokens
// from the padding attend to each other.
func (w *windows) mask() onnx.Tensor {
	n := w.side * w.side
	h, v := w.padded()
	t := onnx.Tensor{
		Name:  fmt.Sprintf("mask.%dx%d.%d.%d", w.height, w.width, w.side, w.shift),
		Shape: []int{w.count(), 1, n, n}, F32: make([]float32, w.count()*n*n),
	}
	// region returns the number of the window of a token before the roll.
	region := func(y, x int) int {
		if y >= w.height || x >= w.width {
			return -1
		}
		k := (w.side - w.shift) % w.side
		return (y+k)/w.side*(w.across+1) + (x+k)/w.side
	}
	regions := make([]int, n)
	for i := range w.count() {
		for j := range regions {
			y, x := i/w.across*w.side+j/w.side, i%w.across*w.side+j%w.side
			regions[j] = region((y+w.shift)%h, (x+w.shift)%v)
		}
		for q := range n {
			for k := range n {
				if regions[q] != regions[k] {
					t.F32[(i*n+q)*n+k] = masked
				}
			}
		}
	}
	return t
}
