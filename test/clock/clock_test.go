// Package clock_test finds tests whose result depends on how fast a machine is.
//
// A test waits for a state with package internal/patience, or has a time of its own (testing/synctest,
// or a clock that the code takes from a variable). Every other use of the clock in a test is in the table
// in allowed_test.go, with the reason why no speed, load or number of processors makes that test fail.
package clock_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..")

// clocks are the functions that read the clock or wait for it, and the fields and methods that limit a time.
var (
	clocks = map[string][]string{
		"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
		"context": {
			"WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause",
		},
	}
	limits  = []string{"http.Client", "net.Dialer"} // with a field Timeout or Deadline
	methods = []string{"SetDeadline", "SetReadDeadline", "SetWriteDeadline"}
)

// use is a use of the clock in a function.
type use struct{ file, function, call string }

// patient is the longest time for anything: a wait for so long depends on no machine.
const patient = "Limit"

// sources returns the tests of the repository, relative to the root: the files that git knows, or
// without git all files outside of hidden folders and folders that programs write.
func sources(t *testing.T) (names []string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		list := exec.Command("git", "-c", "safe.directory=*", // also if the files belong to another user
			"ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*_test.go")
		list.Dir = root
		if out, err := list.Output(); err == nil {
			return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		}
	}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := d.Name() != filepath.Base(root) && strings.HasPrefix(d.Name(), ".")
		if d.IsDir() && (hidden || d.Name() == "dist" || d.Name() == "runs") {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(name, "_test.go") {
			name, err := filepath.Rel(root, name)
			names = append(names, filepath.ToSlash(name))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// folder is the tests of a folder.
type folder struct {
	files   []*ast.File
	names   []string
	bubbles map[string]bool // functions that give their arguments to synctest.Test, or are given to it
}

func (f *folder) add(name string, file *ast.File) {
	f.names, f.files = append(f.names, name), append(f.files, file)
	if f.bubbles == nil {
		f.bubbles = map[string]bool{}
	}
	for _, d := range file.Decls {
		if d, ok := d.(*ast.FuncDecl); ok {
			ast.Inspect(d, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || !is(call.Fun, "synctest", "Test") && !is(call.Fun, "synctest", "Wait") {
					return true
				}
				f.bubbles[d.Name.Name] = f.bubbles[d.Name.Name] || !strings.HasPrefix(d.Name.Name, "Test")
				for _, a := range call.Args {
					if a, ok := a.(*ast.Ident); ok && a.Name != "t" {
						f.bubbles[a.Name] = true
					}
				}
				return true
			})
		}
	}
}

// is reports whether an expression is pkg.name.
func is(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// uses returns the uses of the real clock, without repetition.
func (f *folder) uses() (all []use) {
	for i, file := range f.files {
		for _, d := range file.Decls {
			name := "variables"
			if d, ok := d.(*ast.FuncDecl); ok {
				if f.bubbles[d.Name.Name] {
					continue
				}
				name = d.Name.Name
			}
			f.inspect(d, func(call string) {
				if u := (use{f.names[i], name, call}); !slices.Contains(all, u) {
					all = append(all, u)
				}
			})
		}
	}
	return all
}

// inspect calls found for the uses of the real clock within a node.
func (f *folder) inspect(node ast.Node, found func(call string)) {
	ast.Inspect(node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			local, ok := n.Fun.(*ast.Ident)
			if !is(n.Fun, "synctest", "Test") && (!ok || !f.bubbles[local.Name]) {
				if call := called(n); call != "" {
					found(call)
				}
				return true
			}
			for _, a := range n.Args { // functions among them have a time of their own
				if _, ok := a.(*ast.FuncLit); !ok {
					f.inspect(a, found)
				}
			}
			return false
		case *ast.CompositeLit:
			for _, e := range n.Elts {
				pair, ok := e.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				key, ok := pair.Key.(*ast.Ident)
				for _, limited := range limits {
					pkg, name, _ := strings.Cut(limited, ".")
					if ok && is(n.Type, pkg, name) && (key.Name == "Timeout" || key.Name == "Deadline") {
						found(limited + "." + key.Name)
					}
				}
			}
		}
		return true
	})
}

