package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"fasternet/internal/datatest"
	"fasternet/internal/modeltest"
)

func TestClassify(t *testing.T) {
	model, image := modeltest.Write(t, modeltest.Families[0]), filepath.Join(t.TempDir(), "scene.jpg")
	datatest.WriteFile(t, image, datatest.EncodeJPEG(t, datatest.Scene(40, 40)))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	args, out := os.Args, os.Stdout
	os.Args, os.Stdout = []string{"classify", model, image}, w
	main()
	os.Args, os.Stdout = args, out
	_ = w.Close()
	text, err := io.ReadAll(r)
	if err != nil || !regexp.MustCompile(`^.*scene\.jpg: (ant|bee|cat|dog|eel) \([0-9.]+ %\)\n$`).Match(text) {
		t.Errorf("%q, %v", text, err)
	}
}
