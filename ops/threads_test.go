package ops

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"fasternet/kernels"
)

// The number of workers decides how work is cut, and changes no bit of gradients in training and of
// results in evaluation. Most of the pools are rehearsals, which cut for the given number of
// workers.
func TestThreadsChangeNoBit(t *testing.T) {
	t.Parallel()
	type build = func(h *harness, r *rand.Rand)
	mlp := func(images, tokens, c, hidden int, keep bool) build {
		return func(h *harness, r *rand.Rand) {
			m := MLP{
				Name:    "mlp",
				Norm:    h.layerNorm("norm", r, c),
				Fc1:     h.param("fc1", r, 0.3, hidden, c),
				Fc1Bias: h.param("fc1.bias", r, 0.3, hidden),
				Fc2:     h.param("fc2", r, 0.3, c, hidden),
				Fc2Bias: h.param("fc2.bias", r, 0.3, c),
			}
			x := h.input("x", r, images, tokens, c)
			if keep {
				m.Keep = h.keepInput(r, images)
			}
			out, err := MLPBlock(h.tape, x, m)
			h.compile(out, err, "x")
		}
	}
	project := func(up, gelu bool) build {
		return func(h *harness, r *rand.Rand) {
			p := Projection{
				Name: "p",
				GELU: gelu,
				Up:   up,
				Bias: h.param("bias", r, 0.3, 70),
				Norm: h.layerNorm("norm", r, 40),
			}
			if p.Weight = h.param("weight", r, 0.3, 70, 40); up {
				p.Weight = h.param("up", r, 0.3, 40, 70, 2, 2)
				h.params = slices.DeleteFunc(h.params, func(q *Param) bool { return q.Name == "weight" })
			}
			out, err := Project(h.tape, h.input("x", r, 3, 61, 40), p)
			h.compile(out, err, "x")
		}
	}
	embed := func(norm bool) build {
		return func(h *harness, r *rand.Rand) {
			p := PatchEmbedding{
				Name:   "embed",
				Weight: h.param("weight", r, 0.3, 200, 3, 4, 4),
				Bias:   h.param("bias", r, 0.3, 200),
			}
			if norm {
				p.Norm = h.layerNorm("norm", r, 200)
			}
			out, err := PatchEmbed(h.tape, h.input("x", r, 2, 44, 60, 3), p)
			h.compile(out, err)
		}
	}
	for _, c := range []struct {
		name  string
		build build
	}{
		{"attention", func(h *harness, r *rand.Rand) {
			h.attention(r, WholeImages(2, 150), 2, 150, 96, 3, 0, true, true)
		}},
		{"attention of one image", func(h *harness, r *rand.Rand) {
			h.attention(r, WholeImages(1, 197), 1, 197, 96, 3, 0, false, true)
		}},
		{"attention with a table", func(h *harness, r *rand.Rand) {
			h.attention(r, ShiftedWindows(3, 14, 14, 7, 3), 3, 196, 64, 4, 7, true, true)
		}},
		{"MLP", mlp(3, 130, 64, 200, true)},
		{"MLP of few rows", mlp(1, 49, 160, 640, false)},
		{"MLP of many rows", mlp(2, 1000, 16, 24, false)},
		{"patch merging", func(h *harness, r *rand.Rand) {
			x := h.input("x", r, 2, 14, 14, 24)
			out, err := PatchMerge(h.tape, x, Merging{
				Name:      "merge",
				Norm:      h.layerNorm("norm", r, 96),
				Reduction: h.param("reduction", r, 0.3, 150, 96),
				Order:     SwinOrder,
			})
			h.compile(out, err, "x")
		}},
		{"projection", project(false, true)},
		{"transposed convolution", project(true, false)},
		{"layer norm", func(h *harness, r *rand.Rand) {
			out, err := Normalise(h.tape, "norm", h.input("x", r, 3, 201, 19), h.layerNorm("norm", r, 19))
			h.compile(out, err, "x")
		}},
		{"patch embedding", embed(false)},
		{"patch embedding with a norm", embed(true)},
		{"embedding", func(h *harness, r *rand.Rand) {
			e := Embedding{
				Name:     "embed",
				Class:    h.param("cls", r, 0.3, 1, 1, 20),
				Position: h.param("pos", r, 0.3, 1, 43, 20),
				Grid:     [2]int{6, 7},
			}
			out, err := Embed(h.tape, h.input("x", r, 3, 6, 7, 20), e)
			h.compile(out, err, "x")
		}},
		{"linear", func(h *harness, r *rand.Rand) {
			out, err := Linear(
				h.tape, "head", h.input("x", r, 9, 50), h.param("weight", r, 0.3, 70, 50),
				h.param("bias", r, 0.3, 70),
			)
			h.compile(out, err, "x")
		}},
		{"mean of tokens", func(h *harness, r *rand.Rand) {
			out, err := MeanTokens(h.tape, "pool", h.input("x", r, 3, 50, 40), 1, 50)
			h.compile(out, err, "x")
		}},
		{"pool", func(h *harness, r *rand.Rand) {
			out, err := GlobalAvgPool(h.tape, "pool", h.input("x", r, 3, 7, 7, 40))
			h.compile(out, err, "x")
		}},
		{"block", func(h *harness, r *rand.Rand) { h.block(r, 6, 14, 14, 40, 10, 80, kernels.GELU, true, true) }},
		{"block of many channels", func(h *harness, r *rand.Rand) {
			h.block(r, 8, 7, 7, 60, 16, 600, kernels.ReLU, false, false)
		}},
		{"merging by outputs", func(h *harness, r *rand.Rand) {
			h.tape.rowsWeight = 0
			p := PatchConv{
				Name:   "merge",
				Weight: h.param("weight", r, 0.3, 70, 20, 2, 2),
				Stride: 2,
				Norm:   h.norm("norm", r, 70),
			}
			out, err := PatchConvNorm(h.tape, h.input("x", r, 5, 14, 14, 20), p)
			h.compile(out, err, "x")
		}},
		{"block by outputs", func(h *harness, r *rand.Rand) {
			h.tape.rowsWeight = 0
			h.block(r, 4, 7, 7, 60, 16, 200, kernels.GELU, true, true)
		}},
		{"select tokens", func(h *harness, r *rand.Rand) {
			index := []int32{4, -1, 0, 2, -1, 1, 1, 3, -1, -1, 0, 4}
			out, err := SelectTokens(h.tape, h.input("x", r, 2, 5, 200), Selection{
				Name:   "s",
				Index:  index,
				Images: 2,
				Shape:  []int{2, 6, 200},
				Token:  h.param("token", r, 1, 1, 1, 200),
			})
			h.compile(out, err, "x")
		}},
		{"pool of tokens", func(h *harness, r *rand.Rand) {
			out, err := AvgPoolTokens(h.tape, "pool", h.input("x", r, 2, 1+4*6, 200), 1, 4, 6)
			h.compile(out, err, "x")
		}},
		{"patch convolution", func(h *harness, r *rand.Rand) {
			p := PatchConv{
				Name:   "merge",
				Weight: h.param("weight", r, 0.3, 70, 20, 2, 2),
				Stride: 2,
				Norm:   h.norm("norm", r, 70),
			}
			out, err := PatchConvNorm(h.tape, h.input("x", r, 5, 14, 14, 20), p)
			h.compile(out, err, "x")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, in := range []kernels.Precision{kernels.FP32, kernels.BF16} {
				set := kernels.Default()
				if in == kernels.BF16 {
					paths := kernels.AvailableBF16(set.Variant())
					if len(paths) == 0 {
						continue
					}
					set = setsOf(t, in)[0]
				}
				for _, train := range []bool{true, false} {
					run := func(pool *kernels.Pool) *harness {
						h := newHarnessPool(t, pool, train)
						h.tape.Precision = in
						c.build(h, rand.New(rand.NewPCG(1, 2)))
						h.run()
						return h
					}
					want := run(set.NewPool(1))
					for _, pool := range []*kernels.Pool{
						set.NewPool(3), set.NewRehearsal(2), set.NewRehearsal(7),
						set.NewRehearsal(16), set.NewRehearsal(64),
					} {
						got, what := run(pool), fmt.Sprintf("%v, train %v, %d workers", in, train, pool.Workers())
						same(t, what+": result", got.tape.Value(got.result), want.tape.Value(want.result))
						if !train {
							continue
						}
						for i, p := range got.params {
							same(t, what+": gradient of "+p.Name, p.GradData(), want.params[i].GradData())
						}
						for name, n := range got.grads {
							same(t, what+": gradient of "+name, got.tape.Value(n), want.tape.Value(want.grads[name]))
						}
					}
				}
			}
		})
	}
}

