package onnxruntime_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/formats/npy"
	"fasternet/formats/onnx"
)

// keepVariable names a folder for the exported files and for what other runtimes shall make of them:
// scripts/check_onnx.py and scripts/check_runtimes.py read it.
const keepVariable = "ONNX_KEEP"

// folderFor is where a test writes an exported file.
func folderFor(t *testing.T) string {
	if keep := os.Getenv(keepVariable); keep != "" {
		return keep
	}
	return t.TempDir()
}

// keep writes the input of a run and the logits of our own engine next to the file. allowed is the
// largest difference, as a part of the largest logit. Bytes are written as floats: the file says
// what the runtime has to make of them.
func keep(t *testing.T, path string, allowed float64, shape []int, input []float32, classes int, logits []float32) {
	t.Helper()
	if os.Getenv(keepVariable) == "" {
		return
	}
	for _, like13 := range []string{"-14.onnx", "-15.onnx", "-16.onnx"} { // but for the number
		if strings.HasSuffix(path, like13) {
			return
		}
	}
	base := fmt.Sprintf("%s-%s",
		strings.TrimSuffix(path, ".onnx"), strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", "x"))
	run := struct {
		File     string  `json:"file"`
		Input    string  `json:"input"`
		Logits   string  `json:"logits"`
		Allowed  float64 `json:"allowed"`
		Integers int     `json:"integers"` // products of weights of 8 bits
	}{filepath.Base(path), filepath.Base(base) + ".input.npy", filepath.Base(base) + ".logits.npy", allowed, 0}
	m, err := onnx.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range m.Graph.Initializers {
		if x.Type == onnx.Int8 && len(x.Shape) > 1 {
			run.Integers++
		}
	}
	for _, array := range []struct {
		name   string
		shape  []int
		values []float32
	}{{run.Input, shape, input}, {run.Logits, []int{shape[0], classes}, logits}} {
		f, err := os.Create(filepath.Join(filepath.Dir(path), array.name))
		if err != nil {
			t.Fatal(err)
		}
		if err := npy.Write(f, array.shape, array.values); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(base+".run.json", raw, 0o644); err != nil {
		t.Fatal(err)
	}
}
