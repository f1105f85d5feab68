package inspect

import (
	"fmt"
	"math"
	"strings"

	"fasternet/ops"
)

// Fault is a tensor with values that are not finite.
type Fault struct {
	// Tensor names the tensor, as in "the output" or "parameter head.weight".
	Tensor string `json:"tensor"`
	// Op, Name and Pass describe the op that has computed it. They are empty for tensors that
	// the step begins with.
	Op   string `json:"op,omitempty"`
	Name string `json:"name,omitempty"`
	Pass string `json:"pass,omitempty"`

	Batch int   `json:"batch"`           // number of the batch in the step, from 0
	Index int   `json:"index"`           // number of the op in the order of the run
	First []int `json:"first,omitempty"` // place of the first such value; nil for a scalar
	Count int   `json:"count"`           // number of all values
	NaN   int   `json:"nan"`
	Inf   int   `json:"inf"`

	// Samples are the places in the batch of the samples with such values, and Of is the size of
	// the batch. Both are empty for tensors without rows of samples.
	Samples []int `json:"samples,omitempty"`
	Of      int   `json:"of,omitempty"`
	// Suspect is the sample with the largest value in the tensor before, if Samples has all or none
	// of the samples; -1 for none.
	Suspect      int     `json:"suspect"`
	SuspectValue float64 `json:"suspect_value,omitempty"` // its magnitude
}

// Finder looks for the first values that are not finite, in a step of one or more batches. It does
// not end the run: other ranks may be waiting for this one.
type Finder struct {
	Inputs []Fault // tensors that the step has begun with: parameters, images, targets
	Op     *Fault  // the first op with such a value

	batch, size int
	worker      string    // the last op other than a gradient of a parameter
	largest     []float64 // magnitude in the last tensor with samples, by sample
}

// Begin starts the next batch of the step, of this many samples.
func (f *Finder) Begin(size int) {
	if f.size > 0 {
		f.batch++
	}
	f.size, f.largest = size, nil
}

// Found reports whether any value is not finite.
func (f *Finder) Found() bool { return f.Op != nil || len(f.Inputs) > 0 }

// Parameter checks a tensor of the model, before the first batch.
func (f *Finder) Parameter(tensor string, shape []int, values []float32) {
	if r := RangeOf(values); r.Bad() > 0 {
		f.Inputs = append(f.Inputs, f.fault(tensor, shape, values, r, false))
	}
}

// Input checks an input of the graph, with rows of samples.
func (f *Finder) Input(tensor string, shape []int, values []float32) {
	if r := RangeOf(values); r.Bad() > 0 {
		f.Inputs = append(f.Inputs, f.fault(tensor, shape, values, r, true))
	}
	if f.largest == nil { // these are the images, which the first op reads
		f.measure(values)
	}
}

// Observe checks the values of an op.
func (f *Finder) Observe(o ops.Observed) {
	samples := o.Param == nil && len(o.Shape) > 0 && f.size > 0 && o.Shape[0]%f.size == 0
	if f.Op == nil {
		if r := RangeOf(o.Values); r.Bad() > 0 {
			x := f.fault("the "+tensorOf(o), o.Shape, o.Values, r, samples)
			x.Op, x.Name, x.Pass, x.Index = o.Kind, o.Name, passOf(o), o.Index
			switch {
			case o.Param != nil:
				x.Tensor = "the gradient of parameter " + o.Param.Name
				if op, name, ok := strings.Cut(f.worker, "\x00"); ok && o.Kind == "gradient" {
					x.Op, x.Name = op, name
				}
			case len(o.Shape) == 0:
				x.Tensor = "the loss"
			}
			f.Op = &x
		}
	}
	if o.Param == nil {
		f.worker = o.Kind + "\x00" + o.Name
	}
	if samples && f.Op == nil {
		f.measure(o.Values)
	}
}

// measure notes the largest magnitude of every sample.
func (f *Finder) measure(values []float32) {
	if f.size == 0 || len(values) < f.size || len(values)%f.size != 0 {
		return
	}
	if len(f.largest) != f.size {
		f.largest = make([]float64, f.size)
	}
	each := len(values) / f.size
	for i := range f.largest {
		f.largest[i] = 0
		for _, v := range values[i*each:][:each] {
			f.largest[i] = max(f.largest[i], math.Abs(float64(v)))
		}
	}
}

// fault describes a tensor with bad values.
func (f *Finder) fault(tensor string, shape []int, values []float32, r Range, samples bool) Fault {
	x := Fault{Tensor: tensor, Batch: f.batch, Index: -1, Count: r.Count, NaN: r.NaN, Inf: r.Inf, Suspect: -1}
	each := 0
	if samples && f.size > 0 {
		x.Of, each = f.size, len(values)/f.size
	}
	first := -1
	for i, v := range values {
		if v-v == 0 {
			continue
		}
		if first < 0 {
			first = i
		}
		if each == 0 {
			break
		}
		if n := len(x.Samples); n == 0 || x.Samples[n-1] != i/each {
			x.Samples = append(x.Samples, i/each)
		}
	}
	x.First = position(first, shape)
	if len(x.Samples) == x.Of { // all samples are the same as none
		x.suspect(f.largest)
	}
	return x
}

// suspect sets the sample whose magnitude stands out, if there is one.
func (x *Fault) suspect(largest []float64) {
	const times = 10 // times the second largest
	best, next := -1, 0.0
	for i, v := range largest {
		switch {
		case best < 0 || v > largest[best]:
			if best >= 0 {
				next = max(next, largest[best])
			}
			best = i
		default:
			next = max(next, v)
		}
	}
	if best >= 0 && len(largest) > 1 && largest[best] > times*next {
		x.Suspect, x.SuspectValue = best, largest[best]
	}
}

// position returns the index of value i of a tensor.
func position(i int, shape []int) []int {
	if len(shape) == 0 {
		return nil
	}
	at := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		at[d], i = i%shape[d], i/shape[d]
	}
	return at
}

// String describes the fault, without the samples.
func (x Fault) String() string {
	text := x.Tensor
	if x.Op != "" {
		text += fmt.Sprintf(" of %s %q (%s)", x.Op, x.Name, x.Pass)
		if strings.HasPrefix(x.Tensor, "the gradient of parameter") {
			text = fmt.Sprintf("%s, computed by %s %q (%s)", x.Tensor, x.Op, x.Name, x.Pass)
		}
		if x.Tensor == "the loss" {
			text = fmt.Sprintf("the loss, of %s (%s)", x.Op, x.Pass)
		}
	}
	if x.Count == 1 {
		return text
	}
	switch x.Count {
	case x.NaN:
		return fmt.Sprintf("%s: all %d values are NaN", text, x.Count)
	case x.Inf:
		return fmt.Sprintf("%s: all %d values are infinite", text, x.Count)
	}
	var kinds []string
	if x.NaN > 0 {
		kinds = append(kinds, fmt.Sprintf("%d NaN", x.NaN))
	}
	if x.Inf > 0 {
		kinds = append(kinds, fmt.Sprintf("%d infinite", x.Inf))
	}
	return fmt.Sprintf("%s: %s of %d values, the first at %v", text, strings.Join(kinds, " and "), x.Count, x.First)
}

// Before reports whether x comes before another fault in a step: tensors that the step begins with
// come first, then the order of the run. Two faults may have the same place, as in batch norms over
// several ranks; then the one with the larger suspect is the cause.
func (x Fault) Before(o Fault) bool {
	if x.Batch != o.Batch {
		return x.Batch < o.Batch
	}
	if x.Index != o.Index {
		return x.Index < o.Index
	}
	return x.SuspectValue > o.SuspectValue
}
