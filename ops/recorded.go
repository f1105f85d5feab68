package ops

import (
	"slices"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Recorded is an operation of the forward pass, for readers of a graph: counts, exports.
type Recorded struct {
	Kind, Name string
	Scope
	// About is the description of the op: a [Block], [PatchConv], [PatchEmbedding], [Embedding],
	// [Attention], [MLP], [Merging], [Normalisation], [TokenMean], [Pool], [Activated] or [Dense],
	// the [Spec.About] of an op of another package, or nil.
	About any
	// From holds the places in the list of the ops whose results it reads, -1 for an input of the graph.
	From []int
	// InputNames holds, in the order of From, the names of the inputs of the graph that it reads, and
	// "" for a result of another op.
	InputNames []string
	In         tensor.Shape // of the first of them
	Shape      tensor.Shape // of the result
	Params     []*Param
	Cost
}

// Normalisation describes [Normalise].
type Normalisation struct{ *LayerNorm }

// TokenMean describes [MeanTokens]: the mean over tokens From, …, To-1.
type TokenMean struct{ From, To int }

// Pool describes [GlobalAvgPool].
type Pool struct{}

// Activated describes [Activate].
type Activated struct{ Act kernels.Activation }

// Dense describes [Linear].
type Dense struct {
	Weight, Bias *Param
	Int8         *Int8Linear // of [LinearInt8], or nil
}

// RecordedAfter lists the operations of the forward pass that were recorded after the op with the
// given result. For an input of the graph it lists all operations.
func (t *Tape) RecordedAfter(n *gorgonia.Node) []Recorded {
	list := t.Recorded()
	after, ok := opOf(n)
	if !ok {
		return list
	}
	count := 0
	for _, o := range t.ops[:after.index+1] {
		if o.forward {
			count++
		}
	}
	return list[count:]
}

// RecordedUntil lists the operations of the forward pass up to the op with the given result. For an input
// of the graph it lists none.
func (t *Tape) RecordedUntil(n *gorgonia.Node) []Recorded {
	list := t.Recorded()
	return list[:len(list)-len(t.RecordedAfter(n))]
}

// Recorded lists the operations of the forward pass in their order.
func (t *Tape) Recorded() []Recorded {
	params := map[int64]*Param{}
	for p, n := range t.params {
		params[n.ID()] = p
	}
	places := map[*op]int{}
	var list []Recorded
	for _, o := range t.ops {
		if !o.forward {
			continue
		}
		r := Recorded{
			Kind:  o.Kind,
			Name:  o.Name,
			Scope: o.scope,
			About: o.About,
			Shape: slices.Clone(o.Shape),
			Cost:  o.Cost,
		}
		for _, n := range o.Inputs {
			if p := params[n.ID()]; p != nil {
				r.Params = append(r.Params, p)
				continue
			}
			if len(r.From) == 0 {
				r.In = n.Shape().Clone()
			}
			from, name := -1, n.Name()
			if made, ok := n.Op().(*op); ok {
				from, name = places[made], ""
			}
			r.From, r.InputNames = append(r.From, from), append(r.InputNames, name)
		}
		places[o] = len(list)
		list = append(list, r)
	}
	return list
}
