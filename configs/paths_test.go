package configs_test

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fasternet/configs"
)

// A configuration written in one folder is used in another.
func TestPaths(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: the paths here belong to other systems")
	}
	mkdir := func(path ...string) string {
		dir := filepath.Join(path...)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, c := range []struct {
		name   string
		dir    string                   // data.dir
		before func(home string)        // runs in the first folder
		after  func(home, other string) // runs before the use in the other folder
		want   func(home string) string // data.dir in the other folder
		note   func(home string) string
	}{
		{
			name:   "still there",
			dir:    "base",
			before: func(home string) { mkdir(home, "base") },
			want:   func(home string) string { return home + "/base" },
		},
		{
			name:   "one of this name here too",
			dir:    "base",
			before: func(home string) { mkdir(home, "base") },
			after:  func(_, other string) { mkdir(other, "base") },
			want:   func(home string) string { return home + "/base" },
		},
		{name: "the same through a link", dir: "base", before: func(home string) { mkdir(home, "base") },
			after: func(home, other string) {
				if err := os.Symlink(home+"/base", other+"/base"); err != nil {
					t.Fatal(err)
				}
			}, want: func(string) string { return "base" }},
		{
			name:   "above",
			dir:    "../x/base",
			before: func(home string) { mkdir(home, "../x/base") },
			want:   func(home string) string { return filepath.Dir(home) + "/x/base" },
		},
		{name: "copied with the run",
			dir:    "data/base",
			before: func(home string) { mkdir(home, "data/base") },
			after:  func(home, other string) { os.RemoveAll(home + "/data"); mkdir(other, "data/base") },
			want:   func(string) string { return "data/base" },
			note: func(home string) string {
				return home + "/data/base no longer exists: using data/base in this folder"
			}},
		{
			name:   "gone",
			dir:    "base",
			before: func(home string) { mkdir(home, "base") },
			after:  func(home, _ string) { os.RemoveAll(home + "/base") },
			want:   func(home string) string { return home + "/base" },
		},
		{name: "absolute", dir: "/data/base", want: func(string) string { return "/data/base" }},
		{
			name:  "of Windows",
			dir:   `data\base`,
			after: func(_, other string) { mkdir(other, "data/base") },
			want:  func(string) string { return "data/base" },
			note:  func(string) string { return `data\base does not exist: using data/base in this folder` },
		},
		{name: "of Windows with a drive", dir: `C:\data\base`, want: func(string) string { return `C:\data\base` }},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			home, other := mkdir(root, "home"), mkdir(root, "deep", "other")
			t.Chdir(home)
			if c.before != nil {
				c.before(home)
			}
			config := configs.Default()
			config.Data.Dir, config.Distill.Teacher, config.Distill.Config = c.dir, "runs/large", "vit_base"
			paths, err := config.AbsolutePaths()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(c.name, "Windows") { // its paths are not valid here
				delete(paths, c.dir)
			}
			if paths["runs/large"] != home+"/runs/large" || paths["vit_base"] != "" {
				t.Errorf("paths %v", paths)
			}
			t.Chdir(other)
			if c.after != nil {
				c.after(home, other)
			}
			mkdir(home, "runs/large")
			given := maps.Clone(paths)
			before, err := config.YAML()
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(config.Locate(paths), "; ")
			want := ""
			if c.note != nil {
				want = c.note(home)
			}
			if config.Data.Dir != c.want(home) ||
				notes != want ||
				config.Distill.Teacher != home+"/runs/large" ||
				config.Distill.Config != "vit_base" ||
				!maps.Equal(given, paths) {
				t.Errorf("%q, teacher %q, notes %q; want %q, %q",
					config.Data.Dir, config.Distill.Teacher, notes, c.want(home), want)
			}
			if after, err := config.YAML(); want == "" && (err != nil || string(after) != string(before)) {
				t.Errorf("it is written down as\n%s, %v; want\n%s", after, err, before)
			}
			if again, err := config.AbsolutePaths(); err != nil || again["runs/large"] != paths["runs/large"] {
				t.Errorf("paths from there %v, %v; want %v", again, err, paths)
			}
		})
	}
}

// Settings count from the working folder.
func TestPathsWithout(t *testing.T) {
	p := configs.Paths{"base": "/home/base", "runs/large": "/home/runs/large", "2": "/home/2"}
	got := p.Without([]string{`data.dir="base"`, "train.epochs=2", "distill.teacher=runs/small"})
	want := (configs.Paths{"runs/large": "/home/runs/large", "2": "/home/2"})
	if !maps.Equal(got, want) || len(p) != 3 {
		t.Errorf("%v, want %v", got, want)
	}
	if got := configs.Paths(nil).Without([]string{"data.dir=base"}); len(got) != 0 {
		t.Error(got)
	}
}
