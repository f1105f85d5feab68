package hub

import (
	"slices"
	"testing"

	"fasternet/internal/reference"
)

// Every known model is a valid reference, and occurs once.
func TestKnown(t *testing.T) {
	var seen []string
	for _, m := range Known {
		if r, err := reference.Parse(m.Reference()); err != nil || r.Repo != m.Repo {
			t.Errorf("%s: %v", m.Repo, err)
		}
		if slices.Contains(seen, m.Repo) || m.Size < 1 || m.License == "" || m.Trained == "" {
			t.Errorf("%+v", m)
		}
		seen = append(seen, m.Repo)
	}
	if m, ok := KnownFor("fasternet_t0"); !ok || m.Repo != "timm/fasternet_t0.in1k" {
		t.Errorf("%+v, %v", m, ok)
	}
	if m, ok := KnownFor("mim_vit_base"); ok {
		t.Errorf("%+v", m)
	}
	if m, ok := KnownFor(""); ok {
		t.Errorf("no preset has %+v", m)
	}
}
