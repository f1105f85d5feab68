package sets

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"fasternet/data"
)

// Every format of files reads the same range of a file that it reads as a whole.
func TestEncodedRange(t *testing.T) {
	root := t.TempDir()
	var paths []string
	for i := range 4 {
		paths = append(paths, fmt.Sprintf("c%d/img%d.png", i%2, i))
	}
	writeTree(t, root, paths...)
	folder, err := OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	pack, shards := filepath.Join(t.TempDir(), "train.pack"), t.TempDir()
	if _, err := Pack(t.Context(), pack, folder, PackOptions{Form: PackJPEG, Quality: 90}); err != nil {
		t.Fatal(err)
	}
	packed, err := OpenPacked(pack)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	if err := WriteShards(t.Context(), shards, folder, ShardOptions{Name: "train", PerShard: 3}); err != nil {
		t.Fatal(err)
	}
	files, err := ShardFiles(filepath.Join(shards, "train-*.tar"))
	if err != nil {
		t.Fatal(err)
	}
	sharded, err := OpenShards(files, Labels{})
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := ListImages(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		ds   data.RangedSet
	}{
		{"folder", folder},
		{"packed", packed},
		{"shards", sharded},
		{"files", list},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.ds.Len() {
				whole, _, err := c.ds.Encoded(i, nil)
				if err != nil {
					t.Fatal(err)
				}
				n := int64(len(whole))
				if size := c.ds.(data.Stamped).StampSize(i); size != uint64(n) {
					t.Errorf("%s: size %d, want %d", c.ds.Name(i), size, n)
				}
				for _, r := range [][2]int64{{0, n}, {0, 5}, {n - 7, 7}, {n / 2, 3}} {
					got, err := c.ds.EncodedRange(i, r[0], r[1], make([]byte, 0, 6))
					if err != nil || !bytes.Equal(got, whole[r[0]:r[0]+r[1]]) {
						t.Errorf("%s: %d bytes from %d on differ: %v", c.ds.Name(i), r[1], r[0], err)
					}
				}
				if _, err := c.ds.EncodedRange(i, n-2, 1<<20, nil); err == nil {
					t.Errorf("%s: a range past the end is no error", c.ds.Name(i))
				}
			}
		})
	}
}
