package inspect

import (
	"slices"

	"fasternet/ops"
)

// The parts of a step to which values belong.
const (
	Forward   = "forward"
	Backward  = "backward"
	Parameter = "parameter"
)

// Row is the range of one tensor of a step.
type Row struct {
	Pass   string `json:"pass"`         // forward, backward or parameter
	Op     string `json:"op,omitempty"` // kind of the op
	Name   string `json:"name"`         // name of the layer or the parameter
	Tensor string `json:"tensor"`       // output, input gradient, value or gradient
	Shape  []int  `json:"shape"`        // shape for one batch
	Range  Range  `json:"range"`
}

// Table has the ranges of all ops of a step. If a step has several batches, a row describes the
// values of all of them.
type Table struct {
	Rows []*Row
	at   map[place]*Row
}

// place identifies an op. The graph for another image size has a different order.
type place struct {
	index      int
	kind, name string
}

// Observe adds the values of an op. It leaves gradients of parameters to [Table.Parameter], after
// the last batch.
func (t *Table) Observe(o ops.Observed) {
	if o.Param != nil {
		return
	}
	r := RangeOf(o.Values)
	key := place{o.Index, o.Kind, o.Name}
	if row := t.at[key]; row != nil {
		row.Range = row.Range.Add(r)
		return
	}
	row := &Row{
		Pass:   passOf(o),
		Op:     o.Kind,
		Name:   o.Name,
		Tensor: tensorOf(o),
		Shape:  slices.Clone([]int(o.Shape)),
		Range:  r,
	}
	if t.at == nil {
		t.at = map[place]*Row{}
	}
	t.at[key] = row
	t.Rows = append(t.Rows, row)
}

// Parameter adds the values of a parameter and its gradient, or only the values if it is not
// trained.
func (t *Table) Parameter(p *ops.Param) {
	shape := slices.Clone([]int(p.Shape()))
	t.Rows = append(t.Rows, &Row{
		Pass: Parameter, Name: p.Name, Tensor: "value", Shape: shape, Range: RangeOf(p.Data()),
	})
	if !p.Frozen {
		t.Rows = append(t.Rows, &Row{
			Pass: Parameter, Name: p.Name, Tensor: "gradient", Shape: shape, Range: RangeOf(p.GradData()),
		})
	}
}

func passOf(o ops.Observed) string {
	if o.Backward {
		return Backward
	}
	return Forward
}

func tensorOf(o ops.Observed) string {
	if o.Backward {
		return "input gradient"
	}
	return "output"
}
