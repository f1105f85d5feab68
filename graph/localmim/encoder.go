package localmim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/layers"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
)

// Encoder is a family of backbones that can be pre-trained: it makes a backbone that sees only the
// visible units of images, and says what LocalMIM does differently for it. Units are the squares of
// an image that are masked as a whole.
type Encoder struct {
	Family string // the value of model.name
	// New makes a backbone without classifier. Its parameters belong to the store, which puts
	// Prefix before their names.
	New    func(s *layers.Store, c *configs.Config) (Backbone, error)
	Prefix string // of the names of the backbone, and of the norms of its taps
	Tap    string // the part of a backbone that ends at a tap: block or stage
	// NormEps is the eps of the norms of the taps and the decoders.
	NormEps func(m configs.Model) float64
	// ClassTokens is the number of tokens before the visible tokens of an image.
	ClassTokens int
	// Draw draws the visible units of an image into kept, from the given number of units. The
	// encoder sees them in this order.
	Draw func(kept []int32, units int, r *rand.Rand)
	// NewHead makes the layers that predict the cells of a scale from tokens of its decoder. The
	// norm comes before the first layer, unless a scale has less than one cell for each token: then
	// the decoder normalises and pools its tokens before these layers.
	NewHead func(s *layers.Store, prefix string, scale configs.MIMScale, norm *ops.LayerNorm) ([]ops.Projection, error)
	// Fresh says whether a tensor of a classifier comes after the encoder, and starts with fresh
	// values; nil for norm.*, fc_norm.* and head.*.
	Fresh func(name string) bool
	// MaskedOnly makes the decoders leave out predictions of visible units in training. The loss
	// and its gradients are the same, in less time.
	MaskedOnly bool
	// Reorder converts a tensor between the two published orders of the neighbours that the
	// backbone merges; most tensors stay the same. It is nil for a backbone with one order.
	Reorder func(name string, shape []int, values []float32) []float32
}

// Backbone is a backbone on the visible units of images. Several programs share it.
type Backbone interface {
	// Forward adds it to the graph of a program and returns the values at the taps: [images,
	// tokens, C], class tokens first; or with more axes, whose rows are the tokens of one image
	// after the other, unit by unit. v gives the backbone everything that depends on which units
	// are visible: see [Visible.Select] and [Visible.OnChange].
	Forward(p *layers.Pass, images *gorgonia.Node, v *Visible) ([]*gorgonia.Node, error)
}

// encoders is in the order of registration.
var encoders []Encoder

func init() {
	Register(fasternetEncoder())
	Register(vitEncoder())
	Register(swinEncoder())
}

// Register adds a family that can be pre-trained, before any model is made. It panics if the family
// already has an encoder, or if a function is missing.
func Register(e Encoder) {
	taken := slices.ContainsFunc(encoders, func(o Encoder) bool { return o.Family == e.Family })
	if taken || e.Family == "" || e.New == nil || e.NormEps == nil || e.Draw == nil || e.NewHead == nil {
		panic(fmt.Sprintf("localmim: Register of an encoder for %q: want a new family, New, NormEps, Draw and NewHead",
			e.Family))
	}
	encoders = append(encoders, e)
}

// EncoderOf finds the encoder of a family. The error names the families that have one.
func EncoderOf(family string) (Encoder, error) {
	var names []string
	for _, e := range encoders {
		if e.Family == family {
			return e, nil
		}
		names = append(names, e.Family)
	}
	return Encoder{}, fmt.Errorf("localmim: model.name: there is no encoder of visible units for %q: want %s",
		family, strings.Join(names, " or "))
}

// AfterEncoder says whether a tensor of a classifier of the family comes after the encoder.
func (e Encoder) AfterEncoder(name string) bool {
	if e.Fresh != nil {
		return e.Fresh(name)
	}
	return hasPrefix(name, "norm.", "fc_norm.", "head.")
}

func hasPrefix(name string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// archOf returns the part of a model that belongs to a family; the model must belong to that family.
func archOf[A configs.Arch](m configs.Model) A {
	a, _ := configs.ArchOf[A](m)
	return a
}
