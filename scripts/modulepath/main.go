// Command modulepath changes the module path of the repository. Start it in the root of the
// repository; scripts/module-path.sh builds and runs it.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

func main() {
	flags := flag.NewFlagSet("module-path", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: scripts/module-path.sh [--force] PATH\n\n"+
			"Changes the module path of the repository to PATH, e.g. example.org/you/fasternet-train.")
		flags.PrintDefaults()
	}
	force := flags.Bool("force", false, "change the path even if files have changes that are not committed")
	switch err := flags.Parse(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	case flags.NArg() != 1:
		fmt.Fprintf(os.Stderr, "module-path: want one module path, got %d\n", flags.NArg())
		flags.Usage()
		os.Exit(2)
	}
	if err := change(flags.Arg(0), *force); err != nil {
		fmt.Fprintf(os.Stderr, "module-path: %v\n", err)
		os.Exit(1)
	}
}

// file is one file of the project, before and after.
type file struct {
	name     string // relative to the root, with slashes
	old, new []byte
}

// change gives the repository another module path. It prepares all files in memory before it writes
// the first one.
func change(to string, force bool) error {
	from, err := current()
	if err != nil {
		return err
	}
	if err := checkPath(to); err != nil {
		return err
	}
	if from == to {
		fmt.Printf("the module path is %s already\n", to)
		return nil
	}
	if err := checkClean(); err != nil && !force {
		return err
	}
	files, err := projectFiles()
	if err != nil {
		return err
	}
	p := paths{from: from, to: to, folders: goFolders(files)}
	for _, f := range files {
		if where := (paths{from: to, folders: p.folders}).used(f, from); where != "" {
			return fmt.Errorf("%s is in use: %s; choose another path", to, where)
		}
	}
	var changed []*file
	var left []string
	for _, f := range files {
		var err error
		if f.new, err = p.rewrite(f); err != nil {
			return fmt.Errorf("%s: %w; nothing was changed", f.name, err)
		}
		if !bytes.Equal(f.old, f.new) {
			changed = append(changed, f)
		}
		left = append(left, p.unknown(f)...)
	}
	for i, f := range changed {
		// WriteFile keeps the mode of an existing file.
		if err := os.WriteFile(filepath.FromSlash(f.name), f.new, 0o644); err != nil {
			return fmt.Errorf("%w; %d of %d files are changed, restore them with git checkout", err, i, len(changed))
		}
	}
	for _, f := range changed {
		if path.Base(f.name) != "go.mod" {
			continue
		}
		_, err := goCommand("mod", "edit", "-fmt", filepath.FromSlash(f.name)) // sorts the requirements
		if err != nil {
			return err
		}
	}
	fmt.Printf("changed the module path from %s to %s in %d files; make check tells whether they are right\n",
		from, to, len(changed))
	if len(left) > 0 {
		fmt.Printf("left as they are, because no such folder has Go code:\n  %s\n", strings.Join(left, "\n  "))
	}
	return nil
}

// checkClean asks git whether everything is committed, so that git can restore it.
func checkClean() error {
	status, err := gitCommand("status", "--porcelain")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(status, "\n"), "\n")
	if lines[0] == "" {
		return nil
	}
	more := ""
	if len(lines) > 5 {
		more = fmt.Sprintf("\n  and %d more", len(lines)-5)
		lines = lines[:5]
	}
	return fmt.Errorf("files have changes that are not committed; commit them first, or use --force:\n  %s%s",
		strings.Join(lines, "\n  "), more)
}

// projectFiles reads all regular files that git knows or would add. It leaves out folders of test
// data, which are samples of other programs.
func projectFiles() ([]*file, error) {
	list, err := gitCommand("ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, err
	}
	var files []*file
	for name := range strings.SplitSeq(list, "\x00") {
		info, err := os.Lstat(filepath.FromSlash(name))
		switch {
		case name == "" || errors.Is(err, fs.ErrNotExist) || isTestData(name):
			continue // also files that are deleted, but still in the index
		case err != nil:
			return nil, err
		case !info.Mode().IsRegular():
			continue
		}
		content, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			return nil, err
		}
		files = append(files, &file{name: name, old: content})
	}
	return files, nil
}

func isTestData(name string) bool {
	return strings.HasPrefix(name, "testdata/") || strings.Contains(name, "/testdata/")
}

// goFolders returns the top-level folders with Go code in them or below.
func goFolders(files []*file) map[string]bool {
	folders := map[string]bool{}
	for _, f := range files {
		if top, _, ok := strings.Cut(f.name, "/"); ok && path.Ext(f.name) == ".go" {
			folders[top] = true
		}
	}
	return folders
}

func gitCommand(args ...string) (string, error) { return command("git", args...) }

func goCommand(args ...string) (string, error) { return command(goProgram(), args...) }

// goProgram returns the go command, as in the Makefile.
func goProgram() string {
	if program := os.Getenv("GO"); program != "" {
		return program
	}
	return "go"
}

// command runs a program and returns its output. Its errors have the program's own words.
func command(program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, args[0], err, strings.TrimSpace(complaints.String()))
	}
	return out.String(), nil
}
