package verify

import (
	"fasternet/export/onnxgraph"
	"fasternet/formats/npy"
	"fasternet/formats/onnx"
	"fasternet/internal/finite"
	"fasternet/model"
)

// checkONNX verifies an ONNX file. If this program has exported it, its graph and its weights must be
// unchanged.
func checkONNX(r *Report) error {
	m, err := onnx.Read(r.Path)
	if err != nil {
		r.Rescue = "export it again from its checkpoint"
		return err
	}
	var numbers finite.Count
	for _, t := range m.Graph.Initializers {
		numbers.Add(t.Name, t.F32)
		if t.Raw != nil { // the shape gives the number for other types
			n := 1
			for _, d := range t.Shape {
				n *= d
			}
			numbers.Values += n
		}
	}
	r.Facts = numbers.String()
	if m.Producer != onnxgraph.Producer {
		r.Facts += "; made by another program, so its graph is not checked"
		return numbers.Err()
	}
	l, err := model.Open(r.Path, model.LoadOptions{AllowNaN: true, Headless: true, Remedies: &model.Remedies{}})
	if err != nil {
		r.Rescue = "export it again from its checkpoint"
		return err
	}
	r.Facts = l.Config.Model.Name + ", " + r.Facts
	return numbers.Err()
}

func checkNPY(r *Report) error {
	t, err := npy.ReadFile(r.Path)
	if err != nil {
		return err
	}
	var numbers finite.Count
	numbers.Add("the array", t.F32)
	r.Facts = numbers.String()
	return numbers.Err()
}
