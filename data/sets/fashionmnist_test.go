package sets

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

// writeFashionMNIST writes a set of tiny files under the names of Fashion-MNIST.
func writeFashionMNIST(t *testing.T, dir, suffix string, train, test int) {
	t.Helper()
	for _, c := range []struct {
		part string
		n    int
	}{{"train", train}, {"t10k", test}} {
		images, labels := idxFile(make([]uint8, c.n*4), c.n, 2, 2), idxFile(make([]uint8, c.n), c.n)
		if suffix == ".gz" {
			images, labels = gzipped(images), gzipped(labels)
		}
		datatest.WriteFile(t, filepath.Join(dir, c.part+"-images-idx3-ubyte"+suffix), images)
		datatest.WriteFile(t, filepath.Join(dir, c.part+"-labels-idx1-ubyte"+suffix), labels)
	}
}

func TestOpenFashionMNISTInFolder(t *testing.T) {
	for _, suffix := range []string{"", ".gz"} {
		dir := t.TempDir()
		writeFashionMNIST(t, dir, suffix, 3, 2)
		for _, c := range []struct {
			train bool
			want  int
		}{{true, 3}, {false, 2}} {
			t.Run(fmt.Sprint(c.train), func(t *testing.T) {
				d, err := OpenFashionMNIST(dir, c.train)
				if err != nil {
					t.Fatal(err)
				}
				if d.Len() != c.want || len(d.Classes()) != 10 || d.Classes()[9] != "Ankle boot" {
					t.Errorf("%q, train %v: %d samples, classes %v", suffix, c.train, d.Len(), d.Classes())
				}
			})
		}
	}
	empty := t.TempDir()
	_, err := OpenFashionMNIST(empty, true)
	datatest.WantError(t, err,
		empty+": no file train-images-idx3-ubyte or train-images-idx3-ubyte.gz; run fasternet-train")
}

func TestOpenFashionMNISTInCache(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir()) // where there is no XDG
	cache, err := FashionMNISTCache()
	if err != nil {
		t.Fatal(err)
	}
	writeFashionMNIST(t, cache, ".gz", 3, 2)
	d, err := OpenFashionMNIST("", true)
	if err != nil || d.Len() != 3 {
		t.Errorf("%v, %v", d, err)
	}
}

func TestFashionMNISTNowhere(t *testing.T) {
	partial, missing := t.TempDir(), filepath.Join(t.TempDir(), "missing")
	writeFashionMNIST(t, partial, ".gz", 3, 2)
	if err := os.Remove(filepath.Join(partial, "t10k-labels-idx1-ubyte.gz")); err != nil {
		t.Fatal(err)
	}
	_, err := firstWithFashionMNIST(missing, partial)
	wants := []string{
		missing, partial, "data fetch fashion-mnist", "apt-get install dataset-fashion-mnist", "name a folder",
	}
	for _, want := range wants {
		datatest.WantError(t, err, want)
	}
}

// realFashionMNIST opens the real files or skips the test.
func realFashionMNIST(t testing.TB, train bool) *IDX {
	t.Helper()
	d, err := OpenFashionMNIST("", train)
	if err != nil {
		t.Skip(err)
	}
	return d
}

func TestRealFashionMNIST(t *testing.T) {
	d := realFashionMNIST(t, false)
	info, err := data.Describe(d, false)
	if err != nil {
		t.Fatal(err)
	}
	for class, n := range info.Counts {
		if n != 1000 {
			t.Errorf("%d test images of class %q, want 1000", n, info.Classes[class])
		}
	}
	if info.Height != (data.Spread{Min: 28, Median: 28, Max: 28}) ||
		info.Width != (data.Spread{Min: 28, Median: 28, Max: 28}) || info.Grey != info.Decoded {
		t.Errorf("%+v", info)
	}
	if d.Label(0) != 9 || d.Label(1) != 2 || d.Label(2) != 1 {
		t.Errorf("first labels are %d %d %d, want 9 2 1", d.Label(0), d.Label(1), d.Label(2))
	}
}
