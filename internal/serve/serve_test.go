package serve

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fasternet/data/picture"
	"fasternet/data/preprocess"
	"fasternet/infer"
	"fasternet/internal/datatest"
	"fasternet/internal/modeltest"
	"fasternet/internal/patience"
	"fasternet/model"
)

// logged collects what a server logs.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) log(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(s string) bool { return strings.Contains(s, text) })
}

func options(log *logged, models ...Named) Options {
	return Options{
		Models: models, MaxBody: 1 << 20, MaxBodies: 4 << 20, Queue: 64, Timeout: patience.Limit, TopK: 3,
		Version: "test", Log: log.log,
		Open: func(path string) (*infer.Model, error) {
			return infer.Open(path, infer.Threads(2), infer.MaxBatch(4), infer.MaxPixels(100_000))
		},
	}
}

// served serves models, by default one of each family.
func served(t *testing.T, change func(o *Options)) (*Server, *logged) {
	t.Helper()
	log := &logged{}
	o := options(log)
	for _, f := range modeltest.Families {
		o.Models = append(o.Models, Named{f.Name, modeltest.Write(t, f)})
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, log
}

// ask sends a request. headers come in pairs.
func ask(s http.Handler, method, target string, body []byte, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, bytes.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func decoded[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

// logitsOf returns the logits of package infer.
func logitsOf(t *testing.T, s *Server, name string, file []byte) []float32 {
	t.Helper()
	e, err := s.find(name)
	if err != nil {
		t.Fatal(err)
	}
	logits, err := e.current.Load().LogitsBytes(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	return logits[0]
}

type simpleReply struct {
	Model   string
	Results []result
}

// A file, a form and JSON get the same classes as in package infer, for each family.
func TestSimple(t *testing.T) {
	t.Parallel()
	s, log := served(t, func(o *Options) { o.LogAll = true })
	file, other := datatest.EncodeJPEG(t, datatest.Scene(50, 40)), datatest.EncodePNG(t, datatest.Scene(70, 33))
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	for _, f := range []named{{"a.jpg", file}, {"b.png", other}} {
		w, err := parts.CreateFormFile("image", f.name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(f.content)
	}
	parts.Close()
	text := base64.StdEncoding.EncodeToString
	inJSON, err := json.Marshal(map[string]any{
		"image":  text(file),
		"images": []string{"data:image/png;base64," + text(other), base64.RawURLEncoding.EncodeToString(file)},
	})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(file)
	z.Close()
	for _, f := range modeltest.Families {
		for _, c := range []struct {
			name    string
			body    []byte
			headers []string
			files   [][]byte
		}{
			{"raw", file, []string{"Content-Type", "application/x-www-form-urlencoded"}, [][]byte{file}},
			{"raw without a type", file, nil, [][]byte{file}},
			{"gzip", packed.Bytes(), []string{"Content-Type", "image/jpeg", "Content-Encoding", "gzip"},
				[][]byte{file}},
			{"form", form.Bytes(), []string{"Content-Type", parts.FormDataContentType()}, [][]byte{file, other}},
			{"JSON", inJSON, []string{"Content-Type", "application/json; charset=utf-8"}, [][]byte{file, other, file}},
		} {
			t.Run(f.Name+" "+c.name, func(t *testing.T) {
				w := ask(s, "POST", "/classify?topk=2&model="+f.Name, c.body, c.headers...)
				got := decoded[simpleReply](t, w)
				if got.Model != f.Name || len(got.Results) != len(c.files) {
					t.Fatalf("%+v", got)
				}
				for i, r := range got.Results {
					e, _ := s.find(f.Name)
					want := e.current.Load().AppendTop(nil, logitsOf(t, s, f.Name, c.files[i]), 2)
					for k, class := range r.Classes {
						if infer.Class(class) != want[k] {
							t.Errorf("image %d, class %d: %+v, want %+v", i, k, class, want[k])
						}
					}
					if len(r.Classes) != 2 || r.Batch < 1 || r.Times.Network <= 0 {
						t.Errorf("image %d: %+v", i, r)
					}
				}
				for _, stage := range []string{
					"decode;dur=", "resize;dur=", "wait;dur=", "network;dur=", "total;dur=",
				} {
					if !strings.Contains(w.Header().Get("Server-Timing"), stage) {
						t.Errorf("Server-Timing %q has no %s", w.Header().Get("Server-Timing"), stage)
					}
				}
				logits := decoded[simpleReply](t, ask(s, "POST", "/logits?model="+f.Name, c.body, c.headers...))
				if !slices.Equal(logits.Results[0].Logits, logitsOf(t, s, f.Name, c.files[0])) {
					t.Errorf("logits %v", logits.Results[0].Logits)
				}
				features := decoded[simpleReply](t, ask(s, "POST", "/features?model="+f.Name, c.body, c.headers...))
				if e, _ := s.find(f.Name); len(features.Results[0].Features) != e.current.Load().Info().Features {
					t.Errorf("features %v", features.Results[0].Features)
				}
			})
		}
	}
	if !log.has("POST /classify model=vit status=200") || !log.has("network=") {
		t.Errorf("log: %q", log.lines)
	}
}

// A mistake of a client gives a status of 400 or more and one line of JSON, and the server goes on.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	s, _ := served(t, func(o *Options) { o.Models = o.Models[:1]; o.Queue = 3 })
	file := datatest.EncodeJPEG(t, datatest.Scene(50, 40))
	images := func(n int) []byte {
		b, _ := json.Marshal(map[string]any{
			"images": slices.Repeat([]string{base64.StdEncoding.EncodeToString(file)}, n),
		})
		return b
	}
	asJSON := []string{"Content-Type", "application/json"}
	bomb := new(bytes.Buffer)
	z := gzip.NewWriter(bomb)
	z.Write(make([]byte, 3<<20))
	z.Close()
	const v2 = "/v2/models/fasternet/infer"
	tensor := func(name, datatype, shape, data string) []byte {
		return fmt.Appendf(nil, `{"inputs":[{"name":%q,"datatype":%q,"shape":%s,"data":%s}]}`,
			name, datatype, shape, data)
	}
	for _, c := range []struct {
		name, target string
		body         []byte
		headers      []string
		status       int
		want         string
	}{
		{"cut off", "/classify", file[:400], nil, 400, "truncated"},
		{"no image", "/classify", []byte("hello"), nil, 400, ""},
		{"empty", "/classify", nil, nil, 400, "body is empty"},
		{"too many pixels", "/classify", datatest.EncodePNG(t, datatest.Scene(400, 300)), nil, 400,
			"exceed the limit of 100000 pixels"},
		{"too long", "/classify", make([]byte, 1<<20+1), nil, 413, "more than 1048576 bytes"},
		{"bomb", "/classify", bomb.Bytes(), []string{"Content-Encoding", "gzip"}, 413, "more than 1048576 bytes"},
		{"no gzip", "/classify", file, []string{"Content-Encoding", "gzip"}, 400, "decompressed"},
		{"unknown coding", "/classify", file, []string{"Content-Encoding", "br"}, 415, "gzip"},
		{"no JSON", "/classify", []byte("{"), asJSON, 400, "BASE64"},
		{"unknown key", "/classify", []byte(`{"imags":[]}`), asJSON, 400, "imags"},
		{"no base64", "/classify", []byte(`{"image":"???"}`), asJSON, 400, "base64"},
		{"no images", "/classify", []byte(`{"images":[]}`), asJSON, 400, "no image"},
		{"too many images", "/classify", images(4), asJSON, 400, "at most 3"},
		{"form without boundary", "/classify", file, []string{"Content-Type", "multipart/form-data"}, 400, "boundary"},
		{"form without a file", "/classify",
			[]byte("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n"),
			[]string{"Content-Type", "multipart/form-data; boundary=x"}, 400, "not a file"},
		{"form that is cut off", "/classify", []byte("--x\r\nContent-Dis"),
			[]string{"Content-Type", "multipart/form-data; boundary=x"}, 400, "form"},
		{"topk", "/classify?topk=0", file, nil, 400, "topk"},
		{"model", "/classify?model=other", file, nil, 404, `no model "other"; the models are fasternet`},
		{"nothing there", "/classifyy", file, nil, 404, "nothing at"},
		{"v2 model", "/v2/models/x%0Ay/infer", file, nil, 404, "no model"},
		{"v2 version", "/v2/models/fasternet/versions/7/infer", file, nil, 404, `no version "7"`},
		{"v2 no JSON", v2, file, nil, 400, "not a JSON object"},
		{"v2 no input", v2, []byte("{}"), nil, 400, "want one input"},
		{"v2 name", v2, tensor("x", "BYTES", "[1]", `["AAAA"]`), nil, 400, "no such input"},
		{"v2 datatype", v2, tensor("input", "FP64", "[1]", `[1]`), nil, 400, "want FP32, BYTES or UINT8"},
		{"v2 wrong datatype", v2, tensor("input", "UINT8", "[1,1,1,3]", `[1,2,3]`), nil, 400, "want FP32 [-1 3 32 32]"},
		{"v2 shape", v2, tensor("input", "FP32", "[1,3,2,2]", `[0,0,0,0,0,0,0,0,0,0,0,0]`), nil, 400,
			"want FP32 [-1 3 32 32]"},
		{"v2 huge shape", v2, tensor("input", "FP32", "[99999999,3,99999999,32]", `[0]`), nil, 400, "at most"},
		{"v2 negative shape", v2, tensor("pixels", "UINT8", "[1,-1,3,3]", `[0]`), nil, 400, "1 or more"},
		{"v2 too few", v2, tensor("pixels", "UINT8", "[1,1,2,3]", `[1,2,3]`), nil, 400, "6 values"},
		{"v2 too many", v2, tensor("pixels", "UINT8", "[1,1,1,3]", `[[[[1,2,3]],[4]]]`), nil, 400, "more"},
		{"v2 out of range", v2, tensor("pixels", "UINT8", "[1,1,1,3]", `[1,2,256]`), nil, 400, "256"},
		{"v2 no image", v2, tensor("image", "BYTES", "[1]", `["AAAA"]`), nil, 400, "image 0"},
		{"v2 text", v2, tensor("image", "BYTES", "[1]", `["no base64"]`), nil, 400, "base64"},
		{"v2 output", v2,
			[]byte(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["AAAA"]}],` +
				`"outputs":[{"name":"x"}]}`),
			nil, 400, `no output "x"`},
		{"v2 header", v2, []byte("{}"), []string{headerLength, "9"}, 400, headerLength},
		{"v2 nothing", v2, nil, []string{headerLength, "0"}, 400, "empty"},
		{"v2 tail", v2, append(tensor("image", "BYTES", "[1]", `["AAAA"]`), "xx"...),
			[]string{headerLength, strconv.Itoa(len(tensor("image", "BYTES", "[1]", `["AAAA"]`)))}, 400,
			"2 bytes follow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ask(s, "POST", c.target, c.body, c.headers...)
			var reply map[string]string
			err := json.Unmarshal(w.Body.Bytes(), &reply)
			if err != nil ||
				w.Code != c.status ||
				!strings.Contains(reply["error"], c.want) ||
				strings.ContainsAny(reply["error"], "\n\r\x1b") ||
				len(reply) != 1 {
				t.Errorf("status %d: %s; want %d and %q", w.Code, w.Body, c.status, c.want)
			}
		})
	}
	if w := ask(s, "GET", "/classify", nil); w.Code != http.StatusMethodNotAllowed ||
		w.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d %q", w.Code, w.Header().Get("Allow"))
	}
	if w := ask(s, "POST", "/classify", file); w.Code != http.StatusOK {
		t.Errorf("a good request after them: %d %s", w.Code, w.Body)
	}
	if n := s.entries[0].admission.now.Load(); n != 0 {
		t.Errorf("%d images are still counted", n)
	}
	if n := s.bodies.used.Load(); n != 0 {
		t.Errorf("%d bytes of bodies are still counted", n)
	}
}

// v2Reply is an answer of the protocol, with its binary tensors.
type v2Reply struct {
	Name    string `json:"model_name"`
	Version string `json:"model_version"`
	ID      string
	Outputs []struct {
		Name, Datatype string
		Shape          []int
		Parameters     struct {
			Size *int `json:"binary_data_size"`
		}
		Data json.RawMessage
	}
	tails [][]byte
}

func readV2(t *testing.T, w *httptest.ResponseRecorder) v2Reply {
	t.Helper()
	head := w.Body.Bytes()
	var tail []byte
	if text := w.Header().Get(headerLength); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		head, tail = head[:n], head[n:]
	}
	var r v2Reply
	if err := json.Unmarshal(head, &r); err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, head)
	}
	for _, o := range r.Outputs {
		var part []byte
		if o.Parameters.Size != nil {
			part, tail = tail[:*o.Parameters.Size], tail[*o.Parameters.Size:]
		}
		r.tails = append(r.tails, part)
	}
	if len(tail) > 0 {
		t.Errorf("%d bytes are left", len(tail))
	}
	return r
}

// floats returns the values of output i.
func (r *v2Reply) floats(t *testing.T, i int) (all []float32) {
	t.Helper()
	if r.Outputs[i].Parameters.Size == nil {
		if err := json.Unmarshal(r.Outputs[i].Data, &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	for b := r.tails[i]; len(b) > 0; b = b[4:] {
		all = append(all, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return all
}

// The same image as a file, as pixels and as a prepared tensor, in JSON and binary, gives the logits
// of package infer to the bit, for each family.
func TestV2(t *testing.T) {
	t.Parallel()
	s, _ := served(t, nil)
	scene, second := datatest.Scene(50, 40), datatest.Scene(50, 40)
	for i := range second.Pix {
		if i%4 != 3 {
			second.Pix[i] = 255 - second.Pix[i]
		}
	}
	files := [][]byte{datatest.EncodePNG(t, scene), datatest.EncodePNG(t, second)}
	for _, f := range modeltest.Families {
		t.Run(f.Name, func(t *testing.T) {
			e, _ := s.find(f.Name)
			l, err := model.Load(e.path)
			if err != nil {
				t.Fatal(err)
			}
			var want []float32
			for _, file := range files {
				want = append(want, logitsOf(t, s, f.Name, file)...)
			}
			var pixels []byte
			var planes []float32
			var strs []byte
			var b64 []string
			for i, m := range []*[]byte{&scene.Pix, &second.Pix} {
				for p := 0; p < len(*m); p += 4 {
					pixels = append(pixels, (*m)[p:p+3]...)
				}
				nhwc := make([]float32, 32*32*3)
				img, err := picture.Decode(files[i])
				if err != nil {
					t.Fatal(err)
				}
				if err := preprocess.Evaluation(l.Config.Data, 3).Apply(img, nil, nhwc); err != nil {
					t.Fatal(err)
				}
				for c := range 3 {
					for p := range 32 * 32 {
						planes = append(planes, nhwc[3*p+c])
					}
				}
				strs = append(binary.LittleEndian.AppendUint32(strs, uint32(len(files[i]))), files[i]...)
				b64 = append(b64, base64.StdEncoding.EncodeToString(files[i]))
			}
			var floats []byte
			for _, v := range planes {
				floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits(v))
			}
			numbers := make([]int, len(pixels))
			for i, v := range pixels {
				numbers[i] = int(v)
			}
			for _, c := range []struct {
				name, datatype string
				shape          []int
				data           any
				binary         []byte
			}{
				{"image", "BYTES", []int{2}, b64, strs},
				{"image", "BYTES", []int{2, 1}, [][]string{b64[:1], b64[1:]}, strs},
				{"pixels", "UINT8", []int{2, 40, 50, 3}, [][]int{numbers[:100], numbers[100:]}, pixels},
				{"input", "FP32", []int{2, 3, 32, 32}, planes, floats},
			} {
				for _, asked := range []struct {
					name   string
					values string
				}{
					{"all", `"parameters":{"unknown":[1]}`},
					{"all binary", `"parameters":{"binary_data_output":true}`},
					{"logits", `"outputs":[{"name":"logits"}]`},
					{"both ways",
						`"outputs":[{"name":"probabilities","parameters":{"binary_data":false}},` +
							`{"name":"logits","parameters":{"binary_data":true}}]`},
				} {
					for _, binaryInput := range []bool{false, true} {
						t.Run(fmt.Sprintf("%s %v %s %v", c.name, c.shape, asked.name, binaryInput), func(t *testing.T) {
							input := map[string]any{"name": c.name, "datatype": c.datatype, "shape": c.shape}
							if binaryInput {
								input["parameters"] = map[string]int{"binary_data_size": len(c.binary)}
							} else {
								input["data"] = c.data
							}
							text, err := json.Marshal(input)
							if err != nil {
								t.Fatal(err)
							}
							body := fmt.Appendf(nil, `{"id":"7 é","inputs":[%s],%s}`, text, asked.values)
							var headers []string
							if binaryInput {
								headers = []string{headerLength, strconv.Itoa(len(body))}
								body = append(body, c.binary...)
							}
							r := readV2(t, ask(s, "POST", "/v2/models/"+f.Name+"/versions/1/infer", body, headers...))
							if r.Name != f.Name || r.Version != "1" || r.ID != "7 é" {
								t.Errorf("%+v", r)
							}
							for i, o := range r.Outputs {
								wantBinary := asked.name == "all binary" ||
									asked.name == "both ways" && o.Name == "logits"
								if (o.Parameters.Size != nil) != wantBinary {
									t.Errorf("%s: binary %v, want %v", o.Name, !wantBinary, wantBinary)
								}
								got := r.floats(t, i)
								n := o.Shape[0] * o.Shape[1]
								if n != len(got) || o.Shape[0] != 2 || o.Datatype != "FP32" {
									t.Errorf("%s: %d values of shape %v", o.Name, len(got), o.Shape)
								}
								switch o.Name {
								case "logits":
									for k := range want {
										if math.Float32bits(got[k]) != math.Float32bits(want[k]) {
											t.Fatalf("logit %d is %v, want %v", k, got[k], want[k])
										}
									}
								case "probabilities":
									sum := got[0] + got[1] + got[2] + got[3] + got[4]
									if math.Abs(float64(sum-1)) > 1e-5 {
										t.Errorf("the sum of the probabilities is %v", sum)
									}
								case "features":
								default:
									t.Errorf("output %s", o.Name)
								}
							}
						})
					}
				}
			}
			// Send only the content of a file, and get classes by name.
			r := readV2(t, ask(s, "POST", "/v2/models/"+f.Name+"/infer", files[1], headerLength, "0"))
			if got := r.floats(t, 0); !slices.Equal(got, want[5:]) {
				t.Errorf("of a file alone: %v, want %v", got, want[5:])
			}
			body := fmt.Appendf(nil,
				`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":[%q]}],`+
					`"outputs":[{"name":"logits","parameters":{"classification":2}},`+
					`{"name":"probabilities","parameters":{"classification":1,"binary_data":true}}]}`,
				b64[0])
			r = readV2(t, ask(s, "POST", "/v2/models/"+f.Name+"/infer", body))
			var texts []string
			if err := json.Unmarshal(r.Outputs[0].Data, &texts); err != nil {
				t.Fatal(err)
			}
			top := e.current.Load().AppendTop(nil, want[:5], 2)
			for i, c := range top {
				if w := fmt.Sprintf("%f:%d:%s", want[c.Index], c.Index, c.Label); texts[i] != w ||
					r.Outputs[0].Datatype != "BYTES" ||
					!slices.Equal(r.Outputs[0].Shape, []int{1, 2}) {
					t.Errorf("class %d is %q, want %q", i, texts[i], w)
				}
			}
			if w := fmt.Sprintf(":%d:%s", top[0].Index, top[0].Label); !strings.HasSuffix(string(r.tails[1]), w) ||
				int(binary.LittleEndian.Uint32(r.tails[1])) != len(r.tails[1])-4 {
				t.Errorf("binary class %q, want …%s", r.tails[1], w)
			}
		})
	}
}

