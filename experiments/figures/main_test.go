package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The figures in the docs are the ones that the program draws today. The memory plan depends on the
// kernels, so this test only checks that it is a picture.
func TestFiguresAreCurrent(t *testing.T) {
	dir := t.TempDir()
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 5 {
		t.Fatalf("%d figures, %v", len(files), err)
	}
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(strings.NewReader(string(got))); err == nil; {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", f.Name(), err)
		}
		if f.Name() == "memory.svg" {
			continue
		}
		want, err := os.ReadFile(filepath.Join("..", "..", "docs", "images", f.Name()))
		if err != nil || string(want) != string(got) {
			t.Errorf("docs/images/%s is not current: run make figures (%v)", f.Name(), err)
		}
	}
}
