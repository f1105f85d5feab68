package graphtest

import (
	"math"
	"slices"
	"strings"
	"testing"

	"fasternet/internal/golden"
	"fasternet/kernels"
	"fasternet/ops"
)

// The largest changes that bf16 may make. For logits they are relative to the largest logit. For
// gradients they are relative to the norm of the tensor's gradient or, for tensors that hardly matter,
// to a part of the norm of all gradients.
const (
	BF16Logits    = 1e-2
	BF16Gradients = 1.5e-2
	// For a network with ReLU: a unit close to zero may change sides, and its gradient appears or
	// vanishes.
	BF16ReLUGradients = 4e-2
)

// CheckBF16 compares values with values in fp32, relative to the norm of all.
func CheckBF16(t *testing.T, name string, got, want []float32, bound float64) {
	t.Helper()
	if e := relative(got, want, 0); !(e <= bound) {
		t.Errorf("%s: relative error %.2e, want at most %.1e", name, e, bound)
	} else {
		t.Logf("%s: relative error %.2e", name, e)
	}
}

// relative returns the norm of the difference over the norm of want, or over least if that is larger.
func relative(got, want []float32, least float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var diff, norm float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		diff += d * d
		norm += float64(w) * float64(w)
	}
	return math.Sqrt(diff) / max(math.Sqrt(norm), least)
}

// CheckBF16Gradients compares the gradients of all parameters as one vector, and one by one.
func CheckBF16Gradients(t *testing.T, got, want map[string][]float32, bound float64) {
	t.Helper()
	var allGot, allWant []float32
	names := make([]string, 0, len(want))
	for name := range want {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		allGot, allWant = append(allGot, got[name]...), append(allWant, want[name]...)
	}
	CheckBF16(t, "all gradients", allGot, allWant, bound)
	norm := math.Sqrt(kernels.Default().SumSquares(allWant))
	worst, at := 0.0, ""
	for _, name := range names {
		if e := relative(got[name], want[name], norm/50); e > worst {
			worst, at = e, name
		}
	}
	if worst > 2*bound {
		t.Errorf("gradient of %s: relative error %.2e", at, worst)
	} else {
		t.Logf("worst gradient, of %s: %.2e", at, worst)
	}
}

// GradientsOf returns the gradients of the parameters, by name.
func GradientsOf(params []*ops.Param) map[string][]float32 {
	out := map[string][]float32{}
	for _, p := range params {
		out[p.Name] = p.GradData()
	}
	return out
}

// ReferenceGradients returns the gradients in a file of reference values, by the names of the
// parameters.
func ReferenceGradients(want map[string]golden.Tensor) map[string][]float32 {
	out := map[string][]float32{}
	for name, v := range want {
		if name, ok := strings.CutPrefix(name, "grad/"); ok {
			out[name] = v.Data
		}
	}
	return out
}
