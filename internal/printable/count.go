package printable

import (
	"strconv"
	"strings"
)

// Count returns a number with its noun, whose plural is regular: "1 image", "2 images", "0 classes".
func Count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "epoch"): // its ch is a k, unlike in batch
		noun += "s"
	case strings.HasSuffix(noun, "s") || strings.HasSuffix(noun, "ch"):
		noun += "es"
	default:
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}
