package sets

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
)

// The orientation of a TIFF file always counts, and only once, as in Pillow.
func TestTIFFIsTurned(t *testing.T) {
	want := map[int]string{
		1: "2×3 [1 2 3 4 5 6]", 2: "2×3 [3 2 1 6 5 4]", 3: "2×3 [6 5 4 3 2 1]", 4: "2×3 [4 5 6 1 2 3]",
		5: "3×2 [1 4 2 5 3 6]", 6: "3×2 [4 1 5 2 6 3]", 7: "3×2 [6 3 5 2 4 1]", 8: "3×2 [3 6 2 5 1 4]",
		0: "2×3 [1 2 3 4 5 6]", 9: "2×3 [1 2 3 4 5 6]",
	}
	for o := range 10 {
		for _, how := range []picture.Decoding{{}, {IgnoreOrientation: true}} {
			for _, kind := range []int{3, 4, 8, 9} {
				for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
					content := datatest.GreyTIFF(order, 2, 3, kind, o, []byte{1, 2, 3, 4, 5, 6})
					m, err := how.Decode(content)
					if err != nil {
						t.Fatal(err)
					}
					if got := fmt.Sprintf("%d×%d %v", m.Height, m.Width, m.Pix); got != want[o] {
						t.Errorf("orientation %d of type %d, %v, %+v: %s, want %s", o, kind, order, how, got, want[o])
					}
				}
			}
		}
	}
}

// A packed TIFF image is turned like its file, in whatever form it is packed.
func TestPackedTIFFIsTurned(t *testing.T) {
	dir := t.TempDir()
	pix := make([]byte, 12*20)
	for i := range pix {
		pix[i] = byte(i)
	}
	path := dir + "/a.tif"
	datatest.WriteFile(t, path, datatest.GreyTIFF(binary.LittleEndian, 12, 20, 3, 6, pix))
	for _, how := range []picture.Decoding{{}, {IgnoreOrientation: true}} {
		source := Files{path}.As(how)
		want, err := source.Image(0)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []PackForm{PackJPEG, PackDecoded} {
			packed := dir + "/" + string(form) + ".pack"
			if _, err := Pack(t.Context(), packed, source, PackOptions{Form: form, Quality: 95}); err != nil {
				t.Fatal(err)
			}
			p, err := OpenPacked(packed)
			if err != nil {
				t.Fatal(err)
			}
			data.DecodeAs(p, how)
			got, err := p.Image(0)
			if err != nil {
				t.Fatal(err)
			}
			if got.Height != want.Height || !bytes.Equal(got.Pix, want.Pix) {
				t.Errorf("%+v, %s: %d×%d pixels, want %d×%d",
					how, form, got.Height, got.Width, want.Height, want.Width)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
