package ops

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// checked holds the kinds of ops whose gradients a test has compared with central differences.
var checked = struct {
	sync.Mutex
	kinds map[string]bool
}{kinds: map[string]bool{}}

// markChecked notes the kinds of the ops on a tape.
func markChecked(t *Tape) {
	checked.Lock()
	defer checked.Unlock()
	for _, o := range t.ops {
		if o.Grad != nil {
			checked.kinds[o.Kind] = true
		}
	}
}

// readKinds reads the constants of kinds.go, without the kinds of the tape itself.
func readKinds() (kinds []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), "kinds.go", nil, 0)
	if err != nil {
		return nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Kind") {
			if kind, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value); err == nil {
				kinds = append(kinds, kind)
			}
		}
		return true
	})
	return slices.DeleteFunc(kinds, func(k string) bool {
		return k == KindGradient || k == KindRecompute || k == KindPack
	}), nil
}

// TestMain reports kinds of ops without a test of their gradients.
func TestMain(m *testing.M) {
	code := m.Run()
	if run := flag.Lookup("test.run").Value.String(); code == 0 && run == "" && !testing.Short() {
		kinds, err := readKinds()
		if err != nil || len(kinds) < 20 {
			fmt.Println("kinds.go:", kinds, err)
			code = 1
		}
		// TestAddGradients and TestClassifierLoss check the first two; the others have no gradient,
		// and the last two are for evaluation
		elsewhere := []string{
			KindAdd, KindClassifierLoss, KindChannelSimilarity, KindCutUnits, KindQuantise,
			KindDequantise,
		}
		for _, kind := range kinds {
			if !checked.kinds[kind] && !slices.Contains(elsewhere, kind) {
				fmt.Printf("no test compares the gradients of op %s with central differences\n", kind)
				code = 1
			}
		}
	}
	os.Exit(code)
}
