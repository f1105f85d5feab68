package localmim

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	_ "fasternet/graph/families"
	"fasternet/graph/graphtest"
	"fasternet/internal/golden"
	"fasternet/kernels"
)

// reference is a JSON file of the reference values of LocalMIM.
type reference struct {
	Config struct {
		Seed, Depth, Patch, Image, Batch, Window, NBins int
		InputSeed                                       int `json:"input_seed"`
		Dim, Embed                                      int
		Depths                                          []int
		Heads                                           any
		DecDim                                          int `json:"dec_dim"`
		DecHeads                                        int `json:"dec_heads"`
		Target                                          string
		Bias                                            bool
	}
	Trainable     int      `json:"trainable_parameters"`
	StateDict     [][2]any `json:"state_dict"`
	Loss          float64
	ScaleLosses   []float64 `json:"scale_losses"`
	GradNorm      float64   `json:"grad_norm"`
	ChannelStride int       `json:"channel_stride"`
}

func (r *reference) config(t *testing.T) *configs.Config {
	t.Helper()
	c := &r.Config
	list := func(v any) string { return strings.Join(strings.Fields(fmt.Sprint(v)), ", ") }
	var text string
	if c.Embed > 0 {
		c.Image = 224
		text = fmt.Sprintf(
			"model: {name: swin, embed_dim: %d, depths: %s, num_heads: %s, window_size: %d, norm2_eps: 1.0e-6}\n",
			c.Embed, list(c.Depths), list(c.Heads), c.Window,
		) +
			fmt.Sprintf("mim: {decoder_dim: [%d, %d, %d, %d], coordinates: official, merge_order: official,",
				c.DecDim/2, c.DecDim, c.DecDim, c.DecDim)
	} else {
		text = fmt.Sprintf(
			"model: {name: vit, embed_dim: %d, depth: %d, num_heads: %v, patch_size: %d}\n",
			c.Dim, c.Depth, c.Heads, c.Patch,
		) +
			fmt.Sprintf("mim: {decoder_dim: %d,", c.DecDim)
	}
	if c.Target == "Pixel" {
		text += " target: pixel,"
	} else {
		text += fmt.Sprintf(" nbins: %d,", c.NBins)
	}
	text += fmt.Sprintf(" decoder_heads: %d, hog_bias: %v}\ntask: localmim\ndata: {image_size: %d}\n",
		c.DecHeads, c.Bias, c.Image)
	config, err := configs.Parse("test", text)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func newMIM(t *testing.T, c *configs.Config) (*Model, *Runner) {
	t.Helper()
	return newMIMOn(t, kernels.Default(), c)
}

func newMIMOn(t *testing.T, k *kernels.Set, c *configs.Config) (*Model, *Runner) {
	t.Helper()
	m, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m, NewRunner(m, graphtest.Pool(t, k))
}

// fillMIM sets a model to the weights of the reference.
func fillMIM(m *Model, seed int) {
	graphtest.FillParameters(m.Store(), seed)
	for _, e := range m.Store().Entries {
		if strings.HasSuffix(e.Name, "conv.bias") {
			copy(e.Buffer, golden.Weight(e.Name, seed, e.Shape))
		}
	}
}

// batch returns the input of a reference: the visible units, and the targets.
func (r *reference) batch(m *Model, want map[string]golden.Tensor) Masked {
	c := r.Config
	n := c.Batch * 3 * c.Image * c.Image
	b := Masked{}
	if in, ok := want["input"]; ok {
		b.Images = golden.ToNHWC(in.Data, c.Batch, 3, c.Image, c.Image)
		ids := want["ids_restore"]
		side, visible := m.Config().MIMUnits()
		b.Kept = make([]int32, c.Batch*visible)
		for i, rank := range ids.Data {
			if int(rank) < visible {
				b.Kept[i/(side*side)*visible+int(rank)] = int32(i % (side * side))
			}
		}
	} else {
		b.Images = golden.ToNHWC(golden.Image("input", c.InputSeed, n), c.Batch, 3, c.Image, c.Image)
		for u, masked := range want["mask"].Data {
			if masked == 0 {
				b.Kept = append(b.Kept, int32(u))
			}
		}
	}
	for k, s := range m.Scales() {
		weights := want[fmt.Sprintf("mask_scaled/%d", k)].Data
		if len(weights) == s.Grid*s.Grid {
			weights = slices.Repeat(weights, c.Batch)
		}
		b.Weights = append(b.Weights, weights)
		if m.Config().MIM.Target == "pixel" {
			b.Targets = append(b.Targets, normalisedPixels(b.Images, c.Batch, c.Image, s.Cell))
		} else {
			b.Targets = append(b.Targets, want[fmt.Sprintf("target/%d", k)].Data)
		}
	}
	return b
}

// normalisedPixels returns the pixels of each cell, with mean 0 and variance 1.
func normalisedPixels(images []float32, batch, size, cell int) []float32 {
	var out []float32
	for image := range batch {
		for y := 0; y < size; y += cell {
			for x := 0; x < size; x += cell {
				var v []float64
				for a := range cell {
					for _, p := range images[((image*size+y+a)*size+x)*3:][:cell*3] {
						v = append(v, float64(p))
					}
				}
				mean, dev := 0.0, 0.0
				for _, p := range v {
					mean += p / float64(len(v))
				}
				for _, p := range v {
					dev += (p - mean) * (p - mean) / float64(len(v)-1)
				}
				for _, p := range v {
					out = append(out, float32((p-mean)/math.Sqrt(dev+1e-6)))
				}
			}
		}
	}
	return out
}

var references = []string{"mim_vit_n9", "mim_vit_n18_bias", "mim_swin_hog", "mim_swin_pixel"}

// State dict, latents, predictions, losses and every gradient equal the reference.
func TestLocalMIM(t *testing.T) {
	t.Parallel()
	for _, name := range references {
		t.Run(name, func(t *testing.T) {
			var ref reference
			golden.JSON(t, name+".json", &ref)
			want := golden.Tensors(t, name+".safetensors")
			c := ref.config(t)
			graphtest.EveryVariant(t, func(t *testing.T, k *kernels.Set) {
				m, r := newMIMOn(t, k, c)
				fillMIM(m, ref.Config.Seed)
				checkMIMState(t, m, ref, want)
				b := ref.batch(m, want)
				p, err := r.Program(ref.Config.Batch, false)
				if err != nil {
					t.Fatal(err)
				}
				loss, err := p.Run(b)
				if err != nil {
					t.Fatal(err)
				}
				checkMIMLosses(t, "eval", p, loss, ref)
				for k := range m.Scales() {
					pred, _ := p.Predictions(k)
					stride := max(ref.ChannelStride, 1)
					if stride > 1 {
						for i := range len(pred) / stride {
							pred[i] = pred[i*stride]
						}
						pred = pred[:len(pred)/stride]
					}
					golden.CheckRel(t, fmt.Sprintf("pred/%d", k), pred, want[fmt.Sprintf("pred/%d", k)].Data, 3e-5)
					golden.CheckRel(
						t, fmt.Sprintf("token_loss/%d", k), p.CellLosses(k),
						want[fmt.Sprintf("token_loss/%d", k)].Data, 1e-5,
					)
					latent, _ := p.Latent(k)
					golden.CheckRel(
						t, fmt.Sprintf("latent/%d", k), latent, want[fmt.Sprintf("latent/%d", k)].Data, 3e-5,
					)
				}
				if p, err = r.Program(ref.Config.Batch, true); err != nil {
					t.Fatal(err)
				}
				if loss, err = p.Run(b); err != nil {
					t.Fatal(err)
				}
				checkMIMLosses(t, "train", p, loss, ref)
				var norm float64
				for _, q := range m.Store().Params() {
					golden.CheckRel(t, "gradient of "+q.Name, q.GradData(), want["grad/"+q.Name].Data, 2e-4)
					norm += k.SumSquares(q.GradData())
				}
				if norm = math.Sqrt(norm); math.Abs(norm-ref.GradNorm) > 5e-5*ref.GradNorm {
					t.Errorf("gradient norm %v, want %v", norm, ref.GradNorm)
				}
			})
		})
	}
}

func checkMIMLosses(t *testing.T, what string, p *Program, loss float32, ref reference) {
	t.Helper()
	if math.Abs(float64(loss)-ref.Loss) > 1e-5*ref.Loss {
		t.Errorf("%s: loss %v, want %v", what, loss, ref.Loss)
	}
	for k, l := range p.ScaleLosses() {
		if math.Abs(l-ref.ScaleLosses[k]) > 1e-5*ref.ScaleLosses[k] {
			t.Errorf("%s: loss of scale %d %v, want %v", what, k, l, ref.ScaleLosses[k])
		}
	}
}

func checkMIMState(t *testing.T, m *Model, ref reference, tensors map[string]golden.Tensor) {
	t.Helper()
	var want, got []string
	for _, e := range ref.StateDict {
		if s := fmt.Sprintf("%v %v", e[0], e[1]); !strings.Contains(s, "relative_position_index") {
			want = append(want, s)
		}
	}
	for _, e := range m.Store().Entries {
		got = append(got, fmt.Sprintf("%s %v", e.Name, []int(e.Shape)))
		if w, ok := tensors[e.Name]; ok && !slices.Equal(e.Buffer, w.Data) {
			t.Errorf("%s is %v, want %v", e.Name, e.Buffer, w.Data)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("state dict:\n%v\nwant\n%v", got, want)
	}
	if n := m.Store().Parameters(); n != ref.Trainable {
		t.Errorf("%d parameters, want %d", n, ref.Trainable)
	}
	counts, err := m.Count()
	if err != nil {
		t.Fatal(err)
	}
	if n := graph.Total(counts).Parameters; n != ref.Trainable {
		t.Errorf("%d parameters counted, want %d", n, ref.Trainable)
	}
}

// The official base models have these state dicts.
func TestFullSizeLocalMIM(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("90 million parameters")
	}
	for _, test := range []struct{ preset, file string }{
		{"mim_vit_base", "decay_groups_mim_vit_base.json"},
		{"mim_swin_base", "decay_groups_mim_swin_base.json"},
	} {
		t.Run(test.preset, func(t *testing.T) {
			c, err := configs.Load(test.preset)
			if err != nil {
				t.Fatal(err)
			}
			var ref reference
			golden.JSON(t, test.file, &ref)
			m, err := New(c, 1)
			if err != nil {
				t.Fatal(err)
			}
			// the file is for runs with and without bias
			ref.StateDict = slices.DeleteFunc(ref.StateDict, func(e [2]any) bool {
				_, has := m.Store().Lookup(e[0].(string))
				return !has && strings.HasSuffix(e[0].(string), "conv.bias")
			})
			checkMIMState(t, m, ref, nil)
		})
	}
}
