package recipe

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write docs/defaults.md")

// docs/defaults.md is up to date with the rules.
func TestDocument(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "defaults.md")
	if *update {
		if err := os.WriteFile(path, []byte(Document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Document() {
		t.Errorf("%s is not what the rules say: go test ./train/recipe -run TestDocument -update", path)
	}
}
