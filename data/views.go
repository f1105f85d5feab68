package data

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"fasternet/data/picture"
)

// TTA names a kind of test-time augmentation: which views of an image a model evaluates.
type TTA string

// The kinds of test-time augmentation.
const (
	NoTTA    TTA = "none"
	Flip     TTA = "flip"     // the image, and its mirror image
	FiveCrop TTA = "fivecrop" // the centre and the four corners, like torchvision's FiveCrop
	TenCrop  TTA = "tencrop"  // the five crops, and their mirror images
)

// TTAs lists all kinds.
var TTAs = []TTA{NoTTA, Flip, FiveCrop, TenCrop}

// Views is the transform for test-time augmentation. Its tensors have the views of an image
// one below the other, [Count·Size, Size, Channels].
type Views struct {
	Of   *EvalTransform
	Kind TTA
}

// NewViews makes a transform with more than one view. It is an error when the kind is
// unknown, or when all views would show the same.
func NewViews(t *EvalTransform, kind TTA) (*Views, error) {
	v := &Views{t, kind}
	return v, v.Validate()
}

// Validate returns an error that names the first setting that is wrong.
func (v *Views) Validate() error {
	if v.Count() < 2 {
		var names []string
		for _, k := range TTAs {
			names = append(names, string(k))
		}
		return fmt.Errorf("data: views %q: want %s", string(v.Kind), strings.Join(names, ", "))
	}
	if err := v.Of.Validate(); err != nil {
		return err
	}
	if v.crops() && v.Of.squashes() {
		return fmt.Errorf("data: views %s: the whole image is squashed to a square of %d pixels, "+
			"so that there are no corners to crop; use %s, or data.test_crop center", v.Kind, v.Of.Size, Flip)
	}
	return nil
}

// Count returns the number of views, 0 for an unknown kind.
func (v *Views) Count() int {
	switch v.Kind {
	case NoTTA:
		return 1
	case Flip:
		return 2
	case FiveCrop:
		return 5
	case TenCrop:
		return 10
	}
	return 0
}

func (v *Views) crops() bool { return v.Kind == FiveCrop || v.Kind == TenCrop }

func (v *Views) flips() bool { return v.Kind == Flip || v.Kind == TenCrop }

// OutputShape returns Count·Size, Size, Channels.
func (v *Views) OutputShape() (height, width, channels int) {
	return v.Count() * v.Of.Size, v.Of.Size, v.Of.Channels
}

// Apply writes the views of img to dst. It does not use r.
func (v *Views) Apply(img *picture.Image, r *rand.Rand, dst []float32) error {
	src := new(input)
	src.Set(img)
	return v.apply(src, r, dst)
}

func (v *Views) apply(src *input, _ *rand.Rand, dst []float32) error {
	if err := v.Of.normaliser.prepare(v.Validate, v.Of.Mean, v.Of.Std); err != nil {
		return err
	}
	if err := checkInput(src, dst, v); err != nil {
		return err
	}
	s := scratchPool.Get().(*scratch)
	defer scratchPool.Put(s)
	at := cropCentre
	if v.crops() {
		at = cropAll
	}
	size := v.Of.Size * v.Of.Size * v.Of.Channels
	return v.Of.crops(s, src, at, func(out *picture.Image) {
		v.Of.normaliser.normalise(dst[:size], out)
		dst = dst[size:]
		if v.flips() {
			picture.FlipHorizontal(out)
			v.Of.normaliser.normalise(dst[:size], out)
			dst = dst[size:]
		}
	})
}

// cropAt returns where a crop of size×size pixels starts in an image.
type cropAt func(height, width, size int) (top, left int)

var (
	cropCentre = []cropAt{func(h, w, size int) (int, int) {
		return picture.CentreOffset(h, size), picture.CentreOffset(w, size)
	}}
	cropAll = append(cropCentre[:1:1],
		func(_, _, _ int) (int, int) { return 0, 0 },
		func(_, w, size int) (int, int) { return 0, w - size },
		func(h, _, size int) (int, int) { return h - size, 0 },
		func(h, w, size int) (int, int) { return h - size, w - size },
	)
)
