package picture

import (
	"os"
	"path/filepath"
	"testing"

	"fasternet/internal/datatest"
)

// A file counts as an image by its ending, and one without an ending by its content.
func TestIsImageFile(t *testing.T) {
	dir := t.TempDir()
	image, text := datatest.PNGOf(t, 7), []byte("BMW and P5 are not images")
	for _, c := range []struct {
		name    string
		content []byte
		want    bool
	}{
		{"a.jpg", text, true}, // decoding says what is wrong with it
		{"a.JFIF", image, true},
		{"a.jpe", image, true},
		{"a.ppm", image, true},
		{"a.Pgm", image, true},
		{"a.pnm", image, true},
		{"a.gif", image, true},
		{"none", image, true},
		{"img.0001", image, true},
		{"2021.05.06", image, true},
		{"photo.jpg_large", image, true},
		{"two.dots.here.png", image, true},
		{"none-text", text, false},
		{"P5", []byte("P5 is not an image"), false},
		{"BM", []byte("BM"), false},
		{"empty", nil, false},
		{"a.txt", image, false},
		{"a.jpg.bak", image, false},
		{"a.json", image, false},
	} {
		path := filepath.Join(dir, c.name)
		datatest.WriteFile(t, path, c.content)
		if got, err := IsImageFile(path); got != c.want || err != nil {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	secret := filepath.Join(dir, "secret")
	datatest.WriteFile(t, secret, image)
	if err := os.Chmod(secret, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(secret); err == nil { // by root
		f.Close()
		return
	}
	_, err := IsImageFile(secret)
	datatest.WantError(t, err, secret)
}
