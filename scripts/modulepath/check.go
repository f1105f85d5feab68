package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// current returns the module path in go.mod.
func current() (string, error) {
	text, err := goCommand("mod", "edit", "-json", "go.mod")
	if err != nil {
		return "", err
	}
	var mod struct{ Module struct{ Path string } }
	if err := json.Unmarshal([]byte(text), &mod); err != nil {
		return "", fmt.Errorf("go.mod: %w", err)
	}
	if mod.Module.Path == "" {
		return "", errors.New("go.mod: no module path")
	}
	return mod.Module.Path, nil
}

// checkPath returns an error if other modules could not import packages of the module path.
func checkPath(to string) error {
	if to == "" {
		return errors.New("the module path is empty")
	}
	if strings.Contains(to, "://") {
		return fmt.Errorf("%q is an address; a module path has no scheme, e.g. example.org/you/fasternet-train", to)
	}
	elements := strings.Split(to, "/")
	for _, e := range elements {
		if e == "internal" || e == "vendor" || e == "testdata" {
			return fmt.Errorf("%q: no other module could import from a path with the element %q", to, e)
		}
	}
	// These words mean something else to the go command.
	if slices.Contains([]string{"all", "cmd", "main", "std", "tool", "work"}, to) {
		return fmt.Errorf("the go command reserves the name %q; choose another", to)
	}
	// The go command knows the other rules.
	dir, err := os.MkdirTemp("", "module-path")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // if this fails, the system clears it later
	cmd := exec.Command(goProgram(), "mod", "init", "--", to)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return errors.New(strings.TrimSuffix(strings.TrimPrefix(line, "go: "), ":"))
	}
	root, err := goCommand("env", "GOROOT")
	if err != nil {
		return err
	}
	if !strings.Contains(elements[0], ".") {
		if _, err := os.Stat(filepath.Join(strings.TrimSpace(root), "src", elements[0])); err == nil {
			return fmt.Errorf("%q: the standard library has packages below %s; choose another path", to, elements[0])
		}
	}
	return nil
}
