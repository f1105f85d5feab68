package inspect

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/ops"

	"gorgonia.org/tensor"
)

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

func TestRange(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float32
		want   Range
		json   string
	}{
		{"finite", []float32{-1, 0, 3, 0}, Range{4, 2, 0, 0, -1, 3, 0.5},
			`{"count":4,"min":-1,"max":3,"mean":0.5,"zeros":0.5,"nan":0,"inf":0}`},
		{"positive", []float32{2, 4}, Range{2, 0, 0, 0, 2, 4, 3},
			`{"count":2,"min":2,"max":4,"mean":3,"zeros":0,"nan":0,"inf":0}`},
		{"some", []float32{nan, 2, -inf, inf}, Range{4, 0, 1, 2, 2, 2, 2},
			`{"count":4,"min":2,"max":2,"mean":2,"zeros":0,"nan":1,"inf":2}`},
		{"none", []float32{nan}, Range{1, 0, 1, 0, math.NaN(), math.NaN(), math.NaN()},
			`{"count":1,"min":null,"max":null,"mean":null,"zeros":0,"nan":1,"inf":0}`},
	} {
		r := RangeOf(c.values)
		text, err := json.Marshal(r)
		same := r == c.want || math.IsNaN(r.Min) && math.IsNaN(c.want.Min) && r.NaN == c.want.NaN
		if err != nil || string(text) != c.json || !same {
			t.Errorf("%s: got %+v, %s, %v", c.name, r, text, err)
		}
	}
	whole := []float32{1, nan, -4, 0, 7}
	for cut := range len(whole) + 1 { // includes a side with only NaN
		if got := RangeOf(whole[:cut]).Add(RangeOf(whole[cut:])); got != RangeOf(whole) {
			t.Errorf("cut at %d: %+v, want %+v", cut, got, RangeOf(whole))
		}
	}
}

// values returns an observed op of three samples with two rows each.
func values(kind string, v ...float32) ops.Observed {
	return ops.Observed{Kind: kind, Name: "layer", Index: 4, Shape: tensor.Shape{6, len(v) / 6}, Values: v}
}

func TestFinder(t *testing.T) {
	ok := values("First", 1, 2, 3, 4, 5, 6)
	param := ops.NewParam("head.weight", 2)
	for _, c := range []struct {
		name    string
		see     []ops.Observed
		want    string
		samples []int
		suspect int
	}{
		{"one sample",
			[]ops.Observed{ok, values("Second", 1, 2, 3, inf, 5, nan), values("Third", nan, nan, nan, nan, nan, nan)},
			`the output of Second "layer" (forward): 1 NaN and 1 infinite of 6 values, the first at [3 0]`,
			[]int{1, 2}, -1},
		{"all samples, one stands out",
			[]ops.Observed{values("First", 1, 2, 3, 4, -500, 6), values("Second", nan, nan, nan, nan, nan, nan)},
			`the output of Second "layer" (forward): all 6 values are NaN`, []int{0, 1, 2}, 2},
		{"none stands out", []ops.Observed{ok, values("Second", inf, inf, inf, inf, inf, inf)},
			`the output of Second "layer" (forward): all 6 values are infinite`, []int{0, 1, 2}, -1},
		{"the loss", []ops.Observed{ok, {Kind: "Loss", Name: "loss", Values: []float32{nan}}},
			"the loss, of Loss (forward)", nil, -1},
		{"an input gradient",
			[]ops.Observed{ok, {
				Kind:     "SecondGrad",
				Name:     "layer",
				Backward: true,
				Shape:    tensor.Shape{3},
				Values:   []float32{0, inf, 0},
			}},
			`the input gradient of SecondGrad "layer" (backward): 1 infinite of 3 values, the first at [1]`,
			[]int{1}, -1},
		{"a gradient",
			[]ops.Observed{
				ok,
				{Kind: "SecondGrad", Name: "layer", Backward: true, Shape: tensor.Shape{3}, Values: []float32{0, 1, 0}},
				{
					Kind:     "gradient",
					Name:     "head.weight",
					Backward: true,
					Shape:    tensor.Shape{2},
					Values:   []float32{0, nan},
					Param:    param,
				},
			},
			`the gradient of parameter head.weight, computed by SecondGrad "layer" (backward): ` +
				`1 NaN of 2 values, the first at [1]`,
			nil, 1},
	} {
		var f Finder
		f.Begin(3)
		f.Input("images", []int{3, 2}, []float32{1, 1, 2, 2, 3, 3})
		for _, o := range c.see {
			f.Observe(o)
		}
		if f.Op == nil ||
			f.Op.String() != c.want ||
			!slices.Equal(f.Op.Samples, c.samples) ||
			f.Op.Suspect != c.suspect {
			t.Errorf("%s: got %v, %+v", c.name, f.Op, f.Op)
		}
	}
	var f Finder
	f.Parameter("parameter w", []int{2}, []float32{1, 2})
	f.Begin(2)
	f.Observe(ok)
	if f.Found() {
		t.Errorf("found %+v, %+v", f.Inputs, f.Op)
	}
	f.Parameter("parameter w", []int{2, 1}, []float32{1, nan})
	f.Begin(2)
	f.Input("images", []int{2, 2}, []float32{1, 1, inf, 1})
	if len(f.Inputs) != 2 ||
		!strings.HasPrefix(f.Inputs[0].String(), "parameter w: 1 NaN of 2 values, the first at [1 0]") ||
		!slices.Equal(f.Inputs[1].Samples, []int{1}) ||
		f.Inputs[1].Batch != 1 {
		t.Errorf("found %+v", f.Inputs)
	}
}

// Batches of one step share their rows.
func TestTable(t *testing.T) {
	var table Table
	p := ops.NewParam("w", 2)
	for _, v := range []float32{1, 5} {
		table.Observe(values("First", v, v, v, v, v, v))
		table.Observe(ops.Observed{Kind: "gradient", Param: p, Values: p.GradData()})
	}
	table.Parameter(p)
	p.Frozen = true
	table.Parameter(p)
	if len(table.Rows) != 4 ||
		table.Rows[0].Range.Count != 12 ||
		table.Rows[0].Range.Mean != 3 ||
		table.Rows[2].Tensor != "gradient" ||
		table.Rows[3].Tensor != "value" {
		t.Errorf("got %+v", table.Rows)
	}
}
