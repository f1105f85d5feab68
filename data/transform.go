package data

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"fasternet/data/augment"
	"fasternet/data/picture"
	"fasternet/data/policy"
)

// Transform makes a normalised tensor from an image. Implementations are safe for
// concurrent use.
type Transform interface {
	// Validate returns an error that names the first setting that is wrong.
	Validate() error

	// OutputShape returns the shape of the tensors: NHWC without N.
	OutputShape() (height, width, channels int)

	// Apply writes the tensor of img to dst, which has height·width·channels
	// values, channels last. It does not change img. Random draws come from r,
	// which is nil for a transform without randomness.
	Apply(img *picture.Image, r *rand.Rand, dst []float32) error
}

// maxJitter is the largest strength of colour jitter.
const maxJitter = 100

// TrainTransform is the random transform for training:
//
//	RGB or grey → random resized crop → flip → RandAugment or colour jitter → extra
//	→ normalise → random erasing
//
// At a size of 32 and below an image of about this size keeps its scale (28 to 32 pixels
// a side at 32): the first step is then a random crop after zero padding, which is black.
// An image smaller than the size is first padded to it, half on either side.
//
// The fields must not be changed after the first use.
type TrainTransform struct {
	Size          int                   // height and width of the output in pixels
	Scale         [2]float64            // share of the area to crop: from, to; such as 0.08, 1
	Ratio         [2]float64            // aspect ratio (width to height) of the crop: from, to; such as 3/4, 4/3
	HFlip         float64               // probability of a horizontal flip
	Padding       int                   // zeros on each side before the crop, if the image keeps its scale; such as 4
	OneDraw       bool                  // draw the crop once and clamp it to the image, as for linear probes
	Interpolation picture.Interpolation // of the resize
	Mean, Std     []float32             // of each channel, for pixel values from 0 to 1
	Channels      int                   // 1 (grey) or 3 (RGB)

	// RandAugment changes colours and shape by a policy; nil for off. Areas that a warp
	// brings in from outside get the mean colour. Warps are bilinear if the resize is, and
	// bicubic otherwise: Pillow's warps have no other filter.
	RandAugment *policy.RandAugment
	ColorJitter float64         // strength for brightness, contrast and saturation; 0 for off; not with RandAugment
	Extra       []augment.Step  // more augmentations in order, after RandAugment or colour jitter
	Erasing     augment.Erasing // of the normalised image
	// ScaledDecoding lets a loader decode JPEG files at a half, a quarter or an eighth of
	// their size, if the crop stays at least twice as large as the output.
	ScaledDecoding bool

	normaliser normaliser
}

// Validate returns an error that names the first setting that is wrong.
func (t *TrainTransform) Validate() error {
	if err := checkOutput("TrainTransform", t.Size, t.Channels, t.Mean, t.Std); err != nil {
		return err
	}
	if err := t.Erasing.Validate(); err != nil {
		return err
	}
	for _, step := range t.Extra {
		if err := step.Validate(); err != nil {
			return fmt.Errorf("data: TrainTransform.Extra: %w", err)
		}
	}
	if t.RandAugment != nil {
		if err := t.RandAugment.Validate(); err != nil {
			return fmt.Errorf("data: TrainTransform.RandAugment: %w", err)
		}
	}
	switch {
	case !(t.ColorJitter >= 0 && t.ColorJitter <= maxJitter):
		return fmt.Errorf("data: TrainTransform.ColorJitter is %v; a number from 0 (off) to %d is needed",
			t.ColorJitter, maxJitter)
	case t.ColorJitter > 0 && t.RandAugment != nil:
		return errors.New("data: TrainTransform has ColorJitter and RandAugment; set only one of them")
	case !(t.HFlip >= 0 && t.HFlip <= 1):
		return fmt.Errorf("data: TrainTransform.HFlip is %v; a probability from 0 to 1 is needed", t.HFlip)
	case t.Padding < 0:
		return fmt.Errorf("data: TrainTransform.Padding is %d; it must not be negative", t.Padding)
	case !(0 < t.Scale[0] && t.Scale[0] <= t.Scale[1] && t.Scale[1] <= 1):
		return fmt.Errorf("data: TrainTransform.Scale is %v; 0 < from ≤ to ≤ 1 is needed", t.Scale)
	case !(0 < t.Ratio[0] && t.Ratio[0] <= t.Ratio[1]):
		return fmt.Errorf("data: TrainTransform.Ratio is %v; 0 < from ≤ to is needed", t.Ratio)
	}
	_, err := t.Interpolation.Filter()
	return err
}

// OutputShape returns Size, Size, Channels.
func (t *TrainTransform) OutputShape() (height, width, channels int) {
	return t.Size, t.Size, t.Channels
}

// Apply writes the [Size, Size, Channels] tensor of img to dst. The steps draw in their
// order.
func (t *TrainTransform) Apply(img *picture.Image, r *rand.Rand, dst []float32) error {
	src := new(input)
	src.Set(img)
	return t.apply(src, r, dst)
}

