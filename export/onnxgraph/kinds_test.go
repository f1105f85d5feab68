package onnxgraph

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fasternet/ops"
)

// Every kind of op of package ops has an ONNX form, except for kinds that occur only in training.
func TestKindsHaveForms(t *testing.T) {
	training := []string{
		ops.KindGradient, ops.KindRecompute, ops.KindPack, ops.KindClassifierLoss, ops.KindSoftmaxCrossEntropy,
		// for LocalMIM
		ops.KindAvgPoolTokens, ops.KindChannelSimilarity, ops.KindCutUnits, ops.KindProject,
		ops.KindReconstruction, ops.KindReshape, ops.KindSelectTokens,
	}
	file, err := parser.ParseFile(token.NewFileSet(), "../../ops/kinds.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(v.Names[0].Name, "Kind") {
			return true
		}
		kind, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if _, ok := forms[kind]; ok == slices.Contains(training, kind) {
			t.Errorf("op %s has an ONNX form: %v, want %v", kind, ok, !ok)
		}
		return true
	})
	if found < 20 {
		t.Errorf("%d kinds are found in ops/kinds.go", found)
	}
}
