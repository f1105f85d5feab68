package localmim

import (
	"math"
	"testing"

	"fasternet/graph/graphtest"
	"fasternet/internal/golden"
	"fasternet/kernels"
)

func TestBF16(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mim_vit_n9", "mim_vit_n18_bias", "mim_swin_hog"} {
		t.Run(name, func(t *testing.T) {
			var ref reference
			golden.JSON(t, name+".json", &ref)
			want := golden.Tensors(t, name+".safetensors")
			graphtest.EveryBF16(t, func(t *testing.T, k *kernels.Set) {
				if k.BF16() == kernels.BF16Go && ref.Config.Embed > 0 && testing.Short() {
					t.Skip("slow in the emulation")
				}
				m, r := newMIMOn(t, k, ref.config(t))
				r.Precision = kernels.BF16
				fillMIM(m, ref.Config.Seed)
				p, err := r.Program(ref.Config.Batch, true)
				if err != nil {
					t.Fatal(err)
				}
				loss, err := p.Run(ref.batch(m, want))
				if err != nil {
					t.Fatal(err)
				}
				if e := math.Abs(float64(loss)-ref.Loss) / ref.Loss; !(e <= graphtest.BF16Logits) {
					t.Errorf("loss %v, want %v", loss, ref.Loss)
				}
				graphtest.CheckBF16Gradients(
					t, graphtest.GradientsOf(m.Store().Params()),
					graphtest.ReferenceGradients(want), graphtest.BF16Gradients,
				)
			})
		})
	}
}
