package serve

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fasternet/infer"
)

// The results of the addresses for curl and browsers.
const (
	wantClasses  = "classify"
	wantLogits   = "logits"
	wantFeatures = "features"
)

// named is an image of a request.
type named struct {
	name    string
	content []byte
}

// result is the part of the answer about an image.
type result struct {
	Name     string        `json:"name,omitempty"` // name of its file in a form
	Classes  []classResult `json:"classes,omitempty"`
	Logits   []float32     `json:"logits,omitempty"`
	Features []float32     `json:"features,omitempty"`
	Times    timesResult   `json:"times_ms"`
	Batch    int           `json:"batch"` // number of images in its batch
}

type classResult struct {
	Index int     `json:"index"`
	Label string  `json:"label"`
	Prob  float64 `json:"prob"`
}

type timesResult struct {
	Decode  float64 `json:"decode"`
	Resize  float64 `json:"resize"`
	Wait    float64 `json:"wait"`
	Network float64 `json:"network"`
}

// simple answers /classify, /logits and /features.
func (s *Server) simple(w http.ResponseWriter, r *http.Request, what string) {
	query := r.URL.Query()
	e, err := s.find(query.Get("model"))
	if err != nil {
		refuse(w, err)
		return
	}
	topk := s.options.TopK
	if text := query.Get("topk"); text != "" {
		if topk, err = strconv.Atoi(text); err != nil || topk < 1 {
			refuse(w, bad("topk: want 1 or more, got %q", text))
			return
		}
	}
	s.serve(w, r, e, func(body []byte) (*request, error) {
		images, err := imagesOf(r.Header.Get("Content-Type"), body)
		if err != nil {
			return nil, err
		}
		q := &request{in: make([]infer.Input, len(images)), out: make([]infer.Output, len(images))}
		for i, m := range images {
			q.in[i].Bytes, q.out[i].WithFeatures = m.content, what == wantFeatures
		}
		q.reply = func(m *infer.Model) error {
			if m.Info().Classes == 0 && what != wantFeatures {
				return infer.ErrNoClassifier
			}
			reply := struct {
				Model   string   `json:"model"`
				Results []result `json:"results"`
			}{e.name, make([]result, len(images))}
			for i := range images {
				reply.Results[i] = resultOf(m, what, images[i].name, &q.out[i], topk)
			}
			answer(w, http.StatusOK, reply)
			return nil
		}
		return q, nil
	})
}

func resultOf(m *infer.Model, what, name string, o *infer.Output, topk int) result {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	r := result{
		Name:  name,
		Batch: o.Times.Batch,
		Times: timesResult{ms(o.Times.Decode), ms(o.Times.Resize), ms(o.Times.Wait), ms(o.Times.Network)},
	}
	switch what {
	case wantClasses:
		for _, c := range m.AppendTop(nil, o.Logits, topk) {
			r.Classes = append(r.Classes, classResult(c))
		}
	case wantLogits:
		r.Logits = o.Logits
	case wantFeatures:
		r.Features = o.Features
	default:
		panic("serve: no answer for " + what)
	}
	return r
}

// imagesOf returns the images of a body: the files of a form, the strings of a JSON object, or the
// body itself.
func imagesOf(contentType string, body []byte) ([]named, error) {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil && contentType != "" {
		return nil, bad("Content-Type %q: %w", contentType, err)
	}
	switch kind {
	case "multipart/form-data":
		return formImages(body, parameters["boundary"])
	case "application/json":
		return jsonImages(body)
	}
	if len(body) == 0 {
		return nil, bad("the body is empty: want the content of an image file, a form with files, or JSON")
	}
	return []named{{"", body}}, nil // curl sends anything as application/x-www-form-urlencoded
}

func formImages(body []byte, boundary string) (images []named, err error) {
	if boundary == "" {
		return nil, bad("multipart/form-data without a boundary")
	}
	form := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, bad("the form cannot be read: %w", err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, bad("the form cannot be read: %w", err)
		}
		if part.FileName() == "" {
			return nil, bad("the field %q of the form is not a file (curl: -F image=@FILE)", part.FormName())
		}
		images = append(images, named{part.FileName(), content})
	}
	if len(images) == 0 {
		return nil, bad("the form has no file (curl: -F image=@FILE)")
	}
	return images, nil
}

func jsonImages(body []byte) ([]named, error) {
	var q struct {
		Image  *string  `json:"image"`
		Images []string `json:"images"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(&q)
	if err == nil && d.More() {
		err = errors.New("more follows the object")
	}
	if err != nil {
		return nil, bad(`the body is not a JSON object {"image": "BASE64"} or {"images": ["BASE64", …]}: %w`, err)
	}
	if q.Image != nil {
		q.Images = append([]string{*q.Image}, q.Images...)
	}
	images := make([]named, len(q.Images))
	for i, text := range q.Images {
		if images[i].content, err = fromBase64(text); err != nil {
			return nil, bad("image %d: %w", i, err)
		}
	}
	return images, nil
}

var usualBase64 = strings.NewReplacer("-", "+", "_", "/", "\r", "", "\n", "")

// fromBase64 decodes base64 in both alphabets, with or without padding, and data: URLs.
func fromBase64(text string) ([]byte, error) {
	if strings.HasPrefix(text, "data:") {
		head, data, ok := strings.Cut(text, ",")
		if !ok || !strings.HasSuffix(head, ";base64") {
			return nil, errors.New("the data URL is not base64")
		}
		text = data
	}
	content, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(usualBase64.Replace(text), "="))
	if err != nil {
		return nil, fmt.Errorf("it is not base64: %w", err)
	}
	if len(content) == 0 {
		return nil, errors.New("it is empty")
	}
	return content, nil
}
