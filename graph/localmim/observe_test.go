package localmim

import (
	"testing"

	"fasternet/graph/graphtest"
	"fasternet/internal/golden"
)

func TestObserve(t *testing.T) {
	var ref reference
	golden.JSON(t, "mim_swin_pixel.json", &ref)
	m, r := newMIM(t, ref.config(t))
	fillMIM(m, ref.Config.Seed)
	b := ref.batch(m, golden.Tensors(t, "mim_swin_pixel.safetensors"))
	p, err := r.Program(ref.Config.Batch, true)
	if err != nil {
		t.Fatal(err)
	}
	run := func() (float32, error) { return p.Run(b) }
	graphtest.CheckObserved(t, p.Observe, m.Store().Params(), p.Ops(), "layers.0.blocks.0.attn", run)
}
