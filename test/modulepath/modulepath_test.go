// Package modulepath_test runs scripts/module-path.sh in a copy of the project.
package modulepath_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// project is a copy of the files that git knows or would add, committed to another repository.
type project struct {
	t    *testing.T
	dir  string
	path string // the module path of the original
}

func newProject(t *testing.T) project {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell")
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git, which knows the files of the project")
	}
	list := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
		"--exclude-standard")
	list.Dir = filepath.Join("..", "..")
	names, err := list.Output()
	if err != nil {
		t.Skipf("this is not a working tree of git: %v", err)
	}
	p := project{t: t, dir: t.TempDir()}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		from, to := filepath.Join(list.Dir, name), filepath.Join(p.dir, name)
		info, err := os.Lstat(from)
		if os.IsNotExist(err) {
			continue // deleted, but still in the index
		} else if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	p.must("git", "init", "-q")
	p.commit()
	p.path = strings.TrimSpace(p.must("go", "list", "-m"))
	return p
}

func (p project) command(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	// Stay offline, and ignore the user's settings for git.
	cmd.Env = append(os.Environ(),
		"GOPROXY=off", "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false", "CGO_ENABLED=0",
		"GIT_DIR="+filepath.Join(p.dir, ".git"), "GIT_WORK_TREE="+p.dir, "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_INDEX_FILE="+filepath.Join(p.dir, ".git", "index"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p project) must(name string, args ...string) string {
	p.t.Helper()
	out, err := p.command(name, args...)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func (p project) commit() {
	p.t.Helper()
	p.must("git", "add", "--all")
	p.must("git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-q",
		"--no-gpg-sign", "-m", "all")
}

func (p project) read(name string) string {
	p.t.Helper()
	content, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(content)
}

// texts returns the tracked files by their names, with unpacked profiles, without test data.
func (p project) texts() map[string]string {
	p.t.Helper()
	texts := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(p.must("git", "ls-files", "-z"), "\x00"), "\x00") {
		if strings.HasPrefix(name, "testdata/") || strings.Contains(name, "/testdata/") {
			continue
		}
		text := p.read(name)
		if filepath.Ext(name) == ".pgo" {
			r, err := gzip.NewReader(strings.NewReader(text))
			if err != nil {
				p.t.Fatalf("%s: %v", name, err)
			}
			plain, err := io.ReadAll(r)
			if err != nil {
				p.t.Fatalf("%s: %v", name, err)
			}
			text = string(plain)
		}
		texts[name] = text
	}
	return texts
}

const script = "scripts/module-path.sh"

func TestModulePath(t *testing.T) {
	if testing.Short() {
		t.Skip("builds everything once more")
	}
	p := newProject(t)
	before := p.texts()
	const other = "example.org/some-one/fasternet-train"
	out := p.must(script, other)
	if !strings.Contains(out, "changed the module path from "+p.path+" to "+other+" in ") {
		t.Errorf("the script said %q", out)
	}

	// The old path is gone, by a search that does not use the script's rules.
	packages := strings.Fields(p.must("go", "list", "./..."))
	names := []string{}
	for _, name := range packages {
		top, _, _ := strings.Cut(strings.TrimPrefix(name, other+"/"), "/")
		names = append(names, regexp.QuoteMeta(top))
	}
	slices.Sort(names)
	old := regexp.MustCompile(`(?:^|[^\w./~-])` + regexp.QuoteMeta(p.path) + `/(?:` +
		strings.Join(slices.Compact(names), "|") + `)\b`)
	after := p.texts()
	for name, text := range after {
		if found := old.FindString(text); found != "" {
			t.Errorf("%s still has %q", name, found)
		}
	}
	for _, c := range []struct{ name, want string }{
		{"Makefile", "-X " + other + "/cli.version="},
		{"README.md", "\"" + other + "/infer\""},
		{".golangci.yml", "- " + other + "/internal/printable.Printf"},
		{"cmd/fasternet-train/decode.pgo", other + "/data."},
		{"test/browser/go.mod", "\nreplace " + other + " => ../..\n"},
		{"kernels/gen/go.mod", "module " + other + "/kernels/gen\n"},
		{"examples/convnet/go.mod", "module example.org/convnet\n"}, // examples are modules of other authors
		{"examples/convnet/go.mod", "\nreplace " + other + " => ../..\n"},
		{"examples/convnet/README.md", "`replace " + other + " => /path/to/fasternet-train`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(after[c.name], c.want) {
				t.Errorf("%s: want %q in it", c.name, c.want)
			}
		})
	}

	p.must("go", "build", "./...")
	p.must("go", "vet", "./configs", "./data/policy", "./kernels")
	for name := range after {
		if filepath.Base(name) != "go.mod" || name == "go.mod" {
			continue
		}
		p.module(filepath.Dir(name), other)
	}

	// The same path again changes nothing, and needs no clean working tree.
	if out := p.must(script, other); out != "the module path is "+other+" already\n" {
		t.Errorf("a second time the script said %q", out)
	}
	p.commit()
	p.must(script, p.path)
	back := p.texts()
	for name, text := range before {
		if back[name] != text {
			t.Errorf("%s is not what it was", name)
		}
	}
	// Profiles are compared unpacked: another version of Go may pack them differently.
	if changed := p.must("git", "diff", "--stat", "HEAD~1", "--", ".", ":!*.pgo"); changed != "" {
		t.Errorf("not what it was:\n%s", changed)
	}
}

