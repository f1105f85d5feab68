package swin

import (
	"fmt"
	"strings"
	"testing"

	"fasternet/internal/golden"
	"fasternet/ops"
)

// Position embeddings and tables of position bias are resized as timm does.
func TestResizeAsTimm(t *testing.T) {
	all := golden.Tensors(t, "timm_resize.safetensors")
	checked := map[string]int{}
	for name, in := range all {
		base, isInput := strings.CutSuffix(name, "/in")
		if !isInput {
			continue
		}
		kind, sizes, _ := strings.Cut(base, "/")
		var from, to int
		if _, err := fmt.Sscanf(sizes, "%dto%d", &from, &to); err != nil {
			t.Fatal(err)
		}
		var got []float32
		if kind == "table" {
			got = resizeTable(in.Data, in.Shape[1], from, to)
		} else {
			got = ops.ResizePositions(in.Data, 1, in.Shape[2], [2]int{from, from}, [2]int{to, to}, ops.Antialiased)
		}
		golden.CheckRel(t, base, got, all[base+"/out"].Data, 2e-6)
		checked[kind]++
	}
	if checked["table"] < 8 || checked["positions"] < 7 {
		t.Errorf("compared %v", checked)
	}
}
