package localmim

import (
	"regexp"
	"strings"
)

// besideBackbone matches the tensors that the backbone does not have.
var besideBackbone = regexp.MustCompile(`^(norm\.\d+|decoder\.\d+|hog_enc\.\d+|visible)\.`)

// Pretrained says whether a state dict with these names belongs to a LocalMIM.
func Pretrained(has func(name string) bool) bool { return has("decoder.0.mask_token") }

// BackboneName returns the name that a tensor of a LocalMIM has in a classifier; false for tensors
// of taps, decoders and targets.
func BackboneName(name string) (string, bool) {
	for _, e := range encoders {
		if e.Prefix != "" {
			name = strings.TrimPrefix(name, e.Prefix)
		}
	}
	return name, !besideBackbone.MatchString(name)
}
