// Package preprocess says what happens to an image before a model sees it. The transform and
// its description in an exported file come from the same value.
package preprocess

import (
	"encoding/json"
	"fmt"
	"strconv"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/picture"
)

// Preprocessing is everything that evaluation does to an image file.
type Preprocessing struct {
	Decoding  picture.Decoding
	Transform *data.EvalTransform
}

// Of returns the preprocessing of a configuration for a model with 1 or 3 channels. It is an
// error when a value of the configuration is unknown.
func Of(d configs.Data, channels int) (Preprocessing, error) {
	how, err := Decoding(d)
	if err != nil {
		return Preprocessing{}, err
	}
	t := Evaluation(d, channels)
	return Preprocessing{how, t}, t.Validate()
}

// Evaluation returns the evaluation transform for a model with 1 or 3 channels. Call its
// method Validate to check the configuration.
func Evaluation(d configs.Data, channels int) *data.EvalTransform {
	return &data.EvalTransform{
		Size:          d.ImageSize,
		Crop:          data.CropMode(d.TestCrop),
		CropRatio:     d.TestCropRatio,
		Interpolation: picture.Interpolation(d.Interpolation),
		Mean:          float32s(d.Mean),
		Std:           float32s(d.Std),
		Channels:      channels,
	}
}

// Decoding returns how a configuration decodes files.
func Decoding(d configs.Data) (how picture.Decoding, err error) {
	switch d.Orientation {
	case configs.IgnoreEXIF:
		how.IgnoreOrientation = true
	case "", configs.TurnByEXIF:
	default:
		return how, fmt.Errorf("data.orientation: want %s or %s, got %q",
			configs.TurnByEXIF, configs.IgnoreEXIF, d.Orientation)
	}
	switch d.SixteenBit {
	case configs.ClipSixteenBit:
		how.Clip16Bit = true
	case "", configs.ScaleSixteenBit:
	default:
		return how, fmt.Errorf("data.sixteen_bit: want %s or %s, got %q",
			configs.ScaleSixteenBit, configs.ClipSixteenBit, d.SixteenBit)
	}
	return how, nil
}

func float32s(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// The keys of [Preprocessing.Metadata].
const (
	InputSizeKey     = "input_size"    // [channels, height, width], JSON
	MeanKey          = "mean"          // of pixels in [0, 1], one per channel, JSON
	StdKey           = "std"           // likewise
	InterpolationKey = "interpolation" // of the resize before the crop
	// CropModeKey is center (the shorter side is resized to size/crop_ratio, then the centre
	// is cropped) or squash (the whole image is resized to a square).
	CropModeKey  = "crop_mode"
	CropRatioKey = "crop_ratio" // side of the crop divided by the side of the resized image; 1 with squash
	// UnscaledKey is [from, to], JSON. An image with both sides in this range of pixels is
	// padded with black, not resized; only at sizes up to 32.
	UnscaledKey    = "unscaled"
	OrientationKey = "orientation" // exif (the image is turned as its camera says) or ignore
	SixteenBitKey  = "sixteen_bit" // scale or clip, for grey values of more than 8 bits
)

// Metadata describes the preprocessing for programs that do not read the configuration.
func (p Preprocessing) Metadata() (map[string]string, error) {
	t, cut := p.Transform, p.Transform.Cut()
	meta := map[string]string{
		InterpolationKey: string(t.Interpolation),
		CropModeKey:      string(cut.Mode),
		CropRatioKey:     strconv.FormatFloat(cut.Ratio, 'g', -1, 64),
		OrientationKey:   configs.TurnByEXIF,
		SixteenBitKey:    configs.ScaleSixteenBit,
	}
	if p.Decoding.IgnoreOrientation {
		meta[OrientationKey] = configs.IgnoreEXIF
	}
	if p.Decoding.Clip16Bit {
		meta[SixteenBitKey] = configs.ClipSixteenBit
	}
	lists := map[string]any{
		InputSizeKey: []int{t.Channels, t.Size, t.Size},
		MeanKey:      t.Mean,
		StdKey:       t.Std,
	}
	if cut.KeepTo > 0 {
		lists[UnscaledKey] = []int{cut.KeepFrom, cut.KeepTo}
	}
	for key, value := range lists {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("preprocess: %s: %w", key, err)
		}
		meta[key] = string(text)
	}
	return meta, nil
}

// String says in a line what happens to an image.
func (p Preprocessing) String() string {
	t, cut := p.Transform, p.Transform.Cut()
	short := int(float64(t.Size) / cut.Ratio)
	text := fmt.Sprintf("shorter side to %d px (%s), centre of %d px", short, t.Interpolation, t.Size)
	if cut.Mode == data.CropSquash {
		text = fmt.Sprintf("whole image squashed to %d×%d px (%s)", t.Size, t.Size, t.Interpolation)
	}
	if cut.KeepTo > 0 {
		text += fmt.Sprintf("; images of %d to %d px are not resized", cut.KeepFrom, cut.KeepTo)
	}
	if p.Decoding.IgnoreOrientation {
		text += "; EXIF orientation ignored"
	}
	return text
}