// Checks the descriptions of the server and its models.
func TestV2Metadata(t *testing.T) {
	t.Parallel()
	s, _ := served(t, nil)
	for _, c := range []struct{ method, target, want string }{
		{"GET", "/v2",
			`{"extensions":["binary_tensor_data","classification","model_repository"],` +
				`"name":"fasternet-train","version":"test"}`},
		{"GET", "/v2/", `"name":"fasternet-train"`},
		{"GET", "/v2/health/live", `{"live":true}`},
		{"GET", "/v2/health/ready", `{"ready":true}`},
		{"GET", "/v2/models/swin",
			`"name":"swin","outputs":[{"name":"logits","datatype":"FP32","shape":[-1,5]},` +
				`{"name":"probabilities","datatype":"FP32","shape":[-1,5]},` +
				`{"name":"features","datatype":"FP32","shape":[-1,16]}],` +
				`"platform":"fasternet-train_swin","versions":["1"]`},
		{"GET", "/v2/models/vit/versions/1",
			`{"inputs":[{"name":"input","datatype":"FP32","shape":[-1,3,32,32]},` +
				`{"name":"image","datatype":"BYTES","shape":[-1]},` +
				`{"name":"pixels","datatype":"UINT8","shape":[-1,-1,-1,3]}]`},
		{"GET", "/v2/models/vit/ready", `{"name":"vit","ready":true}`},
		{"GET", "/v2/models/vit/versions/1/ready", `{"name":"vit","ready":true}`},
		{"POST", "/v2/repository/index", `[{"name":"fasternet","reason":"","state":"READY","version":"1"}`},
		{"GET", "/metrics", `fasternet_serve_requests_total{code="200",model="swin"} 0`},
		{"GET", "/", `<script src="page.js">`},
	} {
		t.Run(c.target, func(t *testing.T) {
			if w := ask(s, c.method, c.target, nil); w.Code != http.StatusOK ||
				!strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d: %s; want %s", w.Code, w.Body, c.want)
			}
		})
	}
	s.Drain()
	if w := ask(s, "GET", "/v2/health/ready", nil); w.Code != http.StatusServiceUnavailable {
		t.Errorf("while it drains, ready answers %d", w.Code)
	}
	if w := ask(s, "GET", "/v2/health/live", nil); w.Code != http.StatusOK {
		t.Errorf("while it drains, live answers %d", w.Code)
	}
	if w := ask(s, "POST", "/classify", datatest.EncodePNG(t, datatest.Scene(40, 40))); w.Code != http.StatusOK ||
		w.Header().Get("Connection") != "close" {
		t.Errorf("while it drains it answers: %d %v", w.Code, w.Header())
	}
}

