package ops

import (
	"fmt"
	"math"
	"sync"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Maps and weights of 8 bits, for evaluation. A map of bytes is a node with the same shape; its values
// are the first bytes of its memory. The description of an op says if it makes one, and [Dequantise]
// converts it to float32.

// Grid says which value 8 bits stand for: Scale·(q - Zero), with q from 0 to 255.
type Grid struct {
	Scale float32
	Zero  uint8
}

// Check returns what is wrong with a grid.
func (g Grid) Check() error {
	return checkScale(g.Scale)
}

// checkScale returns what is wrong with the step of 8-bit values.
func checkScale(v float32) error {
	const least, most = 1e-30, 1e30
	switch s := float64(v); {
	case math.IsNaN(s) || math.IsInf(s, 0):
		return fmt.Errorf("its scale is %v", v)
	case s <= 0:
		return fmt.Errorf("its scale is %g: want a positive one", v)
	case s < least || s > most:
		return fmt.Errorf("its scale is %g: want %g to %g", v, least, most)
	}
	return nil
}

// Round returns the place of the nearest value on the grid.
func (g Grid) Round(v float64) uint8 {
	return uint8(min(max(math.RoundToEven(v/float64(g.Scale))+float64(g.Zero), 0), 255))
}

// Value returns the value of a place.
func (g Grid) Value(q uint8) float64 { return float64(g.Scale) * float64(int(q)-int(g.Zero)) }

// Int8Weight is a weight of 8-bit integers. Its parameter holds Scale[o]·q in float32, for
// computations without integers.
type Int8Weight struct {
	Param *Param
	Scale []float32 // for each output
	// Bias is added to each output, instead of the float32 bias. It corrects the mean error of
	// rounding.
	Bias []float32

	mutex   sync.Mutex
	version int
	packed  map[kernels.Int8Path]*kernels.PackedInt8
	sums    []int // of the integers of each output
}

// Check returns what is wrong with the factors of a weight.
func (w *Int8Weight) Check() error {
	out, _, _, _ := w.Param.dims()
	if len(w.Scale) != out || len(w.Bias) != out {
		return fmt.Errorf("%s: %d scales and %d biases for %d outputs", w.Param.Name, len(w.Scale), len(w.Bias), out)
	}
	for o, s := range w.Scale {
		if err := checkScale(s); err != nil {
			return fmt.Errorf("%s: output %d: %w", w.Param.Name, o, err)
		}
		if c := float64(w.Bias[o]); math.IsNaN(c) || math.IsInf(c, 0) {
			return fmt.Errorf("%s: output %d: its bias is %v", w.Param.Name, o, c)
		}
	}
	return nil
}

// MostInt8 is the largest 8-bit weight; the smallest is -MostInt8.
const MostInt8 = 127

// Integers returns the weights as 8-bit integers, in the order of the state dict.
func (w *Int8Weight) Integers() []int8 {
	q := make([]int8, w.Param.Size())
	n := len(q) / max(len(w.Scale), 1)
	for i, v := range w.Param.Data() {
		q[i] = int8(min(max(math.RoundToEven(float64(v)/float64(w.Scale[i/n])), -MostInt8), MostInt8))
	}
	return q
}

// pack packs the weight, a segment of the inner index for each row of the kernel, and returns the
// sums of the integers of each output.
func (w *Int8Weight) pack(k *kernels.Set) (*kernels.PackedInt8, []int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.version != w.Param.version {
		w.packed, w.version = nil, w.Param.version
	}
	if p := w.packed[k.Int8()]; p != nil {
		return p, w.sums, nil
	}
	if err := w.Check(); err != nil {
		return nil, nil, err
	}
	out, in, kh, kw := w.Param.dims()
	q, ordered := w.Integers(), make([]int8, w.Param.Size())
	sums := make([]int, out)
	for o := range out {
		for i := range in {
			for t := range kh * kw {
				v := q[(o*in+i)*kh*kw+t]
				ordered[(o*kh*kw+t)*in+i] = v
				sums[o] += int(v)
			}
		}
	}
	p, err := k.PackInt8(ordered, out, kh, kw*in)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", w.Param.Name, err)
	}
	if w.packed == nil {
		w.packed = map[kernels.Int8Path]*kernels.PackedInt8{}
	}
	w.packed[k.Int8()], w.sums = p, sums
	return p, sums, nil
}

// int8Product is a weight with the conversion of the sums.
type int8Product struct {
	*kernels.PackedInt8
	rescale *kernels.Rescale
	version int
}

