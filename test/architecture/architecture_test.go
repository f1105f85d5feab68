// Package architecture_test compares the imports of the module with docs/internals/architecture.md.
package architecture_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..")

// sources returns the Go files of the module, for all platforms and build tags, without tests.
func sources(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name == root {
				return nil
			}
			if base := d.Name(); base == "testdata" || base[0] == '.' || base[0] == '_' {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
				return filepath.SkipDir // another module
			}
			return nil
		}
		if filepath.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// imports returns the imports of each package by its folder, without imports of tests. Packages of
// the module have the names of their folders.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(mod), "\n")
	module := strings.TrimSpace(strings.TrimPrefix(line, "module "))
	found := map[string][]string{}
	for _, name := range sources(t) {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.ToSlash(dir)
		list := found[dir]
		for _, s := range file.Imports {
			imported, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, strings.TrimPrefix(imported, module+"/"))
		}
		slices.Sort(list)
		found[dir] = slices.Compact(list)
	}
	if len(found) < 20 {
		t.Fatalf("only %d packages found", len(found))
	}
	return found
}

// floors returns the lines of the picture in docs/internals/architecture.md, from the top down: names
// of packages, up to a remark after #.
func floors(text string) ([][]string, error) {
	_, rest, ok := strings.Cut(text, "\n```floors\n")
	block, _, closed := strings.Cut(rest, "\n```\n")
	if !ok || !closed {
		return nil, fmt.Errorf("docs/internals/architecture.md has no block that begins with ```floors")
	}
	var all [][]string
	for line := range strings.SplitSeq(block, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if names := strings.Fields(line); len(names) > 0 {
			all = append(all, names)
		}
	}
	return all, nil
}

// floorOf returns the floor of a package: the line with its name, or else with its folder and a star.
// Lower floors have larger numbers.
func floorOf(all [][]string, name string) (int, bool) {
	for _, as := range []string{name, path.Dir(name) + "/*"} {
		for i, names := range all {
			if slices.Contains(names, as) {
				return i, true
			}
		}
	}
	return 0, false
}

// upwards lists the imports that do not lead to a lower floor, and the faults of the picture.
func upwards(all [][]string, packages map[string][]string) []string {
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		floor, ok := floorOf(all, name)
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s is on no floor in docs/internals/architecture.md: "+
				"add it above the packages that it imports", name))
			continue
		}
		for _, imported := range packages[name] {
			if _, ours := packages[imported]; !ours {
				continue
			}
			switch below, ok := floorOf(all, imported); {
			case !ok: // reported for that package
			case below == floor:
				wrong = append(wrong, fmt.Sprintf("%s imports %s, which is on the same floor", name, imported))
			case below < floor:
				wrong = append(wrong, fmt.Sprintf("%s imports %s, which is on a higher floor", name, imported))
			}
		}
	}
	seen := map[string]bool{}
	for _, name := range slices.Concat(all...) {
		if seen[name] {
			wrong = append(wrong, fmt.Sprintf("%s is on two floors", name))
		}
		seen[name] = true
		used := false
		for p := range packages {
			used = used || p == name || path.Dir(p)+"/*" == name
		}
		if !used {
			wrong = append(wrong, fmt.Sprintf("there is no package %s, but a floor with it", name))
		}
	}
	return wrong
}

