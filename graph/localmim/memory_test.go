package localmim

import (
	"strings"
	"testing"

	"fasternet/configs"
)

// A model that is too large for any machine is refused before its first parameter is made.
func TestModelThatDoesNotFit(t *testing.T) {
	c, err := configs.Load("mim_quickstart", "mim.decoder_dim=65536", "mim.decoder_depth=256", "mim.decoder_heads=64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(c, 0); err == nil ||
		!strings.Contains(err.Error(), "not enough memory: the parameters of the model need ") {
		t.Errorf("got %v", err)
	}
}