// product makes a product of a map on the grid in. The result, with its bias, is on the grid to, or in
// float32 if that is nil. A table may follow; nil for none. added is the grid of a map that is added.
func (w *Int8Weight) product(k *kernels.Set, in Grid, to *Grid, table []uint8, added *Grid) (p int8Product, err error) {
	p.version = w.Param.version
	sums := []int(nil)
	if p.PackedInt8, sums, err = w.pack(k); err != nil {
		return p, err
	}
	c := conversion{in, to, added}
	scale, shift := make([]float32, len(sums)), make([]float32, len(sums))
	for o, sum := range sums {
		scale[o], shift[o] = c.factors(w.Scale[o], w.Bias[o], float64(sum))
	}
	if p.rescale, err = p.Rescale(c.format(), scale, shift, table, c.mostAdded()); err != nil {
		return p, fmt.Errorf("%s: %w", w.Param.Name, err)
	}
	return p, nil
}

// conversion is how the sums of a product become its results: see [Int8Weight.product].
type conversion struct {
	in        Grid
	to, added *Grid
}

func (c conversion) format() kernels.ResultFormat {
	if c.to == nil {
		return kernels.ToFloats
	}
	return kernels.ToBytes
}

// step returns the value of a step of the result.
func (c conversion) step() float64 {
	if c.to == nil {
		return 1
	}
	return float64(c.to.Scale)
}

// mostAdded returns the largest value that is added to a result, in steps.
func (c conversion) mostAdded() float64 {
	if c.added == nil {
		return 0
	}
	return 255 * float64(c.added.Scale) / c.step()
}

// factors returns what the sums of an output are multiplied by, and what is added to them. sum is the sum of
// its integers.
func (c conversion) factors(scale, bias float32, sum float64) (factor, term float32) {
	zero := 0.0
	if c.to != nil {
		zero = float64(c.to.Zero)
	}
	f := float64(c.in.Scale) * float64(scale) / c.step()
	s := zero + float64(bias)/c.step() - f*float64(c.in.Zero)*sum
	if c.added != nil {
		s -= float64(c.added.Scale) / c.step() * float64(c.added.Zero)
	}
	return float32(f), float32(s)
}

// CheckProduct returns why a product of a map on the grid in cannot be computed: scales that are fine alone
// may give values that are too large together. The result is on the grid to, or float32 if that is nil; added is
// the grid of a map that is added, or nil. The weight has passed Check.
func (w *Int8Weight) CheckProduct(in Grid, to, added *Grid) error {
	c := conversion{in, to, added}
	n := w.Param.Size() / len(w.Scale)
	for o, s := range w.Scale {
		sum, magnitude := 0.0, 0.0
		for _, v := range w.Param.Data()[o*n : (o+1)*n] {
			sum += float64(v)
			magnitude += math.Abs(float64(v))
		}
		scale := float64(s)
		f, term := c.factors(s, w.Bias[o], sum/scale)
		if err := kernels.CheckRescale(c.format(), f, term, magnitude/scale, c.mostAdded()); err != nil {
			return fmt.Errorf("%s: output %d: its scale of %g and its bias of %g do not fit the scales of %s: %w",
				w.Param.Name, o, s, w.Bias[o], c, err)
		}
		// the step of the biases in an ONNX file
		if step := float64(in.Scale) * scale; !(step >= leastStep && step <= math.MaxFloat32) {
			return fmt.Errorf("%s: output %d: its scale of %g times the scale of its input, %g, is not from %g to %g",
				w.Param.Name, o, s, in.Scale, leastStep, math.MaxFloat32)
		}
	}
	return nil
}

// leastStep is the smallest float32 with all its bits.
const leastStep = 0x1p-126

// String names the scales.
func (c conversion) String() string {
	s := fmt.Sprintf("its input, %g", c.in.Scale)
	if c.to != nil {
		s += fmt.Sprintf(", and its result, %g", c.to.Scale)
	}
	return s
}

// activationTable returns an activation from one grid to another as a table; nil if nothing changes.
func activationTable(act kernels.Activation, from, to Grid) ([]uint8, error) {
	same := true
	table := make([]uint8, 256)
	for q := range table {
		v := from.Value(uint8(q))
		switch act {
		case kernels.Identity:
		case kernels.ReLU:
			v = max(v, 0)
		case kernels.GELU:
			v *= 0.5 * math.Erfc(-v/math.Sqrt2)
		default:
			return nil, fmt.Errorf("activation %v has no table of 8 bits", act)
		}
		table[q] = to.Round(v)
		same = same && int(table[q]) == q
	}
	if same {
		return nil, nil
	}
	return table, nil
}

// bytes returns a map of bytes in the memory of float32.
func (s mapShape) bytes(data []float32) kernels.Bytes {
	return kernels.Bytes{Data: kernels.BytesOf(data), Rows: s.rows(), Cols: s.channels, Stride: s.channels}
}

// byteValues returns the number of float32 with room for n bytes that products read.
func byteValues(n int) int { return (n + kernels.Slack + 3) / 4 }

// bytes hands out room for a matrix of bytes, which products can read.
func (s *scratch) bytes(rows, cols int) kernels.Bytes {
	return kernels.NewBytes(kernels.BytesOf(s.vector(byteValues(rows*cols))), rows, cols)
}

