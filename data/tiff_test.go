package data

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// greyTIFF is a TIFF file of 8-bit grey values with an orientation, whose tag has a type:
// 3 or 8 of 16 bits, 4 or 9 of 32.
func greyTIFF(order binary.AppendByteOrder, height, width, kind, o int, pix []byte) []byte {
	b := []byte("II")
	if order.AppendUint16(nil, 1)[1] == 1 {
		b = []byte("MM")
	}
	b = order.AppendUint32(order.AppendUint16(b, 42), uint32(8+len(pix)))
	b = append(b, pix...)
	tags := [][3]int{{256, 4, width}, {257, 4, height}, {258, 4, 8}, {259, 4, 1}, {262, 4, 1}, {273, 4, 8}, {274, kind, o}, {277, 4, 1}, {278, 4, height}, {279, 4, len(pix)}}
	b = order.AppendUint16(b, uint16(len(tags)))
	for _, tag := range tags {
		b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, uint16(tag[0])), uint16(tag[1])), 1)
		if tag[1] == 3 || tag[1] == 8 {
			b = order.AppendUint16(order.AppendUint16(b, uint16(tag[2])), 0)
		} else {
			b = order.AppendUint32(b, uint32(tag[2]))
		}
	}
	return order.AppendUint32(b, 0)
}

// The orientation of a TIFF file always counts, as Pillow has it, and once only.
func TestTIFFIsTurned(t *testing.T) {
	want := map[int]string{
		1: "2×3 [1 2 3 4 5 6]", 2: "2×3 [3 2 1 6 5 4]", 3: "2×3 [6 5 4 3 2 1]", 4: "2×3 [4 5 6 1 2 3]",
		5: "3×2 [1 4 2 5 3 6]", 6: "3×2 [4 1 5 2 6 3]", 7: "3×2 [6 3 5 2 4 1]", 8: "3×2 [3 6 2 5 1 4]",
		0: "2×3 [1 2 3 4 5 6]", 9: "2×3 [1 2 3 4 5 6]",
	}
	for o := range 10 {
		for _, how := range []Decoding{{}, {IgnoreOrientation: true}} {
			for _, kind := range []int{3, 4, 8, 9} {
				for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
					content := greyTIFF(order, 2, 3, kind, o, []byte{1, 2, 3, 4, 5, 6})
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

// A packed TIFF image is turned as its file is, whatever it is packed as.
func TestPackedTIFFIsTurned(t *testing.T) {
	dir := t.TempDir()
	pix := make([]byte, 12*20)
	for i := range pix {
		pix[i] = byte(i)
	}
	path := dir + "/a.tif"
	writeFile(t, path, greyTIFF(binary.LittleEndian, 12, 20, 3, 6, pix))
	for _, how := range []Decoding{{}, {IgnoreOrientation: true}} {
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
			DecodeAs(p, how)
			got, err := p.Image(0)
			if err != nil {
				t.Fatal(err)
			}
			if got.Height != want.Height || !bytes.Equal(got.Pix, want.Pix) {
				t.Errorf("%+v, %s: %d×%d pixels, want %d×%d", how, form, got.Height, got.Width, want.Height, want.Width)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