// Without the token, only health and the page are open.
func TestToken(t *testing.T) {
	t.Parallel()
	s, _ := served(t, func(o *Options) { o.Models, o.Token = o.Models[:1], "s3cret" })
	file := datatest.EncodePNG(t, datatest.Scene(40, 40))
	for _, c := range []struct {
		method, target string
		open           bool
	}{
		{"GET", "/", true},
		{"GET", "/page.js", true},
		{"GET", "/v2/health/live", true},
		{"GET", "/v2/health/ready", true},
		{"GET", "/metrics", false},
		{"GET", "/v2", false},
		{"GET", "/v2/models/fasternet", false},
		{"POST", "/v2/repository/index", false},
		{"POST", "/classify", false}, {"POST", "/logits", false}, {"POST", "/features", false},
	} {
		for _, token := range []struct {
			header string
			good   bool
		}{
			{"", false},
			{"Bearer", false},
			{"Bearer s3cre", false},
			{"Bearer s3crets", false},
			{"Basic s3cret", false},
			{"Bearer s3cret", true},
			{"bearer s3cret", true},
		} {
			w := ask(s, c.method, c.target, file, "Authorization", token.header)
			want := c.open || token.good
			if (w.Code == http.StatusOK) != want || !want && w.Code != http.StatusUnauthorized {
				t.Errorf("%s %s with %q: %d", c.method, c.target, token.header, w.Code)
			}
		}
	}
}