// Blocks cover the rows once, in order, and give the workers even work.
func TestRowBlocks(t *testing.T) {
	for _, rows := range []int{1, 13, 49, 197, 400, 1568, 1576, 12608} {
		for _, workers := range []int{1, 2, 7, 16, 64} {
			pool := kernels.Default().NewRehearsal(workers)
			for _, train := range []bool{true, false} {
				name := fmt.Sprintf("%d rows, %d workers, train %v", rows, workers, train)
				cut := NewTape(NewWorkspace(pool), train).rowBlocks(rows)
				at := 0
				starts := map[int]bool{rows: true}
				for _, s := range sumBlocks(rows) {
					starts[s[0]] = true
				}
				for _, b := range cut {
					if b[0] != at || b[1] <= b[0] || b[1]-b[0] > mostTiles*tile || train && !starts[b[1]] {
						t.Fatalf("%s: %v", name, cut)
					}
					at = b[1]
				}
				unit, load := tile, 0
				if train {
					unit = longest(sumBlocks(rows))
				}
				for w := range workers {
					if mine := cut[w*len(cut)/workers : (w+1)*len(cut)/workers]; len(mine) > 0 {
						load = max(load, mine[len(mine)-1][1]-mine[0][0])
					}
				}
				if units := (rows + unit - 1) / unit; at != rows || load > (units+workers-1)/workers*unit {
					t.Errorf("%s: a worker has %d rows in one of %d blocks up to row %d", name, load, len(cut), at)
				}
			}
			pool.Close()
		}
	}
	for _, c := range []struct{ rows, want int }{{12, 12}, {14, 14}, {1576, 14}, {12608, 98}, {100000, 98}} {
		if got := longest(sumBlocks(c.rows)); got != c.want {
			t.Errorf("sums of %d rows are over %d, want %d", c.rows, got, c.want)
		}
	}
	for _, s := range []mapShape{{1, 7, 7, 8}, {8, 14, 14, 8}, {3, 28, 30, 8}, {2, 3, 200, 8}, {5, 1, 1, 8}} {
		at := 0
		for _, b := range s.sumLines() {
			if b[0] != at || b[1] <= b[0] || b[0]%s.width != 0 || b[1]-b[0] > max(mostTiles*tile, s.width) {
				t.Errorf("%v: %v", s, s.sumLines())
				break
			}
			at = b[1]
		}
		if at != s.rows() {
			t.Errorf("%v: the lines end at %d", s, at)
		}
	}
}