// called returns the name of the function if a call uses the clock.
func called(call *ast.CallExpr) string {
	for _, a := range call.Args {
		if is(a, "patience", patient) {
			return ""
		}
	}
	if s, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(methods, s.Sel.Name) {
		return s.Sel.Name
	}
	for pkg, names := range clocks {
		for _, name := range names {
			if is(call.Fun, pkg, name) {
				return pkg + "." + name
			}
		}
	}
	return ""
}

func TestNoTestDependsOnTheClock(t *testing.T) {
	folders := map[string]*folder{}
	for _, name := range sources(t) {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(name)), nil, 0)
		if os.IsNotExist(err) { // a removed file is still in the index
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		dir := path.Dir(name)
		if folders[dir] == nil {
			folders[dir] = &folder{}
		}
		folders[dir].add(name, file)
	}
	if len(folders) < 50 {
		t.Fatalf("only %d folders with tests found", len(folders))
	}
	needed, fine := map[use]bool{}, map[use]bool{}
	for _, a := range allowed {
		for _, call := range strings.Fields(a.calls) {
			fine[use{a.file, a.function, call}] = true
		}
	}
	for _, f := range folders {
		for _, u := range f.uses() {
			needed[u] = true
			if !fine[u] {
				t.Errorf("%s: %s uses %s: wait for a state with internal/patience, or take the time from "+
					"testing/synctest. If no speed of the machine can make it fail, add it to "+
					"test/clock/allowed_test.go with the reason", u.file, u.function, u.call)
			}
		}
	}
	for u := range fine {
		if !needed[u] {
			t.Errorf("test/clock/allowed_test.go: %s: %s does not use %s: remove it", u.file, u.function, u.call)
		}
	}
}

func TestUses(t *testing.T) {
	for _, c := range []struct {
		name, code string
		want       string
	}{
		{"a state", `func TestA(t *testing.T) { patience.Until(t, "x", done) }`, ""},
		{"a pause", `func TestA(t *testing.T) { for range 9 { time.Sleep(time.Second) } }`, "TestA time.Sleep"},
		{"a limit", `func TestA(t *testing.T) { select { case <-time.After(1): } }`, "TestA time.After"},
		{"a context", `func TestA(t *testing.T) { context.WithTimeout(t.Context(), 1) }`, "TestA context.WithTimeout"},
		{"a client", `func TestA(t *testing.T) { _ = http.Client{Timeout: 1} }`, "TestA http.Client.Timeout"},
		{"another field", `func TestA(t *testing.T) { _ = http.Client{Transport: x} }`, ""},
		{"a connection", `func TestA(t *testing.T) { c.SetReadDeadline(x) }`, "TestA SetReadDeadline"},
		{"a duration", `func TestA(t *testing.T) { f(time.Second) }`, ""},
		{"twice", `func TestA(t *testing.T) { time.Sleep(1); time.Sleep(2) }`, "TestA time.Sleep"},
		{"the longest time", `func TestA(t *testing.T) { <-time.After(patience.Limit) }`, ""},
		{"a clock that code takes", `func TestA(t *testing.T) { clock = time.Now }`, ""},
		{"a variable", `var end = time.Now()`, "variables time.Now"},
		{"a time of its own",
			`func TestA(t *testing.T) { synctest.Test(t, func(t *testing.T) { time.Sleep(1) }) }`, ""},
		{"before it", `func TestA(t *testing.T) { time.Now(); ` +
			`synctest.Test(t, func(t *testing.T) { time.Sleep(1) }) }`, "TestA time.Now"},
		{"a function with its own time", `func TestA(t *testing.T) { synctest.Test(t, b) }; ` +
			`func b(t *testing.T) { time.Sleep(1) }`, ""},
		{"through another function", `func timed(f func()) { synctest.Test(t, func(t *testing.T) { f() }) }; ` +
			`func TestA(t *testing.T) { timed(func() { time.Sleep(1) }); time.Now() }`, "TestA time.Now"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, err := parser.ParseFile(token.NewFileSet(), "a_test.go", "package a\n"+c.code, 0)
			if err != nil {
				t.Fatal(err)
			}
			var f folder
			f.add("a_test.go", file)
			var got []string
			for _, u := range f.uses() {
				got = append(got, fmt.Sprint(u.function, " ", u.call))
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
