package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fasternet/internal/datatest"
	"fasternet/internal/modeltest"
)

// The program in the README compiles, and prints a class and its probability.
func TestReadme(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```go\n")
	source, _, found := strings.Cut(rest, "```")
	if !found || !strings.Contains(source, `"runs/photos"`) || !strings.Contains(source, `"rose.jpg"`) {
		t.Fatalf("the README has no program that opens runs/photos and reads rose.jpg:\n%s", source)
	}
	dir, model := t.TempDir(), filepath.ToSlash(modeltest.Write(t, modeltest.Families[0]))
	file, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program.exe")
	datatest.WriteFile(t, file, []byte(strings.Replace(source, "runs/photos", model, 1)))
	datatest.WriteFile(t, filepath.Join(dir, "rose.jpg"), datatest.EncodeJPEG(t, datatest.Scene(40, 40)))
	if out, err := exec.Command("go", "build", "-o", program, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || !regexp.MustCompile(`^(ant|bee|cat|dog|eel) 0\.\d+\n$`).Match(out) {
		t.Errorf("%q, %v", out, err)
	}
}