// Above the limits, a request is refused at once and may be tried again. Refused requests do not
// count as being in progress.
func TestOverload(t *testing.T) {
	t.Parallel()
	s, _ := served(t, func(o *Options) { o.Models, o.Queue = o.Models[:1], 2 })
	file := datatest.EncodePNG(t, datatest.Scene(40, 40))
	a := &s.entries[0].admission
	if err := a.enter(2); err != nil {
		t.Fatal(err)
	}
	w := ask(s, "POST", "/classify", file)
	if w.Code != http.StatusServiceUnavailable ||
		w.Header().Get("Retry-After") == "" ||
		!strings.Contains(w.Body.String(), "try again") {
		t.Errorf("with a full queue: %d %v %s", w.Code, w.Header(), w.Body)
	}
	a.leave(2)
	held := &body{}
	if err := s.bodies.hold(held, s.bodies.most-10); err != nil {
		t.Fatal(err)
	}
	if w := ask(s, "POST", "/classify", file); w.Code != http.StatusServiceUnavailable ||
		!strings.Contains(w.Body.String(), "in memory") {
		t.Errorf("with full memory: %d %s", w.Code, w.Body)
	}
	s.bodies.put(held)
	if w := ask(s, "POST", "/classify", file); w.Code != http.StatusOK {
		t.Errorf("after it: %d %s", w.Code, w.Body)
	}
	text := ask(s, "GET", "/metrics", nil).Body.String()
	if !strings.Contains(text, `fasternet_serve_refused_total{reason="queue"} 1`) ||
		!strings.Contains(text, `fasternet_serve_refused_total{reason="bodies"} 1`) {
		t.Error("the refusals are not in the metrics")
	}

	// Ten times as many clients as there is room for: each gets an answer or a refusal, and nothing is
	// left in progress.
	var all sync.WaitGroup
	var mu sync.Mutex
	count := map[int]int{}
	for range 20 {
		all.Go(func() {
			for range 10 {
				w := ask(s, "POST", "/logits", file)
				mu.Lock()
				count[w.Code]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if count[200]+count[503] != 200 || count[200] == 0 {
		t.Errorf("answers by status: %v", count)
	}
	if a.now.Load() != 0 || s.bodies.used.Load() != 0 {
		t.Errorf("%d images and %d bytes are still counted", a.now.Load(), s.bodies.used.Load())
	}
}

// A request that takes too long is refused, and a client that closes the connection is not an error.
func TestTime(t *testing.T) {
	t.Parallel()
	s, _ := served(t, func(o *Options) { o.Models, o.Timeout = o.Models[:1], time.Nanosecond })
	file := datatest.EncodePNG(t, datatest.Scene(40, 40))
	if w := ask(s, "POST", "/classify", file); w.Code != http.StatusServiceUnavailable ||
		!strings.Contains(w.Body.String(), "took too long") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/classify", bytes.NewReader(file)).WithContext(ctx))
	if w.Code != statusGone {
		t.Errorf("of a client that has gone: %d", w.Code)
	}
}

// A changed file replaces the old one when it is complete; a damaged one never does, and requests go
// on all the time.
func TestReload(t *testing.T) {
	t.Parallel()
	f := modeltest.Families[0]
	path := filepath.Join(t.TempDir(), "m.safetensors")
	modeltest.WriteTo(t, path, f)
	s, log := served(t, func(o *Options) { o.Models, o.Reload = []Named{{"m", path}}, 20*time.Millisecond })
	file := datatest.EncodePNG(t, datatest.Scene(40, 40))
	old := logitsOf(t, s, "m", file)
	fresh := filepath.Join(t.TempDir(), "fresh.safetensors")
	modeltest.WriteTo(t, fresh, f, "seed=7")
	next, err := infer.Open(fresh)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	want, err := next.LogitsBytes(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got := ask(s, "POST", "/logits", file)
				var r simpleReply
				if err := json.Unmarshal(got.Body.Bytes(), &r); err != nil || got.Code != 200 {
					t.Errorf("%d %s", got.Code, got.Body)
					return
				}
				if l := r.Results[0].Logits; !slices.Equal(l, old) && !slices.Equal(l, want[0]) {
					t.Errorf("logits of neither model: %v", l)
				}
			}
		})
	}
	t.Cleanup(func() { close(stop); all.Wait() })
	content, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	damaged := slices.Clone(content)
	damaged[len(damaged)/2] ^= 1
	for i, bad := range [][]byte{content[:len(content)/2], damaged, []byte("no model")} {
		aside := filepath.Join(t.TempDir(), "aside")
		datatest.WriteFile(t, aside, bad)
		if err := os.Rename(aside, path); err != nil {
			t.Fatal(err)
		}
		patience.Until(t, "the damaged file is refused", func() bool {
			return strings.Contains(ask(s, "GET", "/metrics", nil).Body.String(),
				fmt.Sprintf(`fasternet_serve_reloads_total{model="m",result="failed"} %d`, i+1))
		})
		if got := logitsOf(t, s, "m", file); !slices.Equal(got, old) {
			t.Errorf("after damage %d the logits are %v", i, got)
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
	patience.Until(t, "the new file is taken", func() bool { return log.has("loaded ") })
	if got := logitsOf(t, s, "m", file); !slices.Equal(got, want[0]) {
		t.Errorf("the logits are %v, want the logits of the new file %v", got, want[0])
	}
	if err := os.Remove(path); err != nil { // it is still served
		t.Fatal(err)
	}
}

// Concurrent requests get their own results, whatever others send.
func TestNothingReachesAnother(t *testing.T) {
	t.Parallel()
	s, _ := served(t, nil)
	const images = 12
	var contents [images][]byte
	var want [3][images][]float32
	for i := range images {
		scene := datatest.Scene(33+i, 40)
		for p := range scene.Pix {
			if p%4 != 3 {
				scene.Pix[p] += uint8(i * 20)
			}
		}
		contents[i] = datatest.EncodePNG(t, scene)
		for k, f := range modeltest.Families {
			want[k][i] = logitsOf(t, s, f.Name, contents[i])
		}
	}
	var all sync.WaitGroup
	for g := range 12 {
		all.Go(func() {
			for n := range 20 {
				i, k := (g*5+n)%images, (g+n)%3
				name := modeltest.Families[k].Name
				if n%5 == 4 { // a hostile request
					ask(s, "POST", "/v2/models/"+name+"/infer", contents[i], headerLength, "17")
					ask(s, "POST", "/classify?model="+name, contents[i][:60])
					continue
				}
				w := ask(s, "POST", "/logits?model="+name, contents[i])
				var r simpleReply
				err := json.Unmarshal(w.Body.Bytes(), &r)
				if err != nil || w.Code != 200 || !slices.Equal(r.Results[0].Logits, want[k][i]) {
					t.Errorf("%d %v: %s", w.Code, err, w.Body)
				}
			}
		})
	}
	all.Wait()
}

// Stop answers the requests in progress, with TLS too.
func TestStop(t *testing.T) {
	t.Parallel()
	s, _ := served(t, func(o *Options) { o.Models = o.Models[:1] })
	n, err := Listen("127.0.0.1:0", "", "", s)
	if err != nil {
		t.Fatal(err)
	}
	file := datatest.EncodePNG(t, datatest.Scene(40, 40))
	r, w := io.Pipe()
	answered := make(chan string, 1)
	request, err := http.NewRequest(http.MethodPost, "http://"+n.Address()+"/classify", r)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Expect", "100-continue") // the body is sent when the server asks for it
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: patience.Limit}}
	go func() {
		reply, err := client.Do(request)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer reply.Body.Close()
		answered <- reply.Status
	}()
	w.Write(file[:100]) // it is in progress
	stopped := make(chan error, 1)
	go func() { stopped <- n.Stop(t.Context()) }()
	patience.Until(t, "it listens no more", func() bool {
		c, err := net.Dial("tcp", n.Address())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	w.Write(file[100:])
	w.Close()
	if got := <-answered; got != "200 OK" {
		t.Errorf("the request in progress got %s", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		models []Named
		want   string
	}{
		{nil, "want a model"},
		{[]Named{{"a b", "x"}}, "want at most 128 letters"},
		{[]Named{{"", "x"}}, "want at most 128 letters"},
		{[]Named{{"../x", "x"}}, "want at most 128 letters"},
		{[]Named{{"a", "x"}, {"a", "y"}}, "two models"}, {[]Named{{"a", "x"}, {"b.1_2-3", "y"}}, ""},
	} {
		if err := CheckNames(c.models); (err == nil) != (c.want == "") ||
			err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.models, err, c.want)
		}
	}
	log := &logged{}
	if _, err := New(options(log, Named{"a", modeltest.Write(t, modeltest.Families[0])},
		Named{"b", filepath.Join(t.TempDir(), "missing")})); err == nil ||
		!strings.Contains(err.Error(), "model b") {
		t.Errorf("%v, want one about model b", err)
	}
}

// The body of a request can be anything.
func FuzzV2(f *testing.F) {
	info := infer.Info{Architecture: "vit", Channels: 3, Size: 2, Classes: 5, Features: 4}
	for _, seed := range []string{
		`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,2,2],"data":[1,2,3,4,5,6,7,8,9,10,11,12]}]}`,
		`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["AAAA"]}],` +
			`"outputs":[{"name":"logits","parameters":{"classification":2}}]}`,
		`{"inputs":[{"name":"pixels","datatype":"UINT8","shape":[1,1,1,3],"parameters":{"binary_data_size":3}}]}abc`,
	} {
		f.Add([]byte(seed), "")
		f.Add([]byte(seed), strconv.Itoa(strings.LastIndex(seed, "}")+1))
	}
	f.Fuzz(func(t *testing.T, body []byte, header string) {
		v, in, err := understandV2(info, header, body)
		if err == nil && (len(in) == 0 || len(v.Outputs) == 0) {
			t.Errorf("%d images, %d outputs of %q", len(in), len(v.Outputs), body)
		}
		if err != nil && asFailure(err).status != http.StatusBadRequest {
			t.Errorf("%v", err)
		}
	})
}
