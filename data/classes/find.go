package classes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Index is the number of the class with a name, or -1. Names are compared as [Compare] does.
func Index(names []string, name string) int {
	return slices.Index(keys(names), keys([]string{name})[0])
}

// Suggest proposes the class that a misspelt name most likely stands for, as the end of a
// message; "" if none is near.
func Suggest(names []string, name string) string {
	best, least := "", len(name)/3+2
	for _, known := range names {
		if d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(known)); d < least && known != "" {
			best, least = known, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}