func (t *TrainTransform) apply(src *input, r *rand.Rand, dst []float32) error {
	if r == nil {
		return errNoGenerator
	}
	if err := t.normaliser.prepare(t.Validate, t.Mean, t.Std); err != nil {
		return err
	}
	if err := checkInput(src, dst, t); err != nil {
		return err
	}
	s := scratchPool.Get().(*scratch)
	defer scratchPool.Put(s)

	height, width := src.Size()
	out := s.output(t.Size, t.Channels)
	if keepsScale(t.Size, height, width) {
		top := augment.RandomOffset(height, t.Size, t.Padding, r)
		left := augment.RandomOffset(width, t.Size, t.Padding, r)
		p, err := src.Part(&s.Memory, picture.Box{Top: 0, Left: 0, Height: height, Width: width}, t.Channels, 0)
		if err != nil {
			return err
		}
		picture.CropPadded(out, p.Image, top, left)
		src.note(func(n *Trace) { n.Crop = picture.Box{Top: top, Left: left, Height: t.Size, Width: t.Size} })
	} else {
		f, err := t.Interpolation.Filter()
		if err != nil {
			return err
		}
		draw := augment.RandomResizedCropBox
		if t.OneDraw {
			draw = augment.OneDrawCropBox
		}
		box, enough := draw(height, width, t.Scale, t.Ratio, r), 0
		src.note(func(n *Trace) { n.Crop = box })
		if t.ScaledDecoding {
			enough = t.Size
		}
		p, err := src.Part(&s.Memory, box, t.Channels, enough)
		if err != nil {
			return err
		}
		s.resizer.ResizeView(out, p, t.Size, t.Size, 0, 0, f)
	}
	if r.Float64() < t.HFlip {
		picture.FlipHorizontal(out)
		src.note(func(n *Trace) { n.Flipped = true })
	}
	changed, err := t.recolour(&s.canvas, out, &s.spare, src.trace, r)
	if err != nil {
		return err
	}
	t.normaliser.normalise(dst, changed)
	erased, err := t.Erasing.Apply(dst, t.Size, t.Size, t.Channels, r)
	if err != nil {
		return err
	}
	src.note(func(n *Trace) { n.Height, n.Width, n.Erased = height, width, erased })
	return nil
}

// recolour does the steps between flip and normalisation. It changes both images, and
// returns one of them or a new one.
func (t *TrainTransform) recolour(
	c *augment.Canvas,
	m, spare *picture.Image,
	trace *Trace,
	r *rand.Rand,
) (*picture.Image, error) {
	var cubic bool
	switch t.Interpolation {
	case picture.Bilinear:
	case picture.Bicubic, picture.Lanczos:
		cubic = true
	default:
		return nil, fmt.Errorf("data: unknown interpolation %q", string(t.Interpolation))
	}
	*c = augment.Canvas{Image: m, Spare: spare, Cubic: cubic}
	if trace != nil {
		c.Note = func(operation string) { trace.Operations = append(trace.Operations, operation) }
	}
	for i, mean := range t.Mean {
		c.Fill[i] = uint8(min(max(math.RoundToEven(float64(mean)*255), 0), 255))
	}
	if t.RandAugment != nil {
		c.RandAugment(t.RandAugment, r)
	} else {
		c.ColorJitter(t.ColorJitter, r)
	}
	for _, step := range t.Extra {
		if err := c.Step(step, r); err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
	}
	return c.Image, nil
}

// EvalTransform is the transform for evaluation and inference, without randomness. With
// [CropAuto] the size of the output decides:
//
//   - up to 32, for an image of about this size (28 to 32 pixels a side at 32): no resize;
//     a smaller image is padded with zeros (black)
//   - up to 383: resize so that the shorter side is Size/CropRatio, rounded down, then
//     centre crop
//   - from 384: resize of the whole image to a square
//
// Crop chooses one of the last two for all sizes and images.
//
// The fields must not be changed after the first use.
type EvalTransform struct {
	Size          int                   // height and width of the output in pixels
	Crop          CropMode              // "" for CropAuto
	CropRatio     float64               // Size divided by the shorter side after the resize; such as 0.9
	Interpolation picture.Interpolation // of the resize
	Mean, Std     []float32             // of each channel, for pixel values from 0 to 1
	Channels      int                   // 1 (grey) or 3 (RGB)

	normaliser normaliser
}

// Validate returns an error that names the first setting that is wrong.
func (t *EvalTransform) Validate() error {
	if err := checkOutput("EvalTransform", t.Size, t.Channels, t.Mean, t.Std); err != nil {
		return err
	}
	if err := t.Crop.check(); err != nil {
		return fmt.Errorf("data: EvalTransform.Crop: %w", err)
	}
	if !t.squashes() && !(t.CropRatio >= 0.01 && t.CropRatio <= 1) {
		return fmt.Errorf("data: EvalTransform.CropRatio is %v; 0.01 ≤ ratio ≤ 1 is needed", t.CropRatio)
	}
	_, err := t.Interpolation.Filter()
	return err
}

// OutputShape returns Size, Size, Channels.
func (t *EvalTransform) OutputShape() (height, width, channels int) {
	return t.Size, t.Size, t.Channels
}

