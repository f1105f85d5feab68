package localmim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/graph"
	"fasternet/graph/graphtest"
	"fasternet/graph/swin"
	"fasternet/internal/golden"
	"fasternet/kernels"
)

// The lists of visible tokens equal the reference's, which orders the tokens unit by unit: the places
// for windows, and the sources of the decoders' tokens.
func TestVisibleTokens(t *testing.T) {
	var ref reference
	golden.JSON(t, "mim_swin_hog.json", &ref)
	want := golden.Tensors(t, "mim_swin_hog.safetensors")
	m, _ := newMIM(t, ref.config(t))
	encoder, ok := m.backbone.(*visibleSwin)
	if !ok {
		t.Fatalf("the backbone is a %T", m.backbone)
	}
	const images = 2
	v := &Visible{Images: images, Units: m.visible, Side: m.side}
	var windows []*stageWindows
	var restores [][]int32
	for i, s := range m.scales {
		windows, restores = append(windows, encoder.windowsOf(v, i)), append(restores, v.Restore(s.UnitTokens))
	}
	entrance := v.Select(encoder.unit)
	if err := v.set(ref.batch(m, want).Kept); err != nil {
		t.Fatal(err)
	}
	for i, w := range windows {
		places := want[fmt.Sprintf("coords/%d", i)]
		for j := range places.Shape[0] {
			if float32(w.rows[j]) != places.Data[2*j] || float32(w.cols[j]) != places.Data[2*j+1] {
				t.Fatalf("stage %d, token %d at (%d, %d), want %v", i, j, w.rows[j], w.cols[j], places.Data[2*j:2*j+2])
			}
		}
	}
	for j, at := range entrance {
		if j %= len(entrance) / images; at != windows[0].rows[j]*int32(m.side*encoder.unit)+windows[0].cols[j] {
			t.Fatalf("token %d comes from place %d, want (%d, %d)", j, at, windows[0].rows[j], windows[0].cols[j])
		}
	}
	for k, s := range m.scales {
		ranks, side := want[fmt.Sprintf("ids_restore/%d", k)].Data, s.UnitTokens
		for i, rank := range ranks {
			unit, token := i/(side*side), i%(side*side)
			row, col := unit/m.side*side+token/side, unit%m.side*side+token%side
			if int(rank) >= v.Tokens(side) {
				rank = -1
			}
			for image := range images {
				if got := restores[k][image*len(ranks)+row*s.Tokens+col]; float32(got) != rank {
					t.Fatalf("decoder %d, image %d: place (%d, %d) gets token %d, want %v",
						k, image, row, col, got, rank)
				}
			}
		}
	}
}

