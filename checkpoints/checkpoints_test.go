package checkpoints_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/formats"
)

func ExampleWrite() {
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.safetensors")
	err := checkpoints.Write(path, checkpoints.File{
		Meta:    map[string]string{"epoch": "3"},
		Tensors: []formats.Tensor{{Name: "head.bias", Shape: []int{2}, F32: []float32{0.5, -1}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := checkpoints.Read(path)
	fmt.Println(f.Meta["epoch"], f.Tensors[0].F32, err)
	// Output: 3 [0.5 -1] <nil>
}

func sample(step int) checkpoints.File {
	return checkpoints.File{
		Meta: map[string]string{"step": fmt.Sprint(step), "config": "a: 1\n"},
		Tensors: []formats.Tensor{
			{Name: "w", DType: formats.Float32, Shape: []int{2, 3}, F32: []float32{1, 2, 3, float32(step), -5, 6e-39}},
			{Name: "n", DType: formats.Int64, Shape: []int{}, I64: []int64{1 << 40}},
		},
	}
}

func mustWrite(t *testing.T, path string, f checkpoints.File) {
	t.Helper()
	if err := checkpoints.Write(path, f); err != nil {
		t.Fatal(err)
	}
}

// A file reads back as it was written, with the type of each tensor.
func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	mustWrite(t, path, sample(7))
	f, err := checkpoints.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := f.Lookup("w")
	n, _ := f.Lookup("n")
	if fmt.Sprint(w) != fmt.Sprint(sample(7).Tensors[0]) ||
		fmt.Sprint(n) != fmt.Sprint(sample(7).Tensors[1]) ||
		fmt.Sprint(f.Meta) != fmt.Sprint(sample(7).Meta) {
		t.Errorf("got %v %v %v", w, n, f.Meta)
	}
	if _, ok := f.Lookup("x"); ok {
		t.Error("a missing tensor is found")
	}
}

// Read notices every byte that is cut off or changed.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	mustWrite(t, path, sample(7))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, raw []byte) {
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := checkpoints.Read(path); !errors.Is(err, checkpoints.ErrDamaged) ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range whole {
		check(fmt.Sprintf("cut to %d bytes", n), whole[:n])
	}
	for i := range whole {
		raw := append([]byte(nil), whole...)
		raw[i] ^= 1
		check(fmt.Sprintf("byte %d changed", i), raw)
	}
	check("not a checkpoint", []byte("hello"))
}

// An error while writing leaves the old file, and no other.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := checkpoints.WriteAtomic(path, func(w io.Writer) error {
		fmt.Fprint(w, "half of the ne")
		return errors.New("disk full")
	})
	if err == nil || !strings.Contains(err.Error(), "disk full") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "old" {
		t.Errorf("the old file now holds %q", text)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left: %v", entries)
	}
	if err := checkpoints.Write(filepath.Join(dir, "none", "a"), sample(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	bad := sample(1)
	bad.Tensors[0].Shape = []int{7}
	if err := checkpoints.Write(path, bad); err == nil {
		t.Error("a tensor with a wrong shape is written")
	}
	bad = sample(1)
	bad.Tensors[1].Name = "w"
	if err := checkpoints.Write(path, bad); err == nil {
		t.Error("two tensors of one name are written")
	}
}

func TestNewest(t *testing.T) {
	f := checkpoints.Folder{Dir: t.TempDir()}
	var warnings []string
	newest := func() string {
		warnings = nil
		c, path, err := f.Newest(func(err error) { warnings = append(warnings, err.Error()) })
		if err != nil {
			return err.Error()
		}
		return c.Meta["step"] + " " + filepath.Base(path)
	}
	if _, _, err := f.Newest(nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	for step := 1; step <= 3; step++ {
		if err := f.SaveLast(sample(step)); err != nil {
			t.Fatal(err)
		}
	}
	if got := newest(); got != "3 last.safetensors" || len(warnings) != 0 {
		t.Errorf("got %s, %v", got, warnings)
	}
	damage := func(name string) {
		raw, err := os.ReadFile(f.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Path(name), raw[:len(raw)-3], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	damage(checkpoints.Last)
	if got := newest(); got != "2 previous.safetensors" ||
		len(warnings) != 1 ||
		!strings.Contains(warnings[0], "last.safetensors") {
		t.Errorf("got %s, %v", got, warnings)
	}
	damage(checkpoints.Previous)
	for epoch := 8; epoch <= 11; epoch++ {
		if err := f.Save(checkpoints.Epoch(epoch), sample(epoch)); err != nil {
			t.Fatal(err)
		}
	}
	damage(checkpoints.Epoch(11))
	if got := newest(); got != "10 epoch-010.safetensors" || len(warnings) != 2 {
		t.Errorf("got %s, %v", got, warnings)
	}
	for epoch := 8; epoch <= 12; epoch++ {
		if err := f.Remove(checkpoints.Epoch(epoch)); err != nil {
			t.Error(err)
		}
	}
	if got := newest(); !strings.Contains(got, "no undamaged checkpoint") {
		t.Errorf("got %s", got)
	}
	// A crash between the renames of SaveLast: the next save completes them.
	mustWrite(t, f.Path(checkpoints.Previous), sample(18))
	mustWrite(t, f.Path(checkpoints.Last), sample(19))
	mustWrite(t, f.Path("next.safetensors"), sample(20))
	if got := newest(); got != "20 last.safetensors" {
		t.Errorf("got %s", got)
	}
	if c, err := checkpoints.Read(f.Path(checkpoints.Previous)); err != nil || c.Meta["step"] != "19" {
		t.Errorf("previous after that: %v, %v", c, err)
	}
}

// Epochs are ordered by number, even if the numbers get long.
func TestNewestEpoch(t *testing.T) {
	f := checkpoints.Folder{Dir: t.TempDir()}
	if !f.Empty() {
		t.Error("an empty folder is not empty")
	}
	for _, epoch := range []int{99, 1000, 999} {
		mustWrite(t, f.Path(checkpoints.Epoch(epoch)), sample(epoch))
	}
	mustWrite(t, f.Path("epoch-9999x.safetensors"), sample(1))
	if _, path, err := f.Newest(nil); err != nil || filepath.Base(path) != "epoch-1000.safetensors" {
		t.Errorf("got %s, %v", path, err)
	}
	if f.Empty() {
		t.Error("a folder with checkpoints is empty")
	}
}

// A checkpoint is as large as the model and its optimizer. Writing copies none of it; reading keeps only
// its values in memory.
func TestNoCopies(t *testing.T) {
	const values = 8 << 20
	f := checkpoints.File{Tensors: []formats.Tensor{{Name: "w", Shape: []int{values}, F32: make([]float32, values)}}}
	path := filepath.Join(t.TempDir(), "a.safetensors")
	allocated := func(work func() error) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := work(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if n := allocated(func() error { return checkpoints.Write(path, f) }); n > values {
		t.Errorf("written: %d bytes allocated for %d bytes of values", n, 4*values)
	}
	if n := allocated(func() error { _, err := checkpoints.Read(path); return err }); n > 5*values {
		t.Errorf("read: %d bytes allocated for %d bytes of values", n, 4*values)
	}
	if n := allocated(func() error { _, err := checkpoints.ReadMeta(path); return err }); n > 1<<20 {
		t.Errorf("metadata: %d bytes allocated", n)
	}
}
