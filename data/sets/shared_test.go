package sets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

// A file that two parts share is found, whatever path leads to it. Other files are not.
func TestShared(t *testing.T) {
	root := t.TempDir()
	for i := range 4 {
		writeTree(t, root, fmt.Sprintf("train/cat/%d.png", i), fmt.Sprintf("val/cat/%d.png", i))
	}
	symlink(t, "train", filepath.Join(root, "linked"))
	if err := os.MkdirAll(filepath.Join(root, "pool", "cat"), 0o755); err != nil {
		t.Fatal(err)
	}
	symlink(t, "../../train/cat/2.png", filepath.Join(root, "pool", "cat", "a.png"))
	symlink(t, "../../val/cat/2.png", filepath.Join(root, "pool", "cat", "b.png"))
	datatest.WriteFile(t, filepath.Join(root, "train.txt"), []byte("train/cat/0.png 0\ntrain/cat/1.png 1\n"))
	datatest.WriteFile(t, filepath.Join(root, "val.txt"),
		[]byte("./train/cat/1.png 1\nval/cat/0.png 0\n"+filepath.Join(root, "train", "cat", "0.png")+" 0\n"))
	shard := filepath.Join(root, "a.tar")
	datatest.WriteFile(t, shard, tarOf(t, "1.png", "x", "1.cls", "0", "2.png", "x", "2.cls", "1"))
	datatest.WriteFile(t, filepath.Join(root, "b.tar"), tarOf(t, "1.png", "x", "1.cls", "0"))

	folder := func(name string) data.Dataset {
		d, err := OpenClassFolders(filepath.Join(root, name), nil)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	list := func(name string) data.Dataset {
		d, err := OpenAnnotations(filepath.Join(root, name), root, Labels{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	tars := func(names ...string) data.Dataset {
		for i, name := range names {
			names[i] = filepath.Join(root, name)
		}
		d, err := OpenShards(names, Labels{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	idx := func(path string) data.Dataset { return &IDX{path: path, labels: make([]int32, 3)} }
	for _, c := range []struct {
		name        string
		train, val  data.Dataset
		count       int
		firstEndsIn string
	}{
		{"folders of the same names", folder("train"), folder("val"), 0, ""},
		{"one folder", folder("train"), folder("train"), 4, "train/cat/0.png"},
		{"a link to the folder", folder("train"), folder("linked"), 4, "linked/cat/0.png"},
		{"links to files", folder("train"), folder("pool"), 1, "pool/cat/a.png"},
		{"both are links", folder("pool"), folder("pool"), 2, "pool/cat/a.png"},
		{"lists", list("train.txt"), list("val.txt"), 2, "train/cat/1.png"},
		{"a list and a folder", list("train.txt"), folder("linked"), 2, "linked/cat/0.png"},
		{
			"a part", data.Subset(folder("train"), []int{0, 1}),
			data.Subset(folder("train"), []int{3, 1}), 1, "train/cat/1.png",
		},
		{"one shard", tars("a.tar"), tars("a.tar", "b.tar"), 2, "a.tar:1.png"},
		{"shards with the same names in them", tars("a.tar"), tars("b.tar"), 0, ""},
		{"one file", idx("a"), idx("a"), 3, "[0]"},
		{"two files", idx("a"), idx("b"), 0, ""},
		{"samples without files", ramp(3), ramp(3), 0, ""},
	} {
		count, first := data.Shared(c.train, c.val)
		if count != c.count || !strings.HasSuffix(filepath.ToSlash(first), c.firstEndsIn) ||
			(first == "") != (c.count == 0) {
			t.Errorf("%s: %d shared, the first %q; want %d, %q", c.name, count, first, c.count, c.firstEndsIn)
		}
	}
}
