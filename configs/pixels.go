package configs

import (
	"fmt"
	"strings"
)

// The values of data.orientation, data.sixteen_bit and data.test_crop.
const (
	TurnByEXIF       = "exif"
	IgnoreEXIF       = "ignore"
	ScaleSixteenBit  = "scale"
	ClipSixteenBit   = "clip"
	AutoTestCrop     = "auto"
	CenterTestCrop   = "center"
	SquashTestCrop   = "squash"
	smallestSquashed = 384 // auto squashes from this image size on
	largestKept      = 32  // up to this size, auto keeps the scale of some images
)

// checkPixels checks the keys that turn files into pixels and images into squares.
func (d Data) checkPixels() *problem {
	return first(
		oneOf("data.orientation", d.Orientation, TurnByEXIF, IgnoreEXIF),
		oneOf("data.sixteen_bit", d.SixteenBit, ScaleSixteenBit, ClipSixteenBit),
		oneOf("data.test_crop", d.TestCrop, AutoTestCrop, CenterTestCrop, SquashTestCrop),
		within("data.test_crop_ratio", d.TestCropRatio, 0.01, 1),
	)
}

// recordedKeys are in every configuration that the program writes. Nobody writes all of them by hand.
var recordedKeys = []string{
	"data.name", "data.dir", "data.image_size", "data.multi_scale", "data.interpolation", "data.mean", "data.std",
	"data.test_crop_ratio",
}

// recorded reports whether the program wrote the configuration, or one that it starts from: then all keys
// are set.
func (l *loader) recorded() bool {
	for _, key := range recordedKeys {
		if l.origin[key] == "" {
			return false
		}
	}
	return true
}

// sameFile reports whether two keys were set by the same file.
func (l *loader) sameFile(a, b string) bool {
	file := func(key string) string {
		where := l.origin[key] // file:line
		return where[:max(strings.LastIndexByte(where, ':'), 0)]
	}
	return file(a) == file(b)
}

// older fills in keys that did not exist when the configuration was recorded, with what the program did then.
func (l *loader) older() {
	if !l.recorded() {
		return
	}
	d := &l.config.Data
	for _, k := range []struct {
		key, value string
		field      *string
	}{
		{"data.orientation", IgnoreEXIF, &d.Orientation},
		{"data.sixteen_bit", ClipSixteenBit, &d.SixteenBit},
	} {
		if l.origin[k.key] == "" {
			*k.field = k.value
		}
	}
}

// remember notes where a preset or a recorded configuration has set the test crop: the user has not chosen
// those values for this data.
func (l *loader) remember() {
	l.crop = map[string]string{}
	for _, key := range []string{"data.test_crop", "data.test_crop_ratio"} {
		if l.recorded() && l.sameFile(key, "data.mean") {
			l.crop[key] = l.origin[key]
		} else if l.preset != nil {
			l.crop[key] = l.preset.origin[key]
		}
	}
}

// chooseCrop makes a data.test_crop_ratio of the user count: images of all sizes are then cropped.
func (l *loader) chooseCrop() *problem {
	set := func(key string) bool { return l.origin[key] != "" && l.origin[key] != l.crop[key] }
	d := &l.config.Data
	switch {
	case !set("data.test_crop_ratio"):
		return nil
	case !set("data.test_crop"):
		d.TestCrop = CenterTestCrop
		return nil
	case d.TestCrop == SquashTestCrop:
		return wrong("data.test_crop_ratio",
			"has no effect with data.test_crop %s, which shows the whole image: leave it out, or set data.test_crop=%s",
			SquashTestCrop, CenterTestCrop)
	case d.TestCrop == AutoTestCrop && (d.ImageSize >= smallestSquashed || d.ImageSize <= largestKept):
		return wrong("data.test_crop_ratio", "does not apply to all images with data.test_crop %s at data.image_size "+
			"%d: set data.test_crop=%s, or leave it out",
			AutoTestCrop, d.ImageSize, CenterTestCrop)
	}
	return nil
}

// cropNotes warn about a ratio without effect at this image size.
func (l *loader) cropNotes() []string {
	d := l.config.Data
	if d.TestCrop != AutoTestCrop || d.ImageSize < smallestSquashed || d.TestCropRatio == 1 {
		return nil
	}
	return []string{
		fmt.Sprintf("data.test_crop_ratio %g has no effect at data.image_size %d: "+
			"from %d px on, evaluation squashes the whole image to a square, as the original code does; "+
			"data.test_crop=%s crops",
			d.TestCropRatio, d.ImageSize, smallestSquashed, CenterTestCrop),
	}
}
