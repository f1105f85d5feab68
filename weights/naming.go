package weights

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Naming is a scheme of names for the tensors of a FasterNet.
type Naming string

// The namings. Ours are the official ones.
const (
	Official Naming = "official"
	Timm     Naming = "timm"
)

// The official network is one list in which stages and merging layers take
// turns; in timm's a merging layer belongs to the stage behind it.
var (
	officialStage  = regexp.MustCompile(`^stages\.(\d{1,3})\.(.+)$`)
	timmDownsample = regexp.MustCompile(`^stages\.\d{1,3}\.downsample\.`)
)

// heads are the names that differ in the head, official first.
var heads = [][2]string{
	{"avgpool_pre_head.1.", "conv_head."},
	{"head.", "classifier."},
}

// NamingOf tells the naming of a FasterNet's tensors. Names that are the same
// in both, and those of other networks, count as official.
func NamingOf(ts []Tensor) Naming {
	timm := false
	for _, t := range ts {
		switch {
		case strings.HasPrefix(t.Name, heads[0][0]):
			return Official
		case timmDownsample.MatchString(t.Name), strings.HasPrefix(t.Name, heads[0][1]):
			timm = true
		}
	}
	if timm {
		return Timm
	}
	return Official
}

// ToTimm is timm's name of a tensor with an official name.
func ToTimm(name string) string {
	for _, h := range heads {
		if rest, ok := strings.CutPrefix(name, h[0]); ok {
			return h[1] + rest
		}
	}
	m := officialStage.FindStringSubmatch(name)
	if m == nil {
		return name
	}
	n, _ := strconv.Atoi(m[1])
	if n%2 == 1 {
		return fmt.Sprintf("stages.%d.downsample.%s", (n+1)/2, m[2])
	}
	return fmt.Sprintf("stages.%d.%s", n/2, m[2])
}

// FromTimm is the official name of a tensor with a name of timm's.
func FromTimm(name string) string {
	for _, h := range heads {
		if rest, ok := strings.CutPrefix(name, h[1]); ok {
			return h[0] + rest
		}
	}
	m := officialStage.FindStringSubmatch(name)
	if m == nil {
		return name
	}
	n, _ := strconv.Atoi(m[1])
	if rest, ok := strings.CutPrefix(m[2], "downsample."); ok {
		if n == 0 {
			return name // there is none before the first stage
		}
		return fmt.Sprintf("stages.%d.%s", 2*n-1, rest)
	}
	return fmt.Sprintf("stages.%d.%s", 2*n, m[2])
}
