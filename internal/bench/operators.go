package bench

import (
	"fmt"
	"slices"
	"strings"
)

// Operator is a 3×3 convolution of the paper's table 1.
type Operator string

// The operators, in the order of the table.
const (
	Conv      Operator = "conv"   // dense
	GroupConv Operator = "gconv"  // in 16 groups
	DWConv    Operator = "dwconv" // depthwise
	PConv     Operator = "pconv"  // on a quarter of the channels
)

// Operators lists all of them.
var Operators = []Operator{Conv, GroupConv, DWConv, PConv}

const (
	groups  = 16 // groups of GroupConv
	divisor = 4  // PConv convolves one channel in four
	taps    = 9
)

// ParseOperators reads names separated by commas; "" means all.
func ParseOperators(list string) ([]Operator, error) {
	if list == "" {
		return Operators, nil
	}
	var out []Operator
	for _, name := range strings.Split(list, ",") {
		o := Operator(strings.TrimSpace(name))
		if !slices.Contains(Operators, o) {
			return nil, fmt.Errorf("operator %q: want some of conv, gconv, dwconv and pconv", name)
		}
		out = append(out, o)
	}
	return out, nil
}

// Map is a feature map of Side × Side pixels.
type Map struct {
	Channels int `json:"channels"`
	Side     int `json:"side"`
}

func (m Map) String() string { return fmt.Sprintf("%d×%d²", m.Channels, m.Side) }

// Maps are the maps of the paper's table: the stages of a network at 224².
var Maps = []Map{{96, 56}, {192, 28}, {384, 14}, {768, 7}}

// MACs returns the cost of a layer for one image. The paper calls it FLOPs: a multiply-add counts
// once (§3).
func (o Operator) MACs(m Map) int { return m.Side * m.Side * o.weights(m) }

// Memory returns the number of values that a layer reads and writes for one image: the map, in
// and out, and the weights (§3 of the paper).
func (o Operator) Memory(m Map) int {
	c := m.Channels
	if o == PConv {
		c /= divisor
	}
	return m.Side*m.Side*2*c + o.weights(m)
}

func (o Operator) weights(m Map) int { return taps * o.inputs(m) * o.outputs(m) }

// inputs returns how many channels a channel of the output sees; outputs returns how many channels
// are computed.
func (o Operator) inputs(m Map) int {
	switch o {
	case GroupConv:
		return m.Channels / groups
	case DWConv:
		return 1
	}
	return o.outputs(m)
}

func (o Operator) outputs(m Map) int {
	if o == PConv {
		return m.Channels / divisor
	}
	return m.Channels
}
