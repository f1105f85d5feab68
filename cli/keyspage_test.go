package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/configs"
)

// The page of all keys is up to date, and has every key.
func TestKeysPage(t *testing.T) {
	path := filepath.Join("..", "docs", "reference", "keys.md")
	page, err := configs.KeysPage()
	if err != nil {
		t.Fatal(err)
	}
	if *updatePages {
		writeFile(t, path, []byte(page))
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != page {
		t.Errorf("docs/reference/keys.md is not what the program says (%v): "+
			"run go test ./cli -run TestKeysPage -update",
			err)
	}
	for _, key := range configs.Keys() {
		if row := "\n| `" + key[strings.LastIndexByte(key, '.')+1:] + "` | "; !strings.Contains(page, row) {
			t.Errorf("the page has no row for %s", key)
		}
		if configs.Explain(key) == "" {
			t.Errorf("config show says nothing of %s", key)
		}
	}
}