func TestNoPackageImportsUpwards(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "internals", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := floors(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range upwards(all, imports(t)) {
		t.Error(wrong)
	}
}

func TestUpwards(t *testing.T) {
	all, err := floors("x\n```floors\ntop   # the roof\n\nmid/* other\nmid/low base\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	good := map[string][]string{
		"top":     {"fmt", "mid/a", "base"},
		"mid/a":   {"mid/low"},
		"other":   {"base"},
		"mid/low": nil,
		"base":    nil,
	}
	for _, c := range []struct {
		name, pkg string
		imports   []string
		want      string
	}{
		{"downwards", "top", []string{"other", "mid/low"}, ""},
		{"up", "base", []string{"other"}, "base imports other, which is on a higher floor"},
		{"up by a star", "mid/low", []string{"mid/a"}, "mid/low imports mid/a, which is on a higher floor"},
		{"across", "mid/a", []string{"other"}, "mid/a imports other, which is on the same floor"},
		{"unknown", "new", nil,
			"new is on no floor in docs/internals/architecture.md: add it above the packages that it imports"},
	} {
		packages := maps.Clone(good)
		packages[c.pkg] = c.imports
		if got := strings.Join(upwards(all, packages), "; "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	delete(good, "other")
	got := strings.Join(upwards(append(all, []string{"top"}), good), "; ")
	if got != "there is no package other, but a floor with it; top is on two floors" {
		t.Errorf("got %q", got)
	}
}

// Some packages must not know others, on any floor.
func TestKnowsNothingOf(t *testing.T) {
	packages := imports(t)
	const gorgonia = "gorgonia.org/"
	graphs := []string{gorgonia, "ops", "layers", "graph", "model", "train", "eval"}
	for _, c := range []struct {
		who    string // a package; with a star at the end, all packages in its folder too
		never  []string
		except []string
	}{
		{who: "kernels*", never: []string{gorgonia, "ops", "configs"}},
		{who: "ops*", never: []string{"configs", "data", "checkpoints"}},
		{who: "layers*", never: []string{"configs", "data", "checkpoints"}},
		// masking runs in a loader
		{who: "graph*", never: []string{"data", "checkpoints"}, except: []string{"graph/localmim/masking"}},
		{who: "data*", never: graphs},
		{who: "data", never: []string{"configs"}}, // data/sets and data/preprocess read them
		{who: "data/augment", never: []string{"configs"}},
		{who: "data/picture", never: []string{"configs"}},
		{who: "checkpoints*", never: append(graphs, "configs", "data", "kernels")},
		{who: "formats*", never: append(graphs, "configs", "data", "kernels", "checkpoints")},
		{who: "configs*", never: append(graphs, "kernels", "checkpoints")},
		{who: "collective*", never: append(graphs, "configs", "data", "checkpoints")},
	} {
		prefix, tree := strings.CutSuffix(c.who, "*")
		found := false
		for name, list := range packages {
			if slices.Contains(c.except, name) || name != prefix && (!tree || !strings.HasPrefix(name, prefix+"/")) {
				continue
			}
			found = true
			for _, imported := range list {
				for _, never := range c.never {
					if imported == never || strings.HasPrefix(imported, strings.TrimSuffix(never, "/")+"/") {
						t.Errorf("%s imports %s, but is to know nothing of %s",
							name, imported, strings.TrimSuffix(never, "/"))
					}
				}
			}
		}
		if !found {
			t.Errorf("there is no package %s", prefix)
		}
	}

	// Only a few places make graphs of Gorgonia; all others call them.
	for name, list := range packages {
		top, _, _ := strings.Cut(name, "/")
		if top == "ops" || top == "layers" || top == "graph" || name == "export/onnxgraph" {
			continue
		}
		for _, imported := range list {
			if strings.HasPrefix(imported, "gorgonia.org/gorgonia") {
				t.Errorf("%s imports %s; only ops, layers, graph and export/onnxgraph may", name, imported)
			}
		}
	}
}

// Every folder at the top has its own purpose; the folders of the examples are other modules.
func TestTopLevelFolders(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git, which knows the files of the project")
	}
	list := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Skipf("this is not a working tree of git: %v", err)
	}
	folders := map[string]bool{}
	for name := range strings.SplitSeq(string(out), "\x00") {
		if top, _, ok := strings.Cut(name, "/"); ok && top[0] != '.' && top != "examples" {
			folders[top] = true
		}
	}
	const most = 25
	if len(folders) > most {
		t.Errorf("%d folders at the top, want at most %d: %s",
			len(folders), most, strings.Join(slices.Sorted(maps.Keys(folders)), " "))
	}
}
