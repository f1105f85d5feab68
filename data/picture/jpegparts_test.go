package picture

import (
	"fmt"
	"testing"

	"fasternet/internal/datatest"
	"fasternet/internal/rng"
)

// What a loader decodes of a JPEG file, the part that the crop needs, is what
// decoding all of it gives.
func TestPartsOfJPEGs(t *testing.T) {
	content := datatest.EncodeJPEG(t, datatest.Scene(123, 77))
	whole, err := Decode(content)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseJPEG(content)
	if err != nil || !h.fast {
		t.Fatalf("%+v, %v", h, err)
	}
	r := rng.New(1, rng.Bench)
	var d jpegDecoder
	var got Image
	for range 200 {
		box := Box{r.IntN(77), r.IntN(123), 0, 0}
		box.Height, box.Width = 1+r.IntN(77-box.Top), 1+r.IntN(123-box.Left)
		if err := d.decode(&got, content, h, box, 3); err != nil {
			t.Fatal(err)
		}
		want := NewImage(box.Height, box.Width, 3)
		CropPadded(want, whole, box.Top, box.Left)
		datatest.SameImage(t, fmt.Sprint(box), &got, want)
	}
}
