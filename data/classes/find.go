package classes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Index returns the number of the class with a name, or -1. It compares names as [Compare] does.
func Index(names []string, name string) int {
	return slices.Index(keys(names), keys([]string{name})[0])
}

// Suggest returns the class that a misspelt name most likely means, as the end of a message;
// "" if none is similar.
func Suggest(names []string, name string) string {
	best, least := "", len(name)/3+2
	for _, known := range names {
		if known == "" {
			continue
		}
		d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(known))
		if d < least {
			best, least = known, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}