// The order in which a ViT sees the visible patches does not matter, and neither do targets of visible
// cells.
func TestMIMInvariances(t *testing.T) {
	c, err := configs.Parse("test", `
task: localmim
model: {name: vit, embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
data: {image_size: 16}
mim: {taps: [1, 2], scales: [2, 0.5], decoder_dim: 8, decoder_heads: 2, mask_ratio: 0.5}
`)
	if err != nil {
		t.Fatal(err)
	}
	m, r := newMIM(t, c)
	fillMIM(m, 3)
	b := Masked{
		Images: golden.ToNHWC(golden.Image("input", 3, 3*16*16), 1, 3, 16, 16),
		Kept:   []int32{0, 1, 4, 5, 9, 10, 15, 7},
	}
	visible := func(y, x int) bool { return slices.Contains(b.Kept, int32(y*4+x)) }
	for _, s := range m.Scales() {
		targets := make([]float32, s.Grid*s.Grid*s.Values)
		for i := range targets {
			targets[i] = float32(i%7) / 7
		}
		weights := make([]float32, s.Grid*s.Grid)
		for y := range 16 {
			for x := range 16 {
				if !visible(y/4, x/4) {
					weights[y/s.Cell*s.Grid+x/s.Cell] += 1 / float32(s.Cell*s.Cell)
				}
			}
		}
		b.Targets, b.Weights = append(b.Targets, targets), append(b.Weights, weights)
	}
	p, err := r.Program(1, false)
	if err != nil {
		t.Fatal(err)
	}
	run := func() (loss float32, latent []float32) {
		if loss, err = p.Run(b); err != nil {
			t.Fatal(err)
		}
		latent, _ = p.Latent(1)
		return loss, latent
	}
	loss, latent := run()
	const shift = 3
	b.Kept = append(b.Kept[shift:], b.Kept[:shift]...)
	other, turned := run()
	golden.CheckRel(t, "class token", turned[:16], latent[:16], 1e-5)
	for i := range 8 {
		golden.CheckRel(t, fmt.Sprintf("token %d", i), turned[16*(1+i):][:16], latent[16*(1+(i+shift)%8):][:16], 1e-5)
	}
	golden.CheckRel(t, "loss of another order", []float32{other}, []float32{loss}, 1e-5)
	for k, s := range m.Scales() {
		for cell, w := range b.Weights[k] {
			if w == 0 {
				b.Targets[k][cell*s.Values] += 100
			}
		}
	}
	if same, _ := run(); same != other {
		t.Errorf("loss %v after a change of visible targets, %v before", same, other)
	}
	for _, test := range []struct {
		want string
		kept []int32
	}{
		{"3 visible units", []int32{1, 2, 3}},
		{"unit 16", []int32{0, 1, 2, 3, 4, 5, 6, 16}},
		{"unit 5 is visible twice", []int32{0, 1, 2, 3, 4, 5, 6, 5}},
	} {
		t.Run(test.want, func(t *testing.T) {
			b.Kept = test.kept
			if _, err := p.Run(b); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

const smallSwinMIM = `
task: localmim
model: {name: swin, embed_dim: 8, depths: [2, 2, 2], num_heads: [1, 2, 4], window_size: 3, patch_size: 2}
data: {image_size: 32}
mim: {decoder_dim: 16, decoder_heads: 2, mask_ratio: 0.4, target: pixel}
`

// With all units visible the encoder equals a dense Swin, whose map is taken apart unit by unit.
func TestAllVisibleIsDenseSwin(t *testing.T) {
	c, err := configs.Parse("test", smallSwinMIM)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := newMIM(t, c)
	fillMIM(m, 5)
	dense := c.Model
	dense.NumClasses = 3
	net, err := swin.New(dense, c.Data.ImageSize, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range net.Store().Params() {
		if e, ok := m.Store().Lookup("encoder." + q.Name); ok {
			copy(q.Data(), e.Param.Data())
			q.Changed()
		}
	}
	const batch, size = 2, 32
	images := golden.ToNHWC(golden.Image("input", 3, batch*3*size*size), batch, 3, size, size)
	runner := graph.NewRunner(net, graphtest.Pool(t, kernels.Default()))
	features, err := runner.Features(graph.Shape{Batch: batch, Height: size, Width: size})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := features.Forward(images); err != nil {
		t.Fatal(err)
	}
	// The last stage has one token for each unit; its tap is the dense map, normalised.
	side, _ := c.MIMUnits()
	units := side * side
	for _, perSample := range []bool{false, true} {
		p := allVisible(t, *c, batch, perSample)
		got, err := p.Latent(2)
		if err != nil {
			t.Fatal(err)
		}
		want, shape, err := features.Feature("stage3")
		if err != nil {
			t.Fatal(err)
		}
		if shape[1]*shape[2] != units {
			t.Fatalf("last map of %v", shape)
		}
		weight, _ := m.Store().Lookup("encoder.norm.2.weight")
		bias, _ := m.Store().Lookup("encoder.norm.2.bias")
		normed := make([]float32, len(want))
		dim := shape[3]
		kernels.Default().LayerNorm(
			kernels.NewMatrix(normed, len(want)/dim, dim),
			kernels.NewMatrix(want, len(want)/dim, dim), weight.Param.Data(), bias.Param.Data(),
			make([]float32, 2*len(want)/dim), c.Model.Arch.(swin.Config).NormEps,
		)
		golden.CheckRel(t, fmt.Sprintf("last stage, masks per sample %v", perSample), got, normed, 3e-5)
	}
}

// allVisible runs the small Swin with every unit visible. It makes another model, because the number of
// visible units is part of the programs.
func allVisible(t *testing.T, c configs.Config, batch int, perSample bool) *Program {
	t.Helper()
	side, _ := c.MIMUnits()
	c.MIM.MaskRatio = -1 / float64(side*side) // which leaves ⌊-1⌋+1 = 0 masked
	if _, units := c.MIMUnits(); units != side*side {
		t.Fatalf("%d units visible of %d", units, side*side)
	}
	m, r := newMIM(t, &c)
	fillMIM(m, 5)
	p, err := r.Program(batch, false)
	if err != nil {
		t.Fatal(err)
	}
	b := Masked{Images: golden.ToNHWC(golden.Image("input", 3, batch*3*32*32), batch, 3, 32, 32)}
	for range batch {
		for u := range side * side {
			b.Kept = append(b.Kept, int32(u))
		}
		if !perSample {
			break
		}
	}
	for _, s := range m.Scales() {
		b.Targets = append(b.Targets, make([]float32, batch*s.Grid*s.Grid*s.Values))
		b.Weights = append(b.Weights, slices.Repeat([]float32{1}, batch*s.Grid*s.Grid))
	}
	if _, err := p.Run(b); err != nil {
		t.Fatal(err)
	}
	return p
}
