package model_test

import (
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/graph/graphtest"
	"fasternet/graph/localmim"
	"fasternet/kernels"
	"fasternet/model"
)

// A classifier that starts from the encoder of a pre-training has its weights and the statistics of whole
// images. If these have not been measured, it has the statistics of visible positions, and a note says so.
func TestStatisticsOfPretraining(t *testing.T) {
	const keys = "{name: fasternet, embed_dim: 8, depths: [1, 1], feature_dim: 16, patch_size: 2, patch_stride: 2}"
	path, m := official(t, keys, "{decoder_dim: 8, decoder_heads: 2}")
	const batch = 2
	r := localmim.NewRunner(m, graphtest.Pool(t, kernels.Default()))
	noise := m.Noise(batch)
	train, err := r.Program(batch, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := train.Run(noise); err != nil {
		t.Fatal(err)
	}
	for _, measured := range []bool{false, true} {
		prefix, note := "visible.", true
		if measured {
			p, err := r.Statistics(batch, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Measure(noise); err != nil {
				t.Fatal(err)
			}
			prefix, note = "encoder.", false
		}
		if err := checkpoints.Write(path, checkpoints.File{
			Meta:    map[string]string{},
			Tensors: model.Tensors(m.Store()),
		}); err != nil {
			t.Fatal(err)
		}
		var table model.Table
		net, c := classifierOf(t, keys, "24")
		if err := model.Start(net, c, path, model.LoadOptions{Report: func(t model.Table) { table = t }}); err != nil {
			t.Fatal(err)
		}
		has := strings.Contains(strings.Join(table.Notes, "\n"), "4 batch norms have statistics of masked images")
		if has != note {
			t.Errorf("measured %v: notes %q", measured, table.Notes)
		}
		statistics := 0
		for _, e := range net.Store().Entries {
			name := "encoder." + e.Name
			if strings.Contains(e.Name, "running_") {
				name = prefix + e.Name
				statistics++
			}
			have, ok := m.Store().Lookup(name)
			switch {
			case !ok:
				fresh := strings.HasPrefix(e.Name, "avgpool_pre_head.") || strings.HasPrefix(e.Name, "head.")
				if !fresh {
					t.Errorf("%s is not in the pre-training", e.Name)
				}
			case e.Param != nil && !slices.Equal(e.Param.Data(), have.Param.Data()):
				t.Errorf("measured %v: %s has different values", measured, e.Name)
			case e.Buffer != nil &&
				(!slices.Equal(e.Buffer, have.Buffer) || have.Buffer[0] == 0 || have.Buffer[0] == 1):
				t.Errorf("measured %v: %s is %v, want %v", measured, e.Name, e.Buffer[:3], have.Buffer[:3])
			}
		}
		if statistics != 8 || len(table.Fresh) != 3 {
			t.Errorf("%d statistics, %d fresh tensors", statistics, len(table.Fresh))
		}
	}
}
