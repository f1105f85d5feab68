package npy_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/formats/npy"
	"fasternet/internal/hostile"
)

// npz returns an archive of arrays.
func npz(t testing.TB, method uint16, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range []string{"input.npy", "stage1.npy", "extra.txt"} {
		if content, ok := files[name]; ok {
			f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
			if err == nil {
				_, err = f.Write(content)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func array(t testing.TB, shape []int, values ...float32) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := npy.Write(&b, shape, values); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchive(t *testing.T) {
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		path := filepath.Join(t.TempDir(), "dump.npz")
		raw := npz(
			t, method,
			map[string][]byte{"input.npy": array(t, []int{1, 2}, 3, 4), "stage1.npy": array(t, []int{3}, 5, 6, 7)},
		)
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		a, err := npy.OpenArchive(path)
		if err != nil {
			t.Fatal(err)
		}
		shape, values, err := a.Read("stage1")
		if err != nil || !slices.Equal(a.Names(), []string{"input", "stage1"}) ||
			!slices.Equal(shape, []int{3}) || !slices.Equal(values, []float32{5, 6, 7}) ||
			!a.Has("input") || a.Has("stage2") {
			t.Errorf("got %v, shape %v, %v, %v", a.Names(), shape, values, err)
		}
		if _, _, err := a.Read("stage2"); err == nil ||
			!strings.Contains(err.Error(), `dump.npz: "stage2": there is no such array`) {
			t.Errorf("got %v", err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBadArchive(t *testing.T) {
	good := map[string][]byte{"input.npy": array(t, []int{64}, make([]float32, 64)...)}
	bomb := npz(t, zip.Deflate, good)
	directory := bytes.Index(bomb, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(bomb[directory+24:], 1<<30) // the size in the directory
	flipped := npz(t, zip.Store, good)
	flipped[bytes.Index(flipped, []byte("NUMPY"))+100] ^= 1
	double := append(npz(t, zip.Store, good), 0)
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"no zip", []byte("PK\x03\x04"), "not a .npz file"},
		{
			"another file", npz(t, zip.Store, map[string][]byte{"extra.txt": {1}}),
			`it has a file "extra.txt": want only .npy files`,
		},
		{"a bomb", bomb, "which is more than they can hold"},
		{"a bit", flipped, "the file is damaged"},
		{
			"float64",
			npz(
				t, zip.Store,
				map[string][]byte{"input.npy": []byte(strings.Replace(string(good["input.npy"]), "<f4", "<f8", 1))},
			),
			`values of type "<f8"`,
		},
		{"truncated", double[:len(double)/2], "not a .npz file"},
	} {
		a, err := npy.ParseArchive(bytes.NewReader(c.raw), int64(len(c.raw)))
		if err == nil {
			_, _, err = a.Read("input")
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzArchive(f *testing.F) {
	f.Add(npz(f, zip.Store, map[string][]byte{"input.npy": array(f, []int{1, 2}, 3, 4)}))
	f.Add(
		npz(
			f, zip.Deflate,
			map[string][]byte{
				"input.npy":  array(f, []int{100}, make([]float32, 100)...),
				"stage1.npy": array(f, []int{1}, 1),
			},
		),
	)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var a *npy.Archive
		var err error
		hostile.Bound(
			t, 1<<20+200*len(raw),
			func() { a, err = npy.ParseArchive(bytes.NewReader(raw), int64(len(raw))) },
		)
		if err != nil {
			return
		}
		for i, name := range a.Names() {
			if i == 4 {
				break
			}
			hostile.Bound(t, 1<<20+2200*len(raw), func() {
				if shape, values, err := a.Read(name); err == nil && len(values) > 0 && len(shape) > 32 {
					t.Fatalf("shape %v", shape)
				}
			})
		}
	})
}