// byteScratch returns the scratch memory for matrices with the given numbers of bytes.
func byteScratch(sizes ...int) (n int) {
	for _, b := range sizes {
		n += (byteValues(b) + 15) / 16 * 16
	}
	return n
}

type (
	// Quantised describes [Quantise].
	Quantised struct{ Grid Grid }
	// Dequantised describes [Dequantise].
	Dequantised struct{ Grid Grid }
)

// Quantise adds the values of x, float32, as bytes on a grid. The result has the shape of x.
func Quantise(t *Tape, name string, x *gorgonia.Node, g Grid) (*gorgonia.Node, error) {
	return recast(t, KindQuantise, name, x, g, Quantised{g}, func(k *kernels.Set, from, to []float32, a, b int) {
		k.Quantise(kernels.BytesOf(to)[a:b], from[a:b], float32(1/float64(g.Scale)), float32(g.Zero))
	})
}

// Dequantise adds the values of x, bytes on a grid, as float32.
func Dequantise(t *Tape, name string, x *gorgonia.Node, g Grid) (*gorgonia.Node, error) {
	return recast(t, KindDequantise, name, x, g, Dequantised{g}, func(k *kernels.Set, from, to []float32, a, b int) {
		k.Dequantise(to[a:b], kernels.BytesOf(from)[a:b], g.Scale, g.Zero)
	})
}

// recast records an op that changes the format of values, a part of them at a time.
func recast(
	t *Tape,
	kind, name string,
	x *gorgonia.Node,
	g Grid,
	about any,
	part func(k *kernels.Set, from, to []float32, a, b int),
) (*gorgonia.Node, error) {
	if err := g.Check(); err != nil {
		return nil, fmt.Errorf("ops: %s %q: %w", kind, name, err)
	}
	if t.Train {
		return nil, fmt.Errorf("ops: %s %q: maps of 8 bits are for evaluation", kind, name)
	}
	const each = 16 << 10
	n := x.Shape().TotalSize()
	var from, to []float32
	task := func(_, i int) { part(t.kernels, from, to, i*each, min((i+1)*each, n)) }
	return t.Record(Spec{
		Kind: kind, About: about, Name: name, Inputs: gorgonia.Nodes{x}, Shape: x.Shape().Clone(),
		Run: func(in [][]float32, out []float32) error {
			from, to = in[0], out
			t.Pool().Run((n+each-1)/each, task)
			return nil
		},
	})
}

// Int8Linear is the 8-bit form of a linear layer. Its input is rounded to the grid In. The result is
// float32, or on the grid Out if that is not nil.
type Int8Linear struct {
	Name   string // of the grid In
	In     Grid
	Out    *Grid
	Weight *Int8Weight
}

// LinearInt8 is [Linear] in 8 bits. Its input and its result are float32.
func LinearInt8(t *Tape, name string, x *gorgonia.Node, weight, bias *Param, q *Int8Linear) (*gorgonia.Node, error) {
	s := x.Shape()
	out, in, kh, kw := weight.dims()
	if s.Dims() != 2 || s[1] != in || kh*kw != 1 || bias != nil && bias.Size() != out || t.Train ||
		q.Weight.Param != weight {
		return nil, fmt.Errorf("ops: linear %q: input %v and weight %v: want [rows, in] and [out, in], for evaluation",
			name, s, weight.Shape())
	}
	if err := q.In.Check(); err != nil {
		return nil, fmt.Errorf("ops: linear %q: its input: %w", name, err)
	}
	rows := s[0]
	memory := t.NewBuffer(byteValues(rows * in))
	inputs := gorgonia.Nodes{x, t.Param(weight)}
	if bias != nil {
		inputs = append(inputs, t.Param(bias))
	}
	var p int8Product
	var a kernels.Bytes
	var y kernels.Matrix
	var ranges [][2]int // of the outputs
	task := func(_, i int) {
		from, to := ranges[i][0], ranges[i][1]
		t.kernels.GemmInt8Float(y.Columns(from, to), from, a, p.PackedInt8, p.rescale, kernels.Matrix{})
	}
	return t.Record(Spec{
		Kind:   KindLinear,
		About:  Dense{Weight: weight, Bias: bias, Int8: q},
		Name:   name,
		Inputs: inputs,
		Shape:  tensor.Shape{rows, out},
		Cost:   product(rows, out, weight),
		Uses:   []*Buffer{memory},
		Run: func(ins [][]float32, result []float32) (err error) {
			if p.PackedInt8 == nil || p.version != weight.version {
				if p, err = q.Weight.product(t.kernels, q.In, nil, nil, nil); err != nil {
					return err
				}
				ranges = panelRanges(out, p.PanelWidth(), t.Pool().Workers())
			}
			a, y = kernels.NewBytes(kernels.BytesOf(memory.data), rows, in), kernels.NewMatrix(result, rows, out)
			t.kernels.Quantise(a.Data, ins[0], float32(1/float64(q.In.Scale)), float32(q.In.Zero))
			t.Pool().Run(len(ranges), task)
			return nil
		},
	})
}
