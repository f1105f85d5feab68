package serve

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"fasternet/infer"
)

// v2Output is an output tensor of an answer. Its values are in Data, or binary after the JSON
// object.
type v2Output struct {
	Name       string         `json:"name"`
	Datatype   string         `json:"datatype"`
	Shape      []int          `json:"shape"`
	Parameters map[string]int `json:"parameters,omitempty"`
	Data       any            `json:"data,omitempty"`
}

// reply writes the answer.
func (v *v2Request) reply(w http.ResponseWriter, m *infer.Model, name string, out []infer.Output) error {
	reply := struct {
		Model   string     `json:"model_name"`
		Version string     `json:"model_version"`
		ID      string     `json:"id,omitempty"`
		Outputs []v2Output `json:"outputs"`
	}{Model: name, Version: theVersion, ID: v.ID}
	var tail []byte
	for _, asked := range v.Outputs {
		values, texts, width, err := outputValuesOf(m, asked, out)
		if err != nil {
			return err
		}
		o := v2Output{Name: asked.Name, Datatype: "FP32", Shape: []int{len(out), width}}
		before := len(tail)
		binaryData := *asked.Parameters.BinaryData
		switch {
		case texts != nil && binaryData:
			for _, text := range texts {
				tail = append(binary.LittleEndian.AppendUint32(tail, uint32(len(text))), text...)
			}
		case texts != nil:
			o.Data = texts
		case binaryData:
			for _, x := range values {
				tail = binary.LittleEndian.AppendUint32(tail, math.Float32bits(x))
			}
		default:
			o.Data = values
		}
		if texts != nil {
			o.Datatype = "BYTES"
		}
		if binaryData {
			o.Parameters = map[string]int{"binary_data_size": len(tail) - before}
		}
		reply.Outputs = append(reply.Outputs, o)
	}
	if tail == nil {
		answer(w, http.StatusOK, reply)
		return nil
	}
	head, err := json.Marshal(reply)
	if err != nil {
		return fmt.Errorf("the answer has a value that is not finite, which JSON cannot express: " +
			"ask for all outputs as binary data")
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set(headerLength, strconv.Itoa(len(head)))
	w.Header().Set("Content-Length", strconv.Itoa(len(head)+len(tail)))
	_, _ = w.Write(append(head, tail...)) // the client may be gone
	return nil
}

// outputValuesOf returns the values of an output for all images, or the texts of its classes, and how
// many there are for each image.
func outputValuesOf(
	m *infer.Model, asked v2Asked, out []infer.Output,
) (values []float32, texts []string, width int, err error) {
	for i := range out {
		row := out[i].Logits
		switch asked.Name {
		case outputLogits:
		case outputProbs:
			row = softmax(row)
		case outputValues:
			row = out[i].Features
		default:
			return nil, nil, 0, fmt.Errorf("serve: no values for the output %s", asked.Name)
		}
		if len(row) == 0 { // another model has replaced the one of the request
			return nil, nil, 0, bad("the model no longer has an output %s", asked.Name)
		}
		if k := asked.Parameters.Classification; k > 0 {
			top := m.AppendTop(nil, out[i].Logits, k)
			width = len(top)
			for _, c := range top {
				texts = append(texts, fmt.Sprintf("%f:%d:%s", row[c.Index], c.Index, c.Label))
			}
			continue
		}
		width = len(row)
		values = append(values, row...)
	}
	return values, texts, width, nil
}

// softmax computes in float64, like the classes of /classify.
func softmax(logits []float32) []float32 {
	top, sum := math.Inf(-1), 0.0
	for _, v := range logits {
		top = max(top, float64(v))
	}
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	out := make([]float32, len(logits))
	for i, v := range logits {
		out[i] = float32(math.Exp(float64(v)-top) / sum)
	}
	return out
}