// Apply writes the [Size, Size, Channels] tensor of img to dst. It does not use r.
func (t *EvalTransform) Apply(img *picture.Image, r *rand.Rand, dst []float32) error {
	src := new(input)
	src.Set(img)
	return t.apply(src, r, dst)
}

func (t *EvalTransform) apply(src *input, _ *rand.Rand, dst []float32) error {
	if err := t.normaliser.prepare(t.Validate, t.Mean, t.Std); err != nil {
		return err
	}
	if err := checkInput(src, dst, t); err != nil {
		return err
	}
	s := scratchPool.Get().(*scratch)
	defer scratchPool.Put(s)

	return t.crops(s, src, cropCentre, func(out *picture.Image) { t.normaliser.normalise(dst, out) })
}

// crops resizes an image and calls visit with crops of it, one by one. visit may change them.
func (t *EvalTransform) crops(s *scratch, src *input, at []cropAt, visit func(out *picture.Image)) error {
	h, w := src.Size()
	p, err := src.Part(&s.Memory, picture.Box{Top: 0, Left: 0, Height: h, Width: w}, t.Channels, 0)
	if err != nil {
		return err
	}
	src.decoded()
	f, err := t.Interpolation.Filter()
	if err != nil {
		return err
	}
	img := p.Image
	for _, offset := range at {
		out := s.output(t.Size, t.Channels)
		if t.keeps(img.Height, img.Width) {
			top, left := offset(img.Height, img.Width, t.Size)
			picture.CropPadded(out, img, top, left)
		} else {
			height, width := t.resizeTo(img.Height, img.Width)
			top, left := offset(height, width, t.Size)
			s.resizer.Resize(out, img, img.Bounds(), height, width, top, left, f)
		}
		visit(out)
	}
	return nil
}

// squashes says whether the whole image is resized to a square.
func (t *EvalTransform) squashes() bool {
	return t.Crop == CropSquash || t.auto() && t.Size >= squashSize
}

// keeps says whether an image of this size keeps its scale.
func (t *EvalTransform) keeps(height, width int) bool {
	return t.auto() && keepsScale(t.Size, height, width)
}

func (t *EvalTransform) auto() bool { return t.Crop == "" || t.Crop == CropAuto }

// Cut says how images are cut, independent of the size of the output.
type Cut struct {
	Mode  CropMode // CropCenter or CropSquash
	Ratio float64  // size of the output divided by the shorter side after the resize; 1 with CropSquash
	// KeepFrom and KeepTo are the sides of images that are not resized but padded to the
	// size of the output; both 0 if there are none.
	KeepFrom, KeepTo int
}

// Cut returns how images are cut.
func (t *EvalTransform) Cut() Cut {
	if t.squashes() {
		return Cut{Mode: CropSquash, Ratio: 1}
	}
	c := Cut{Mode: CropCenter, Ratio: t.CropRatio}
	if t.keeps(t.Size, t.Size) {
		c.KeepFrom, c.KeepTo = t.Size-t.Size/8, t.Size
	}
	return c
}

// Seen returns which part of the shorter side of an image of this size is in the output.
func (t *EvalTransform) Seen(height, width int) float64 {
	if t.keeps(height, width) {
		return 1
	}
	return t.Cut().Ratio
}

// resizeTo returns the size of an image after the resize and before the centre crop.
func (t *EvalTransform) resizeTo(height, width int) (int, int) {
	if t.squashes() {
		return t.Size, t.Size
	}
	short := int(float64(t.Size) / t.CropRatio)
	if height < width {
		return short, short * width / height
	}
	return short * height / width, short
}

// checkOutput checks the settings that both transforms have.
func checkOutput(name string, size, channels int, mean, std []float32) error {
	if size < 1 {
		return fmt.Errorf("data: %s.Size is %d; at least 1 is needed", name, size)
	}
	if channels != 1 && channels != 3 {
		return fmt.Errorf("data: %s.Channels is %d; 1 (grey) or 3 (RGB) is needed", name, channels)
	}
	if len(mean) != channels || len(std) != channels {
		return fmt.Errorf("data: %s has %d values of Mean and %d of Std; %d of each are needed, one per channel",
			name, len(mean), len(std), channels)
	}
	for _, s := range std {
		if !(s > 0) {
			return fmt.Errorf("data: %s.Std is %v; it must be positive", name, std)
		}
	}
	return nil
}

func checkInput(src *input, dst []float32, t Transform) error {
	if err := src.Check(); err != nil {
		return err
	}
	if h, w, c := t.OutputShape(); len(dst) != h*w*c {
		return fmt.Errorf("data: the destination of a transform has %d values; %d×%d×%d are needed",
			len(dst), h, w, c)
	}
	return nil
}

// scratch is memory that a transform needs besides its result.
type scratch struct {
	picture.Memory
	cropped, spare picture.Image
	canvas         augment.Canvas
	resizer        picture.Resizer
}

var scratchPool = sync.Pool{New: func() any { return new(scratch) }}

// output returns an image for the result of the 8-bit steps, with undefined content.
func (s *scratch) output(size, channels int) *picture.Image {
	s.cropped.Reshape(size, size, channels)
	return &s.cropped
}
