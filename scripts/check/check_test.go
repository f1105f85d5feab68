package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPlan(t *testing.T) {
	packages := []pkg{
		{ImportPath: "m/a", Dir: "a"},
		{ImportPath: "m/a/deep", Dir: "a/deep"},
		{ImportPath: "m/b", Dir: "b", Imports: []string{"m/a"}},
		{ImportPath: "m/c", Dir: "c", TestImports: []string{"m/a/deep"}},
		{ImportPath: "m/d", Dir: "d", XTestImports: []string{"m/b"}},
		{ImportPath: "m/internal/golden", Dir: "internal/golden"},
	}
	t.Chdir(t.TempDir())
	write(t, "tool/go.mod", "module tool\n")
	write(t, "a/tool/go.mod", "module tool\n")
	for _, name := range []string{"a/new.go", "tool/x.go", "a/tool/deep/x.go"} {
		write(t, name, "package x\n")
	}
	for _, c := range []struct {
		name                        string
		files                       []string
		changed, importers, outside string
		all                         bool
	}{
		{name: "a source and its importer", files: []string{"a/new.go"}, changed: "a", importers: "b"},
		{name: "importers in tests", files: []string{"a/deep/x.go", "b/x.s"}, changed: "a/deep b", importers: "c d"},
		{
			name: "importers that have changed too", files: []string{"a/new.go", "b/x.go"},
			changed: "a b", importers: "d",
		},
		{name: "test data", files: []string{"b/testdata/fuzz/x"}, changed: "b", importers: "d"},
		{name: "shared test data", files: []string{"testdata/golden/x.npy"}, changed: "internal/golden"},
		{name: "no package", files: []string{"README.md", "docs/x.md"}, outside: "README.md docs/x.md"},
		{
			name: "another module", files: []string{"tool/x.go", "a/tool/deep/x.go"},
			outside: "tool/x.go a/tool/deep/x.go",
		},
		{name: "the libraries", files: []string{"go.mod"}, all: true},
		{name: "a source that is gone", files: []string{"a/old.go"}, changed: "a", importers: "b"},
		{name: "a package that is gone", files: []string{"a/gone/x.go"}, changed: "a", importers: "b", all: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan(packages, c.files)
			got := []string{
				strings.Join(names(p.changed), " "), strings.Join(names(p.importers), " "),
				strings.Join(p.outside, " "),
			}
			if want := []string{c.changed, c.importers, c.outside}; !slices.Equal(got, want) || p.all != c.all {
				t.Errorf("got %q, everything %v, want %q, %v", got, p.all, want, c.all)
			}
		})
	}
}

func TestResults(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r := results{ctx: ctx}
	r.Write([]byte("ok  \tm/a\t0.1s\n?   \tm/b\t[no test fi"))
	r.Write([]byte("les]\n--- FAIL: TestX (0.00s)\nFAIL\nFAIL\tm/c [build failed]\nFAIL\tm/d\t0.2s\n"))
	cancel()
	r.Write([]byte("FAIL\tm/e\t0.2s\n"))
	left := r.without([]string{"m/a", "m/b", "m/c", "m/d", "m/e"})
	if !slices.Equal(r.failed, []string{"m/c", "m/d"}) || !slices.Equal(left, []string{"m/e"}) {
		t.Errorf("failed %q, left %q", r.failed, left)
	}
}

