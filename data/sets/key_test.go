package sets

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

// Samples keep their keys wherever the folder of the data set is, in every format and through
// every view.
func TestKey(t *testing.T) {
	for _, c := range []struct {
		name string
		open func(t *testing.T, dir string) (data.Dataset, error)
		want []string
	}{
		{"folders", func(t *testing.T, dir string) (data.Dataset, error) {
			writeTree(t, dir, "train/cat/b.png", "train/cat/a/c.png", "train/dog/a.png")
			return OpenImageFolder(dir, data.Train)
		}, []string{"cat/a/c.png", "cat/b.png", "dog/a.png"}},
		{"annotations", func(t *testing.T, dir string) (data.Dataset, error) {
			list := filepath.Join(dir, "list.txt")
			datatest.WriteFile(t, list,
				[]byte("cat/1.png 0\n./cat//2.png 0\n"+filepath.Join(dir, "cat", "3.png")+" 1\n/elsewhere/4.png 1\n"))
			return InspectAnnotations(list, dir, Labels{}) // the files are not there
		}, []string{"cat/1.png", "cat/2.png", "cat/3.png", "/elsewhere/4.png"}},
		{"annotations of a folder by a link", func(t *testing.T, dir string) (data.Dataset, error) {
			dir, err := filepath.EvalSymlinks(dir)
			if err != nil {
				return nil, err
			}
			link, list := filepath.Join(t.TempDir(), "link"), filepath.Join(dir, "list.txt")
			symlink(t, dir, link)
			datatest.WriteFile(t, list,
				[]byte(filepath.Join(dir, "cat", "1.png")+" 0\n"+filepath.Join(link, "cat", "2.png")+" 1\n"))
			return InspectAnnotations(list, link, Labels{})
		}, []string{"cat/1.png", "cat/2.png"}},
		{"shards", func(t *testing.T, dir string) (data.Dataset, error) {
			var files []string
			for _, name := range []string{"a", "b"} {
				path := filepath.Join(dir, name+".tar")
				datatest.WriteFile(t, path,
					tarOf(
						t, name+"1.png", string(datatest.PNGOf(t, 1)), name+"1.cls", "0",
						"x/"+name+"2.png", string(datatest.PNGOf(t, 2)), "x/"+name+"2.cls", "1",
					))
				files = append(files, path)
			}
			return OpenShards(files, Labels{})
		}, []string{"a1.png", "x/a2.png", "b1.png", "x/b2.png"}},
		{"packed", func(t *testing.T, dir string) (data.Dataset, error) {
			writeTree(t, dir, "train/cat/b.png", "train/dog/a.png")
			src, err := OpenImageFolder(dir, data.Train)
			if err != nil {
				return nil, err
			}
			path := filepath.Join(dir, "train.pack")
			if _, err := Pack(t.Context(), path, src, PackOptions{Form: PackDecoded}); err != nil {
				return nil, err
			}
			d, err := OpenPacked(path)
			if err == nil {
				t.Cleanup(func() { d.Close() })
			}
			return d, err
		}, []string{"cat/b.png", "dog/a.png"}},
		{"held out", func(t *testing.T, dir string) (data.Dataset, error) {
			writeTree(t, dir, "cat/b.png", "cat/c.png", "dog/a.png")
			d, err := OpenClassFolders(dir, nil)
			if err != nil {
				return nil, err
			}
			return data.Relabel(data.Subset(d, []int{2, 1}), []int{1, 0}, []string{"dog", "cat"})
		}, []string{"dog/a.png", "cat/c.png"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ds, err := c.open(t, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range ds.Len() {
				got = append(got, data.Key(ds, i))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("keys %q, want %q", got, c.want)
			}
		})
	}
	if k := data.Key(&IDX{name: "train-images.gz"}, 3); k != "train-images[3]" {
		t.Errorf("of IDX: %q", k)
	}
	if k := data.Key(&CIFAR{files: []string{"/data/a.bin", "/data/b.bin"}, ends: []int{2, 4}}, 3); k != "b.bin[1]" {
		t.Errorf("of CIFAR: %q", k)
	}
}

func TestRelabel(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, "cat/1.png", "dog/2.png")
	ds := openFolder(t, dir, "")
	other, err := data.Relabel(ds, []int{2, 0}, []string{"dog", "eel", "cat"})
	if err != nil || other.Label(0) != 2 || other.Label(1) != 0 || other.Classes()[2] != "cat" ||
		other.Name(0) != ds.Name(0) {
		t.Fatalf("%+v, %v", other, err)
	}
	file, err := os.ReadFile(ds.Name(1))
	if err != nil {
		t.Fatal(err)
	}
	if content, ok, err := data.Encoded(other, 1, nil); !ok || err != nil || !slices.Equal(content, file) {
		t.Errorf("the file of a sample: %v, %v", ok, err)
	}
	for _, index := range [][]int{{0}, {0, -1}, {0, 3}} {
		_, err := data.Relabel(ds, index, []string{"a", "b", "c"})
		datatest.WantError(t, err, "2.png: its label 1 is not one of the 3 classes")
	}
}