// A product of few rows is also divided by columns if workers would have too little to do.
func TestByGrid(t *testing.T) {
	for _, c := range []struct {
		name          string
		rows, columns int
		workers       int
		train, want   bool
	}{
		{"ViT-B, 1 worker", 197, 3072, 1, false, false},
		{"ViT-B, 8 workers", 197, 3072, 8, false, true},
		{"ViT-B, 64 workers", 197, 3072, 64, false, true},
		{"last stage of Swin-T, 2 workers", 49, 3072, 2, false, true},
		{"stage 3 of Swin-T, 2 workers", 196, 1536, 2, false, false},
		{"a batch", 197 * 32, 3072, 8, false, false},
		{"training", 49, 3072, 8, true, false},
		{"no columns to divide", 49, 16, 8, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := kernels.Default().NewRehearsal(c.workers)
			defer pool.Close()
			tape := NewTape(NewWorkspace(pool), c.train)
			cut := tape.rowBlocks(c.rows)
			g, ok := tape.byGrid(cut, c.columns)
			if ok != c.want {
				t.Fatalf("%v: %v", ok, g)
			}
			if !ok {
				return
			}
			if g.tasks() < c.workers*3/4 ||
				gridLoad(g, c.workers, 20) > gridLoad(grid{cut, [][2]int{{0, c.columns}}}, c.workers, 20) {
				t.Errorf("%d tasks: %v", g.tasks(), g)
			}
			seen := 0
			for i := range g.tasks() {
				from, to, first, end := g.task(i)
				seen += (to - from) * (end - first)
			}
			if seen != c.rows*c.columns {
				t.Errorf("%d values of %d", seen, c.rows*c.columns)
			}
		})
	}
}