// repository makes the working directory of the test a module of three packages: up imports down,
// and other imports nothing.
func repository(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	t.Chdir(t.TempDir())
	for _, c := range []struct{ name, value string }{
		{"GIT_CONFIG_GLOBAL", os.DevNull},
		{"GIT_CONFIG_NOSYSTEM", "1"},
		{"GOWORK", "off"},
		{"GOFLAGS", "-mod=mod"},
		{"GOPROXY", "off"},
	} {
		t.Setenv(c.name, c.value)
	}
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} {
		if value, ok := os.LookupEnv(name); ok {
			t.Setenv(name, value) // so that the end of the test restores it
			os.Unsetenv(name)
		}
	}
	write(t, "go.mod", "module m\n\ngo 1.26\n")
	write(t, "down/down.go", "package down\n\n// X is one.\nconst X = 1\n")
	write(t, "up/up.go", "package up\n")
	write(
		t, "up/up_test.go",
		"package up\n\nimport (\n\t\"m/down\"\n\t\"testing\"\n)\n\nfunc TestX(t *testing.T) {\n\tif down.X != 1 "+
			"{\n\t\tt.Error(down.X)\n\t}\n}\n",
	)
	write(t, "other/other.go", "package other\n")
	sh(t, "git", "init", "-q", "-b", "main")
	commit(t)
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func sh(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

func commit(t *testing.T) {
	t.Helper()
	sh(t, "git", "add", "--all")
	sh(t, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "--no-gpg-sign", "-m", "x")
}

func TestChanges(t *testing.T) {
	repository(t)
	see := func(step, base, since, files string) {
		t.Helper()
		c, err := changes(base)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		if name, _, _ := strings.Cut(c.since, " ("); name != since || strings.Join(c.files, " ") != files {
			t.Errorf("%s: got %q since %q, want %q since %q", step, c.files, c.since, files, since)
		}
	}
	see("the first commit", "", "HEAD", "")
	write(t, "down/down.go", "package down\n")
	write(t, "new/new.go", "package new\n")
	see("not committed", "", "HEAD", "down/down.go new/new.go")
	commit(t)
	see("all committed on the main branch", "", "HEAD~1, because everything is committed", "down/down.go new/new.go")
	sh(t, "git", "checkout", "-q", "-b", "work")
	write(t, "a.txt", "")
	commit(t)
	if err := os.Remove("other/other.go"); err != nil {
		t.Fatal(err)
	}
	see("on a branch", "", "main", "a.txt other/other.go")
	see("another base", "HEAD", "HEAD", "other/other.go")
	see("a base on the main branch", "main~1", "main~1", "a.txt down/down.go new/new.go other/other.go")
	if _, err := changes("nothing"); err == nil ||
		!strings.Contains(err.Error(), `--base: there is no commit "nothing"`) {
		t.Errorf("got %v", err)
	}
}

func TestCheck(t *testing.T) {
	repository(t)
	for _, c := range []struct {
		name, file, content, said, fault string
	}{
		{"nothing", "", "", "no package has changed: nothing to check", ""},
		{"a file of no package", "README.md", "x", "in no package, not checked here: README.md", ""},
		{
			"right", "down/down.go", "package down\n\n// X is two.\nconst X = 3 - 2\n",
			"packages that changed: down\n  packages that import them: up\n",
			"",
		},
		{
			"a test of an importer fails", "down/down.go",
			"package down\n\n// X is two.\nconst X = 2\n", "FAIL\tm/up", "tests failed: m/up",
		},
		{
			"vet has something to say", "down/down.go",
			"package down\n\nimport \"fmt\"\n\n// X is one.\nconst X = 1\n\nfunc init() { fmt.Printf(\"%d\\n\", " +
				"\"one\") }\n",
			"go vet m/down\n", "go vet: exit status 1",
		},
		{
			"out of time", "down/down_test.go",
			"package down\n\nimport (\n\t\"os\"\n\t\"testing\"\n\t\"time\"\n)\n\nfunc TestLong(*testing.T) " +
				"{\n\tos.WriteFile(\"started\", nil, 0o600)\n\ttime.Sleep(time.Hour)\n}\n",
			"go test -short m/down m/up\n", "",
		},
		{"a package that is gone", "down/down.go", "", "builds everything", "go build: exit status 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sh(t, "git", "checkout", "-q", "--", ".")
			switch {
			case c.name == "a package that is gone":
				if err := os.RemoveAll("down"); err != nil {
					t.Fatal(err)
				}
				write(t, "up/up.go", "package up\n\nimport _ \"m/down\"\n")
			case c.file != "":
				write(t, c.file, c.content)
			}
			ctx, over := context.WithCancelCause(context.Background())
			defer over(nil)
			if c.name == "out of time" { // after its test has begun
				go func() {
					for ctx.Err() == nil && isGone("down/started") {
						time.Sleep(10 * time.Millisecond)
					}
					over(errLimit)
				}()
			}
			var out bytes.Buffer
			err := check(ctx, &out, "HEAD", time.Hour)
			if c.fault == "" && err != nil || c.fault != "" && (err == nil || err.Error() != c.fault) {
				t.Errorf("got %v, want %q\n%s", err, c.fault, out.String())
			}
			if !strings.Contains(out.String(), c.said) {
				t.Errorf("want %q in\n%s", c.said, out.String())
			}
			if late := strings.Contains(out.String(), "NOT FINISHED"); late != (c.name == "out of time") {
				t.Errorf("it said\n%s", out.String())
			}
		})
	}
}
