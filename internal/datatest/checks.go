// Package datatest has code that tests of data sets and images share: files to read, goldens and
// comparisons.
package datatest

import (
	"bytes"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// WantError fails unless err contains the text.
func WantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error is %v, want one with %q", err, text)
	}
}

// Near fails unless the values agree within the tolerance.
func Near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= tolerance) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// AllocatedBy returns how many bytes f allocates.
func AllocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Pixels is the image type of package picture, whose own tests use this package too.
type Pixels interface {
	~struct {
		Pix                     []uint8
		Height, Width, Channels int
	}
}

type pixels struct {
	Pix                     []uint8
	Height, Width, Channels int
}

// SameImage fails unless two images have the same size and the same pixels.
func SameImage[I Pixels](t *testing.T, what string, gotImage, wantImage *I) {
	t.Helper()
	got, want := pixels(*gotImage), pixels(*wantImage)
	if got.Height != want.Height || got.Width != want.Width || got.Channels != want.Channels {
		t.Fatalf("%s: shape %d×%d×%d, want %d×%d×%d", what,
			got.Height, got.Width, got.Channels, want.Height, want.Width, want.Channels)
	}
	if !bytes.Equal(got.Pix, want.Pix) {
		for i := range got.Pix {
			if got.Pix[i] != want.Pix[i] {
				t.Fatalf("%s: value %d is %d, want %d", what, i, got.Pix[i], want.Pix[i])
			}
		}
	}
}

// RandomImage makes an image of noise.
func RandomImage[I Pixels](r *rand.Rand, height, width, channels int) *I {
	m := I(pixels{make([]uint8, height*width*channels), height, width, channels})
	for i := range pixels(m).Pix {
		pixels(m).Pix[i] = uint8(r.IntN(256))
	}
	return &m
}
