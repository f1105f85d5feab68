package disk

import (
	"path/filepath"
	"strings"
)

// Glob is [filepath.Glob] of a pattern within a folder, whose own name is not a pattern: people call
// folders "photos [2024]".
func Glob(dir, pattern string) ([]string, error) {
	if dir == "" || filepath.IsAbs(pattern) {
		return filepath.Glob(pattern)
	}
	escaped := strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]", `\`, `[\\]`).Replace(dir)
	if filepath.Separator == '\\' { // where it is not an escape, and no name has * or ?
		escaped = strings.ReplaceAll(dir, "[", "[[]")
	}
	return filepath.Glob(filepath.Join(escaped, pattern))
}
