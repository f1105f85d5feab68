package data

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// splitFolders are the names under which the folder of a split is looked for.
var splitFolders = map[Split][]string{
	Train: {"train", "training"},
	Val:   {"val", "valid", "validation", "eval", "evaluation", "test"},
	Test:  {"test"},
}

// FindSplit is the folder of a split in root, by its usual names.
func FindSplit(root string, split Split) (string, error) {
	names := splitFolders[split]
	if names == nil {
		return "", fmt.Errorf("data: unknown split %q; use %s, %s or %s", string(split), Train, Val, Test)
	}
	for _, name := range names {
		if path := filepath.Join(root, name); isFolder(path) {
			return path, nil
		}
	}
	if !isFolder(root) {
		return "", fmt.Errorf("data: %s: no such folder", root)
	}
	hint := "put the images of a class into " + filepath.Join(root, names[0], "<class>")
	if split != Test {
		hint += ", or let data.val_fraction hold images out, e.g. 0.1"
	}
	return "", fmt.Errorf("data: %s: no folder of the %s split; looked for %s: %s",
		root, split, strings.Join(names, ", "), hint)
}

// isFolder reports whether path is a folder or a symbolic link to one.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
