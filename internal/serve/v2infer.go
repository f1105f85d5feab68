package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"net/http"
	"slices"
	"strconv"

	"fasternet/infer"
)

// headerLength is the header with the length of the JSON in a body; binary tensors follow.
const headerLength = "Inference-Header-Content-Length"

// v2Request is a request of the Open Inference Protocol.
type v2Request struct {
	ID         string       `json:"id"`
	Parameters v2Parameters `json:"parameters"`
	Inputs     []v2Input    `json:"inputs"`
	Outputs    []v2Asked    `json:"outputs"`
}

// v2Parameters are the known parameters; others are ignored, as the protocol requires.
type v2Parameters struct {
	BinaryDataSize   *int  `json:"binary_data_size"`
	BinaryData       *bool `json:"binary_data"`
	BinaryDataOutput bool  `json:"binary_data_output"`
	Classification   int   `json:"classification"`
}

type v2Input struct {
	Name       string          `json:"name"`
	Shape      []int           `json:"shape"`
	Datatype   string          `json:"datatype"`
	Parameters v2Parameters    `json:"parameters"`
	Data       json.RawMessage `json:"data"`
}

// v2Asked is a requested output.
type v2Asked struct {
	Name       string       `json:"name"`
	Parameters v2Parameters `json:"parameters"`
}

// inferV2 answers a request for inference.
func (s *Server) inferV2(w http.ResponseWriter, r *http.Request, e *entry) {
	s.serve(w, r, e, func(body []byte) (*request, error) {
		info := e.current.Load().Info()
		v, in, err := understandV2(info, r.Header.Get(headerLength), body)
		if err != nil {
			return nil, err
		}
		q := &request{in: in, out: make([]infer.Output, len(in))}
		for i := range q.out {
			features := func(o v2Asked) bool { return o.Name == outputValues }
			q.out[i].WithFeatures = slices.ContainsFunc(v.Outputs, features)
		}
		q.reply = func(m *infer.Model) error { return v.reply(w, m, e.name, q.out) }
		return q, nil
	})
}

// understandV2 reads a body: JSON, or JSON of the length in the header and binary tensors. With 0 in
// the header, the body is the content of one image file.
func understandV2(info infer.Info, header string, body []byte) (*v2Request, []infer.Input, error) {
	v, binary := &v2Request{}, []byte(nil)
	if header != "" {
		n, err := strconv.Atoi(header)
		if err != nil || n < 0 || n > len(body) {
			return nil, nil, bad("%s: want a number of bytes from 0 to %d, the size of the body, got %q",
				headerLength, len(body), header)
		}
		body, binary = body[:n], body[n:]
		if n == 0 {
			if len(binary) == 0 {
				return nil, nil, bad("the body is empty")
			}
			v.asksForAll(info)
			return v, []infer.Input{{Bytes: binary}}, nil
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(v); err != nil {
		return nil, nil, bad("the request is not a JSON object of the Open Inference Protocol: %w", err)
	}
	if d.More() {
		return nil, nil, bad("there is more after the JSON object; binary tensors need the header %s", headerLength)
	}
	if len(v.Inputs) != 1 {
		return nil, nil, bad("want one input (%s, %s or %s), got %d",
			inputTensor, inputFiles, inputPixels, len(v.Inputs))
	}
	if err := v.checkOutputs(info); err != nil {
		return nil, nil, err
	}
	t := &v.Inputs[0]
	values, err := t.values(binary)
	if err != nil {
		return nil, nil, bad("input %s: %w", t.Name, err)
	}
	in, err := t.images(info, values)
	if err != nil {
		return nil, nil, bad("input %s: %w", t.Name, err)
	}
	return v, in, nil
}

func (v *v2Request) asksForAll(info infer.Info) {
	for _, o := range outputsOf(info) {
		parameters := v2Parameters{BinaryData: &v.Parameters.BinaryDataOutput}
		v.Outputs = append(v.Outputs, v2Asked{Name: o.Name, Parameters: parameters})
	}
}

// checkOutputs checks the requested outputs. If there are none, it requests all of them.
func (v *v2Request) checkOutputs(info infer.Info) error {
	if len(v.Outputs) == 0 {
		v.asksForAll(info)
		return nil
	}
	there := outputsOf(info)
	for i, o := range v.Outputs {
		known := slices.IndexFunc(there, func(t tensor) bool { return t.Name == o.Name })
		switch {
		case known < 0:
			var names []string
			for _, t := range there {
				names = append(names, t.Name)
			}
			return bad("there is no output %q; the outputs are %v", o.Name, names)
		case slices.ContainsFunc(v.Outputs[:i], func(p v2Asked) bool { return p.Name == o.Name }):
			return bad("output %s is requested twice", o.Name)
		case o.Parameters.Classification < 0 || o.Parameters.Classification > 0 && o.Name == outputValues:
			return bad("output %s: classification: want a number of classes, for %s or %s",
				o.Name, outputLogits, outputProbs)
		}
		if o.Parameters.BinaryData == nil {
			v.Outputs[i].Parameters.BinaryData = &v.Parameters.BinaryDataOutput
		}
	}
	return nil
}

// images makes images from the values of an input.
func (t *v2Input) images(info infer.Info, values any) ([]infer.Input, error) {
	known := inputsOf(info)
	at := slices.IndexFunc(known, func(k tensor) bool { return k.Name == t.Name })
	if at < 0 {
		return nil, fmt.Errorf("there is no such input: want %s, %s or %s", inputTensor, inputFiles, inputPixels)
	}
	want := known[at]
	fits := len(t.Shape) == len(want.Shape)
	for i := range want.Shape {
		fits = fits && (want.Shape[i] == -1 || t.Shape[i] == want.Shape[i])
	}
	if t.Name == inputFiles && len(t.Shape) == 2 { // the second dimension is 1
		fits = t.Shape[0] == 1 || t.Shape[1] == 1
	}
	if t.Datatype != want.Datatype || !fits {
		return nil, fmt.Errorf("want %s %v, got %s %v", want.Datatype, want.Shape, t.Datatype, t.Shape)
	}
	switch t.Name {
	case inputFiles:
		files := values.([][]byte)
		in := make([]infer.Input, len(files))
		for i, f := range files {
			in[i].Bytes = f
		}
		return in, nil
	case inputTensor:
		all := values.([]float32)
		in := make([]infer.Input, t.Shape[0])
		size := len(all) / max(len(in), 1)
		for i := range in {
			in[i].Tensor = all[i*size : (i+1)*size]
		}
		return in, nil
	case inputPixels:
		all := values.([]byte)
		in := make([]infer.Input, t.Shape[0])
		size := len(all) / max(len(in), 1)
		for i := range in {
			in[i].Image = pixels(all[i*size:(i+1)*size], t.Shape[1], t.Shape[2], t.Shape[3])
		}
		return in, nil
	}
	return nil, fmt.Errorf("%s cannot become images", t.Name)
}

// pixels makes an image from interleaved values.
func pixels(values []byte, height, width, channels int) image.Image {
	bounds := image.Rect(0, 0, width, height)
	if channels == 1 {
		return &image.Gray{Pix: values, Stride: width, Rect: bounds}
	}
	m := image.NewNRGBA(bounds)
	for i, j := 0, 0; i+3 <= len(values); i, j = i+3, j+4 {
		copy(m.Pix[j:j+3], values[i:i+3])
		m.Pix[j+3] = 255
	}
	return m
}
