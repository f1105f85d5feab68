package verify_test

import (
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/data/sets"
	"fasternet/internal/verify"
)

// Finds and names a flipped bit in a sample, and a file that was cut.
func TestPacked(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"cat/a.png", "cat/b.png", "dog/c.png"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, image.NewRGBA(image.Rect(0, 0, 9, 7))); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ds, err := sets.OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "train.pack")
	if _, err := sets.Pack(context.Background(), path, ds, sets.PackOptions{Form: sets.PackDecoded}); err != nil {
		t.Fatal(err)
	}
	r, err := verify.Path(path)
	if err != nil || !r.OK() || r.Facts != "3 images of 2 classes" {
		t.Errorf("%+v, %v", r, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[64+40+20] ^= 1 // in the first sample
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err = verify.Path(path); err != nil ||
		r.OK() ||
		!strings.Contains(r.Problem, "1 of 3 samples are broken") ||
		!strings.Contains(r.Rescue, "the other 2 are complete") {
		t.Errorf("%+v, %v", r, err)
	}
	if err := os.Truncate(path, int64(len(content)-9)); err != nil {
		t.Fatal(err)
	}
	if r, err = verify.Path(path); err != nil || !strings.Contains(r.Problem, "data pack continues it") {
		t.Errorf("%+v, %v", r, err)
	}
}
