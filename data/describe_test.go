package data

import (
	"testing"

	"fasternet/internal/datatest"
)

func TestDescribeLabelsAndSize(t *testing.T) {
	_, err := Describe(badLabels{newFakeSet(1)}, false)
	datatest.WantError(t, err, "fake 0: label 7 is not one of the 4 classes")

	many := newFakeSet(1000)
	got, err := Describe(many, false)
	if err != nil || got.Decoded != 64 || many.decoded.Load() != 64 {
		t.Errorf("%d of %d samples decoded, %v", many.decoded.Load(), got.Decoded, err)
	}
	if got, err = Describe(newFakeSet(0), false); err != nil || got.Samples != 0 || got.Height != (Spread{}) {
		t.Errorf("empty: %+v, %v", got, err)
	}
}
