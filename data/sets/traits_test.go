package sets

import (
	"fmt"
	"image"
	"image/color"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
)

// deepPNG returns a grey PNG of 16 bits with values up to most.
func deepPNG(t *testing.T, most int) []byte {
	m := image.NewGray16(image.Rect(0, 0, 20, 16))
	for i := range 320 {
		m.SetGray16(i%20, i/20, color.Gray16{uint16(i * most / 319)})
	}
	return datatest.EncodePNG(t, m)
}

// Images that a setting decides about are counted and described, in files and in packed pixels.
func TestSurvey(t *testing.T) {
	dir := t.TempDir()
	plain := datatest.EncodeJPEG(t, datatest.Scene(30, 20))
	for i := range 6 {
		turned := datatest.WithOrientation(plain, i+1) // 1 is upright
		datatest.WriteFile(t, filepath.Join(dir, fmt.Sprintf("%d.jpg", i)), turned)
	}
	datatest.WriteFile(t, filepath.Join(dir, "deep.png"), deepPNG(t, 65535))
	datatest.WriteFile(t, filepath.Join(dir, "deep.pgm"), []byte("P5 2 1 1000\n\x00\x10\x01\x00"))
	datatest.WriteFile(t, filepath.Join(dir, "torn.png"), []byte("\x89PNG\r\n\x1a\n"))
	files, _, err := ListImages(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := data.Traits{Looked: 9, Turned: 5, Deep: 2, Largest: 255}
	for _, workers := range []int{1, 3} {
		if got, err := data.Survey(t.Context(), files, 0, workers); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	if got, err := data.Survey(t.Context(), files, 3, 0); err != nil || got.Looked != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	d, _ := packed(t, files, PackOptions{Form: PackDecoded, SkipBad: func(error) {}})
	if got, err := data.Survey(t.Context(), d, 0, 0); err != nil || got.Turned != 5 || got.Looked != 8 {
		t.Errorf("packed: %+v, %v", got, err)
	}
	if got, err := data.Survey(t.Context(), newNoise(4), 0, 0); err != nil || got != (data.Traits{}) {
		t.Errorf("pixels: %+v, %v", got, err)
	}
	v, err := data.Verify(t.Context(), files, data.VerifyOptions{})
	if err != nil || len(v.Broken) != 1 || v.Traits != (data.Traits{Looked: 8, Turned: 5, Deep: 2, Largest: 255}) {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestDescribeTraits(t *testing.T) {
	for _, c := range []struct {
		t              data.Traits
		how            picture.Decoding
		facts, warning string
	}{
		{
			data.Traits{Looked: 9, Turned: 0, Deep: 0, Largest: 0},
			picture.Decoding{IgnoreOrientation: true, Clip16Bit: true}, "", "",
		},
		{
			data.Traits{Looked: 9, Turned: 2, Deep: 0, Largest: 0}, picture.Decoding{},
			"2 of 9 images looked at have an EXIF orientation other than upright, by which they are turned",
			"",
		},
		{
			data.Traits{Looked: 9, Turned: 2, Deep: 0, Largest: 0},
			picture.Decoding{IgnoreOrientation: true}, "",
			"which is ignored (data.orientation: ignore; exif turns them)",
		},
		{
			data.Traits{Looked: 9, Turned: 0, Deep: 9, Largest: 255}, picture.Decoding{},
			"9 of 9 images looked at are grey with more than 8 bits; their values are scaled",
			"",
		},
		{
			data.Traits{Looked: 9, Turned: 0, Deep: 9, Largest: 15}, picture.Decoding{}, "",
			"none is above 15 of 255, so that 16 levels of grey are left",
		},
		{
			data.Traits{Looked: 9, Turned: 0, Deep: 9, Largest: 255},
			picture.Decoding{Clip16Bit: true}, "", "their values above 255 become 255",
		},
	} {
		facts, warnings := c.t.Describe(c.how)
		for _, x := range []struct {
			got  []string
			want string
		}{{facts, c.facts}, {warnings, c.warning}} {
			if text := strings.Join(x.got, "\n"); !strings.Contains(text, x.want) || (text == "") != (x.want == "") {
				t.Errorf("%+v, %+v: %q, want %q", c.t, c.how, text, x.want)
			}
		}
	}
}
