package onnx_test

import (
	"bytes"
	"strings"
	"testing"

	"fasternet/formats/onnx"
)

// An attribute of a type that the format or this package does not know is an error, not an
// attribute without its value.
func TestUnknownAttribute(t *testing.T) {
	m := &onnx.Model{
		IRVersion: 8, Opset: 17,
		Graph: onnx.Graph{
			Nodes: []onnx.Node{
				{
					Name: "n", Op: "Relu", Inputs: []string{"x"}, Outputs: []string{"y"},
					Attributes: []onnx.Attribute{{Name: "a", Type: 3}},
				},
			},
		},
	}
	var b bytes.Buffer
	if err := onnx.Write(&b, m); err == nil ||
		!strings.Contains(err.Error(), "attribute a is of type 3") || b.Len() > 0 {
		t.Errorf("%v, %d bytes written", err, b.Len())
	}
}
