package localmim

import (
	"fmt"
	"testing"

	"fasternet/graph/graphtest"
	"fasternet/internal/golden"
	"fasternet/kernels"
)

// Blocks that are computed again in the backward pass give the same bits, in less memory.
func TestRecompute(t *testing.T) {
	t.Parallel()
	for _, name := range references {
		var ref reference
		golden.JSON(t, name+".json", &ref)
		c := ref.config(t)
		if c.Model.Name == "swin" && testing.Short() {
			continue // images of 224 pixels
		}
		tensors := golden.Tensors(t, name+".safetensors")
		pretrained := func(recompute bool, in kernels.Precision) *graphtest.Bits {
			m, r := newMIM(t, c)
			fillMIM(m, ref.Config.Seed)
			r.Recompute, r.Precision = recompute, in
			p, err := r.Program(ref.Config.Batch, true)
			if err != nil {
				t.Fatal(err)
			}
			out := &graphtest.Bits{Arena: p.ArenaBytes()}
			for step := range 2 {
				loss, err := p.Run(ref.batch(m, tensors))
				if err != nil {
					t.Fatal(err)
				}
				out.Add(fmt.Sprintf("the loss of batch %d", step), loss)
			}
			out.AddState(m.Store())
			return out
		}
		check := func(in kernels.Precision) {
			want, got := pretrained(false, in), pretrained(true, in)
			got.Compare(t, fmt.Sprintf("%s, %v", name, in), want)
			if got.Arena >= want.Arena {
				t.Errorf("%s, %v: %d bytes of activations, %d if all is kept", name, in, got.Arena, want.Arena)
			}
		}
		check(kernels.FP32)
		if kernels.Default().BF16() != "" {
			check(kernels.BF16)
		}
	}
}
