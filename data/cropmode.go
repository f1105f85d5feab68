package data

import (
	"fmt"
	"slices"
)

// CropMode says how evaluation makes a square of an image.
type CropMode string

// The modes.
const (
	// CropAuto is CropCenter with two exceptions, both from the original recipes: at 384
	// pixels and above it is CropSquash, and at 32 and below an image of about this size
	// keeps its scale, see [keepsScale].
	CropAuto   CropMode = "auto"
	CropCenter CropMode = "center" // the shorter side is resized to size/ratio, the centre is cropped
	CropSquash CropMode = "squash" // the whole image is resized to a square
)

// CropModes lists the modes.
func CropModes() []CropMode { return []CropMode{CropAuto, CropCenter, CropSquash} }

func (c CropMode) check() error {
	if c != "" && !slices.Contains(CropModes(), c) {
		return fmt.Errorf("unknown crop mode %q; use %s, %s or %s", string(c), CropAuto, CropCenter, CropSquash)
	}
	return nil
}

// smallSize is the largest size at which an image of about this size keeps its scale, as
// is usual for CIFAR and MNIST. squashSize is the smallest size at which CropAuto shows
// the whole image.
const (
	smallSize  = 32
	squashSize = 384
)

// keepsScale says whether an image is used at its own scale: the size is 32 or less, and
// both sides of the image have this size, or at most an eighth less. The rest is padded
// with zeros, so the 28 pixels of MNIST become 32. All other images are resized.
func keepsScale(size, height, width int) bool {
	least := size - size/8
	return size <= smallSize && least <= min(height, width) && max(height, width) <= size
}
