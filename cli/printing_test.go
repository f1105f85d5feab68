package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Commands, and packages that make tables for them, print only through package printable and train.Display.
// Other ways do not know which text comes from a file.
func TestPrinting(t *testing.T) {
	var paths []string
	for _, dir := range []string{
		".", "../internal/audit", "../eval", "../model", "../eval/predict", "../internal/verify",
	} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		paths = append(paths, files...)
	}
	// Progress and notes go through messages and display, which know --quiet.
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(path, "_test.go") &&
			!slices.Contains([]string{"output.go", "main.go", "interrupt.go"}, path) &&
			strings.Contains(string(text), "os.Stderr") {
			t.Errorf("%s: os.Stderr: want messages() or display(), which follow --quiet", path)
		}
	}
	fset := token.NewFileSet()
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := selector(call.Fun)
			if strings.HasPrefix(name, "fmt.Print") || strings.HasPrefix(name, "fmt.Fprint") {
				t.Errorf("%s: %s: want package printable's", fset.Position(call.Pos()), name)
			}
			if name == "io.WriteString" || name == "io.Copy" {
				for _, a := range call.Args {
					if std := selector(a); std == "os.Stdout" || std == "os.Stderr" {
						t.Errorf("%s: %s to %s: want package printable", fset.Position(call.Pos()), name, std)
					}
				}
			}
			return true
		})
	}
}

// selector is a name such as os.Stdout, or "".
func selector(e ast.Expr) string {
	var parts []string
	for {
		switch x := e.(type) {
		case *ast.SelectorExpr:
			parts, e = append(parts, x.Sel.Name), x.X
			continue
		case *ast.Ident:
			parts = append(parts, x.Name)
		default:
			return ""
		}
		slices.Reverse(parts)
		return strings.Join(parts, ".")
	}
}
