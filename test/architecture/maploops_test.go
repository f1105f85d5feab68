package architecture_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// loopsOverMapLiterals returns the positions of loops over a map that is written in the loop.
func loopsOverMapLiterals(files *token.FileSet, file *ast.File) (found []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		if loop, ok := n.(*ast.RangeStmt); ok {
			if literal, ok := loop.X.(*ast.CompositeLit); ok {
				if _, ok := literal.Type.(*ast.MapType); ok {
					found = append(found, files.Position(loop.Pos()).String())
				}
			}
		}
		return true
	})
	return found
}

// A map has a different order in every loop. A table with an order must be a slice, so that the same call
// gives the same error, the same notes and the same file.
func TestNoLoopOverMapLiteral(t *testing.T) {
	for _, name := range sources(t) {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, place := range loopsOverMapLiterals(files, file) {
			t.Errorf("%s: a loop over a map: want a slice, which has an order", place)
		}
	}
}

func TestLoopsOverMapLiterals(t *testing.T) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "a.go", `package a
func f(m map[int]int) {
	for range m {
	}
	for range []int{1} {
	}
	for k := range map[string]int{"a": 1} {
		_ = k
	}
}`, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if found := loopsOverMapLiterals(files, file); len(found) != 1 || found[0] != "a.go:7:2" {
		t.Errorf("found %v", found)
	}
}