// module checks a module below the root: everything that it and its tests import is found.
func (p project) module(dir, root string) {
	p.t.Helper()
	inner := p
	inner.dir = filepath.Join(p.dir, dir)
	environment := []string{"GOPROXY=off", "CGO_ENABLED=1", "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off"}
	if _, err := os.Stat(filepath.Join(inner.dir, "go.work")); err == nil {
		environment[3] = "GOWORK=" + filepath.Join(inner.dir, "go.work")
	}
	cmd := exec.Command("go", "list", "-test", "-deps", "./...")
	cmd.Dir, cmd.Env = inner.dir, append(os.Environ(), environment...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	switch said := complaints.String(); {
	case err == nil:
		want := root + "/" + filepath.ToSlash(dir)
		if strings.HasPrefix(filepath.ToSlash(dir), "examples/") {
			want = "example.org/" + filepath.Base(dir)
		}
		if !slices.Contains(strings.Fields(string(out)), want) {
			p.t.Errorf("%s: want the package %s, got\n%s", dir, want, out)
		}
	case strings.Contains(said, "GOPROXY=off") && !strings.Contains(said, root):
		p.t.Logf("%s is not checked: its libraries have not been downloaded", dir)
	default:
		p.t.Errorf("%s: %v\n%s", dir, err, said)
	}
}

func TestModulePathRefuses(t *testing.T) {
	p := newProject(t)
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing", nil, 2, "want one module path, got 0"},
		{"an unknown option", []string{"--now", "a.org/x"}, 2, "-now"},
		{"a blank", []string{"a.org/x y"}, 1, "invalid char ' '"},
		{"a library", []string{"github.com/spf13/cobra"}, 1, "github.com/spf13/cobra is in use: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := p
			p.t = t
			p.refuses(c.code, c.want, c.args...)
			if status := p.must("git", "status", "--porcelain"); status != "" {
				t.Fatalf("files have changed:\n%s", status)
			}
		})
	}
	for _, c := range []struct{ name, file string }{{"a change", "README.md"}, {"a new file", "new.txt"}} {
		t.Run(c.name, func(t *testing.T) {
			p := p
			p.t = t
			if err := os.WriteFile(filepath.Join(p.dir, c.file), []byte("mine\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			mod := p.read("go.mod")
			p.refuses(1, "changes that are not committed; commit them first, or use --force:", "a.org/x")
			if p.read("go.mod") != mod || p.read(c.file) != "mine\n" {
				t.Error("files have changed")
			}
		})
	}
	const forced = "forced.example.org/x"
	p.must(script, "--force", forced)
	if !strings.HasPrefix(p.read("go.mod"), "module "+forced+"\n") || p.read("README.md") != "mine\n" {
		t.Error("--force has not changed the path, or has changed another file")
	}
}

func (p project) refuses(code int, want string, args ...string) {
	p.t.Helper()
	out, err := p.command(script, args...)
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() != code || !strings.Contains(out, want) {
		p.t.Fatalf("want exit code %d and %q, got %v and\n%s", code, want, err, out)
	}
}
