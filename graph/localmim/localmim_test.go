package localmim

import (
	"math"
	"slices"
	"testing"

	"fasternet/configs"
	"fasternet/internal/golden"
)

const smallViTMIM = `
task: localmim
model: {name: vit, embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
data: {image_size: 16}
mim: {taps: [1, 2], scales: [2, 0.5], decoder_dim: 8, decoder_heads: 2, mask_ratio: 0.5, hog_bias: true}
`

func parse(t *testing.T, text string) *configs.Config {
	t.Helper()
	c, err := configs.Parse("test", text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The values of a state dict are counted without making the model.
func TestValues(t *testing.T) {
	for _, small := range []struct{ name, text string }{{"vit", smallViTMIM}, {"swin", smallSwinMIM}} {
		c := parse(t, small.text)
		m, _ := newMIM(t, c)
		want := 0
		for _, e := range m.Store().Entries {
			if e.Param != nil {
				want += e.Param.Size()
			}
			want += len(e.Buffer)
		}
		if got, err := Values(c); got != want || err != nil {
			t.Errorf("%s: %d values, %v, want %d", small.name, got, err, want)
		}
	}
}

// The constants of HOG are small, and a function of the seed and the scale.
func TestHOGBias(t *testing.T) {
	c := parse(t, smallViTMIM)
	bias := func(seed uint64) [][2]float32 {
		m, err := New(c, seed)
		if err != nil {
			t.Fatal(err)
		}
		return [][2]float32{m.HOGBias(0), m.HOGBias(1)}
	}
	a := bias(7)
	if !slices.Equal(a, bias(7)) || slices.Equal(a, bias(8)) || a[0] == a[1] {
		t.Errorf("bias %v, then %v and %v", a, bias(7), bias(8))
	}
	for _, v := range slices.Concat(a, bias(8)) {
		if max(v[0], v[1]) > 1.0/3 || min(v[0], v[1]) < -1.0/3 || v[0] == 0 {
			t.Errorf("bias %v is not within 1/3", v)
		}
	}
}

// The sum of the losses of images is their mean in a program, times their number. Cells without weight
// do not count.
func TestSumLosses(t *testing.T) {
	m, r := newMIM(t, parse(t, smallSwinMIM))
	fillMIM(m, 5)
	const batch = 3
	b := m.Noise(batch)
	p, err := r.Program(batch, false)
	if err != nil {
		t.Fatal(err)
	}
	loss, err := p.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	sums := make([]float64, 1+len(m.Scales()))
	p.SumLosses(sums, b.Weights)
	golden.CheckRel(t, "loss", []float32{float32(sums[0] / batch)}, []float32{loss}, 1e-5)
	for k, want := range p.ScaleLosses() {
		if got := sums[1+k] / batch; math.Abs(got-want) > 1e-5*want {
			t.Errorf("scale %d: %v, want %v", k, got, want)
		}
	}
	if got := MaskedMean([]float32{2, float32(math.NaN()), 4}, []float32{0.5, 0, 1}); got != 5/1.5 {
		t.Errorf("mean %v, want %v", got, 5/1.5)
	}
}

// The names of a LocalMIM's tensors in a classifier.
func TestBackboneName(t *testing.T) {
	for _, c := range []struct {
		name, want string
		ok         bool
	}{
		{"encoder.layers.0.blocks.1.attn.qkv.weight", "layers.0.blocks.1.attn.qkv.weight", true},
		{"blocks.1.attn.qkv.weight", "blocks.1.attn.qkv.weight", true},
		{"encoder.norm.2.weight", "", false},
		{"norm.0.bias", "", false},
		{"norm.bias", "norm.bias", true},
		{"decoder.0.mask_token", "", false},
		{"hog_enc.3.conv.bias", "", false},
	} {
		if got, ok := BackboneName(c.name); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %s, %v", c.name, got, ok)
		}
	}
}
