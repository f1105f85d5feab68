package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// pkg is a package of the module.
type pkg struct {
	ImportPath                         string
	Dir                                string // relative to the root, with slashes
	Imports, TestImports, XTestImports []string
}

// list asks the go command for the packages of the module.
func list() ([]pkg, error) {
	cmd := exec.Command(goProgram(), "list", "-e", "-json=ImportPath,Dir,Imports,TestImports,XTestImports", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, err
	}
	var packages []pkg
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if dir, err := filepath.EvalSymlinks(p.Dir); err == nil {
			p.Dir = dir
		}
		if p.Dir, err = filepath.Rel(root, p.Dir); err != nil {
			return nil, err
		}
		p.Dir = filepath.ToSlash(p.Dir)
		packages = append(packages, p)
	}
}

// planned says what to check.
type planned struct {
	changed, importers []pkg
	outside            []string // files that belong to no package
	all                bool     // build everything, because of a file that many packages may need
}

// plan finds the packages of the files, and the packages that import them, also in tests. A file in a
// folder that is not a package (testdata, templates) belongs to the next package above.
func plan(packages []pkg, files []string) planned {
	byDir := map[string]int{}
	for i, p := range packages {
		byDir[p.Dir] = i
	}
	var p planned
	isChanged := make([]bool, len(packages))
	for _, name := range files {
		if name == "go.mod" || name == "go.sum" {
			p.all = true
			continue
		}
		if _, still := byDir[path.Dir(name)]; !still && path.Ext(name) == ".go" && isGone(name) {
			p.all = true // its package may be gone, and then its importers do not build
		}
		if i, ok := owner(byDir, name); ok {
			isChanged[i] = true
		} else {
			p.outside = append(p.outside, name)
		}
	}
	at := map[string]bool{}
	for i, one := range packages {
		if isChanged[i] {
			p.changed = append(p.changed, one)
			at[one.ImportPath] = true
		}
	}
	for i, one := range packages {
		if isChanged[i] {
			continue
		}
		for _, name := range slices.Concat(one.Imports, one.TestImports, one.XTestImports) {
			if at[name] {
				p.importers = append(p.importers, one)
				break
			}
		}
	}
	return p
}

// owner returns the package of a file.
func owner(byDir map[string]int, name string) (int, bool) {
	// Only one package reads the shared reference values.
	if strings.HasPrefix(name, "testdata/") {
		i, ok := byDir["internal/golden"]
		return i, ok
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if i, ok := byDir[dir]; ok {
			return i, true
		}
		// A folder with a go.mod is another module. A file without a package above it belongs to none.
		if _, err := os.Stat(filepath.Join(filepath.FromSlash(dir), "go.mod")); err == nil || dir == "." {
			return 0, false
		}
	}
}

func isGone(name string) bool {
	_, err := os.Stat(filepath.FromSlash(name))
	return err != nil
}

func names(packages []pkg) []string {
	var list []string
	for _, p := range packages {
		list = append(list, p.Dir)
	}
	return list
}

func paths(packages []pkg) []string {
	var list []string
	for _, p := range packages {
		list = append(list, p.ImportPath)
	}
	return list
}

// some returns a list for people, cut if it is long.
func some(list []string) string {
	const most = 20
	switch {
	case len(list) == 0:
		return "none"
	case len(list) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], " "), len(list)-most)
	}
	return strings.Join(list, " ")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