// The work of the heads is divided evenly. A window is divided only if there are too few windows.
func TestAttentionParts(t *testing.T) {
	for _, c := range []struct {
		name                             string
		heads, windows, queries, workers int
		least, most, groups              int // tasks, and groups
	}{
		{"ViT-B, batch 8, 2 workers", 12, 8, 4, 2, 8, 24, 1},
		{"ViT-B, batch 8, 16 workers", 12, 8, 4, 16, 48, 96, 1},
		{"ViT-B, one image, 2 workers", 12, 1, 4, 2, 12, 12, 1},
		{"ViT-B, one image, 64 workers", 12, 1, 4, 64, 48, 48, 4},
		{"Swin-T, batch 8, 64 workers", 3, 512, 1, 64, 128, 400, 1},
		{"one of all", 1, 1, 1, 8, 1, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			parts, groups := attentionParts(c.heads, c.windows, c.queries, c.workers)
			if tasks := c.heads * parts * groups; tasks < c.least || tasks > c.most || groups != c.groups {
				t.Errorf("%d parts of %d groups", parts, groups)
			}
		})
	}
}

// The gradients of layers have a task for every worker, of about the same size. They cover the
// weights once.
func TestDivideInputs(t *testing.T) {
	for _, c := range []struct {
		name        string
		out, in     int // and the other way round for another layer
		workers     int
		least, most int // tasks; 0 for no division of the inputs
	}{
		{"ViT-B, 2 workers", 3072, 768, 2, 0, 0},
		{"ViT-B, 16 workers", 3072, 768, 16, 48, 96},
		{"ViT-B, 64 workers", 3072, 768, 64, 64, 192},
		{"a decoder, 16 workers", 64, 512, 16, 16, 64},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := kernels.Default().NewRehearsal(c.workers)
			defer pool.Close()
			tape := NewTape(NewWorkspace(pool), true)
			layer := func(out, in int) *layerGrad {
				return tape.newLayerGrad(NewShapeParam("w", out, in), nil, tokenShape{
					images:   8,
					rows:     1576,
					channels: out,
				})
			}
			gs := []*layerGrad{layer(c.out, c.in), layer(c.in, c.out)}
			before := len(gs[0].outputs) + len(gs[1].outputs)
			tasks, _ := layerGradTask(gs...)
			if c.least == 0 && tasks != before || c.least > 0 && (tasks < c.least || tasks > c.most) {
				t.Errorf("%d tasks, %d before; outputs %d and %d, inputs %v and %v",
					tasks, before, len(gs[0].outputs), len(gs[1].outputs), gs[0].inputs, gs[1].inputs)
			}
			for _, g := range gs {
				values := 0
				for _, o := range g.outputs {
					for _, in := range g.inputs {
						values += (o[1] - o[0]) * (in[1] - in[0])
					}
				}
				if values != g.out*g.in {
					t.Errorf("%d of %d values", values, g.out*g.in)
				}
			}
		})
	}
}
