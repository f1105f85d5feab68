package sets

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
)

// packed packs a dataset and opens the file.
func packed(t *testing.T, ds data.Dataset, o PackOptions) (*Packed, PackResult) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pack")
	r, err := Pack(t.Context(), path, ds, o)
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenPacked(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, r
}

// Files that are small enough are kept byte for byte, whatever their format. Files of lossless
// formats lose nothing but size when they are made smaller.
func TestPackLosesNothing(t *testing.T) {
	g := datatest.Goldens(t, "pillow_formats.safetensors")
	dir := t.TempDir()
	for _, c := range []struct {
		name     string
		lossless bool
	}{
		{"png/rgb", true},
		{"png/grey16", true},
		{"tif/rgb-lzw", true},
		{"tif/g4-min-is-black", true},
		{"gif/animated", true},
		{"bmp/palette", true},
		{"pnm/p6-deep", true}, {"webp/lossless", true}, {"webp/animated-lossless", true}, {"webp/alpha-lossless", true},
		{"webp/lossy", false},
		{"webp/animated-lossy", false},
		{"webp/alpha", false},
		{"jpg/420", false},
		{"jpg/ycck-420", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, content := g.Get("file/" + c.name)
			path := filepath.Join(dir, filepath.Base(c.name))
			datatest.WriteFile(t, path, content)
			src := Files{path}

			whole, r := packed(t, src, PackOptions{Form: PackJPEG, ShortSide: 21, Quality: 90})
			got, _, err := data.Encoded(whole, 0, nil)
			if err != nil || !bytes.Equal(got, content) || r.Kept != 1 || r.Lossless+r.Lossy+r.Pixels != 0 {
				t.Errorf("of the same size: %d bytes of %d, %+v, %v", len(got), len(content), r, err)
			}

			m, err := src.Image(0)
			if err != nil {
				t.Fatal(err)
			}
			want, err := picture.Resize(m, 10, 14, picture.Bicubic) // 21×29 by 10/21
			if err != nil {
				t.Fatal(err)
			}
			small, r := packed(t, src, PackOptions{Form: PackJPEG, ShortSide: 10, Quality: 90})
			if (r.Lossless == 1) != c.lossless || (r.Lossy == 1) == c.lossless || r.Kept != 0 {
				t.Errorf("made smaller: %+v", r)
			}
			if m, err = small.Image(0); err != nil {
				t.Fatal(err)
			}
			if c.lossless {
				datatest.SameImage(t, "made smaller", m, want)
			}
			lossy, r := packed(t, src, PackOptions{Form: PackJPEG, ShortSide: 10, Quality: 90, Lossy: true})
			if got, _, _ = data.Encoded(lossy, 0, nil); picture.Format(got) != "jpg" || r.Lossy != 1 {
				t.Errorf("lossy: %+v", r)
			}
			pixels, r := packed(t, src, PackOptions{Form: PackDecoded, ShortSide: 10})
			if m, err = pixels.Image(0); err != nil || r.Pixels != 1 {
				t.Fatal(r, err)
			}
			datatest.SameImage(t, "pixels", m, want)
		})
	}
}

// Data sets of pixels become PNG files.
func TestPackPixels(t *testing.T) {
	for _, side := range []int{0, 4} {
		ds := newNoise(3)
		d, r := packed(t, ds, PackOptions{Form: PackJPEG, ShortSide: side, Quality: 50})
		if r.Lossless != 3 || r.Kept+r.Lossy != 0 {
			t.Errorf("short side %d: %+v", side, r)
		}
		m, err := ds.Image(1)
		if err != nil {
			t.Fatal(err)
		}
		if short := min(m.Height, m.Width); side > 0 && short > side {
			scale := func(n int) int { return (n*side + short/2) / short }
			if m, err = picture.Resize(m, scale(m.Height), scale(m.Width), picture.Bicubic); err != nil {
				t.Fatal(err)
			}
		}
		got, err := d.Image(1)
		if err != nil {
			t.Fatal(err)
		}
		datatest.SameImage(t, fmt.Sprintf("short side %d", side), got, m)
	}
}

// A packed file keeps the orientations of its source. It can be read with and without them.
func TestPackKeepsOrientation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tall := image.NewRGBA(image.Rect(0, 0, 60, 40))
	for y := range 40 {
		for x := range 60 {
			tall.Set(x, y, color.RGBA{uint8(4 * x), uint8(6 * y), uint8(x + y), 255})
		}
	}
	for o := 1; o <= 8; o++ {
		datatest.WriteFile(t, filepath.Join(dir, fmt.Sprintf("%d.jpg", o)),
			datatest.WithOrientation(datatest.EncodeJPEG(t, tall), o))
		datatest.WriteFile(t, filepath.Join(dir, fmt.Sprintf("%d.png", o)),
			picture.WithEXIF(datatest.EncodePNG(t, tall), "png", picture.Orientation(o)))
	}
	files, _, err := ListImages(dir)
	if err != nil || len(files) != 16 {
		t.Fatal(files, err)
	}
	for _, packedAs := range []picture.Decoding{{}, {IgnoreOrientation: true}} {
		for _, o := range []PackOptions{
			{Form: PackJPEG, Quality: 100},
			{Form: PackJPEG, Quality: 100, ShortSide: 40},
			{Form: PackJPEG, Quality: 100, ShortSide: 20},
			{Form: PackDecoded}, {Form: PackDecoded, ShortSide: 20},
		} {
			d, _ := packed(t, files.As(packedAs), o)
			for _, how := range []picture.Decoding{{}, {IgnoreOrientation: true}} {
				data.DecodeAs(d, how)
				src := files.As(how)
				for i := range src.Len() {
					want, err := src.Image(i)
					if err != nil {
						t.Fatal(err)
					}
					if o.ShortSide == 20 {
						if want, err = picture.Resize(want, want.Height/2, want.Width/2, picture.Bicubic); err != nil {
							t.Fatal(err)
						}
					}
					got, err := d.Image(i)
					if err != nil {
						t.Fatal(err)
					}
					if got.Height != want.Height || got.Width != want.Width {
						t.Fatalf("%s, %+v, %+v: %d×%d, want %d×%d",
							src.Name(i), o, how, got.Height, got.Width, want.Height, want.Width)
					}
					for k := range got.Pix { // JPEG and the order of resizing and turning round
						if diff := int(got.Pix[k]) - int(want.Pix[k]); diff > 12 || diff < -12 {
							t.Fatalf("%s, %+v, %+v: value %d is %d, want %d",
								src.Name(i), o, how, k, got.Pix[k], want.Pix[k])
						}
					}
				}
				// After packing and sharding again the orientations are still there.
				again, _ := packed(t, d, PackOptions{Form: PackJPEG, Quality: 100})
				data.DecodeAs(again, how)
				sameSize(t, again, src, o.ShortSide == 20)
				shards := t.TempDir()
				if err := WriteShards(t.Context(), shards, d, ShardOptions{Name: "train", PerShard: 100}); err != nil {
					t.Fatal(err)
				}
				s, err := OpenShards([]string{filepath.Join(shards, "train-000000.tar")}, Labels{})
				if err != nil {
					t.Fatal(err)
				}
				data.DecodeAs(s, how)
				sameSize(t, s, src, o.ShortSide == 20)
				// A loader reads the same image.
				tr := evalTransform(20, 3)
				a, err1 := data.View(d, tr, 1, 0, 5)
				m, err2 := d.Image(5)
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				b := make([]float32, len(a))
				if err := tr.Apply(m, nil, b); err != nil {
					t.Fatal(err)
				}
				datatest.Near(t, "by a loader", a, b, 0)
			}
		}
	}
}

// sameSize fails unless images have the same sizes, or half of them.
func sameSize(t *testing.T, got, want data.Dataset, half bool) {
	t.Helper()
	for i := range want.Len() {
		a, err1 := got.Image(i)
		b, err2 := want.Image(i)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		by := 1
		if half {
			by = 2
		}
		if a.Height*by != b.Height || a.Width*by != b.Width {
			t.Fatalf("%s: %d×%d, want %d×%d by %d", want.Name(i), a.Height, a.Width, b.Height, b.Width, by)
		}
	}
}

// Packing resumes after an interruption, and counts how the samples written before were stored.
func TestPackCountsWhatWasThere(t *testing.T) {
	src := packSource(t)
	path := filepath.Join(t.TempDir(), "x.pack")
	o := PackOptions{Form: PackJPEG, Quality: 90, ShortSide: 2}
	first, err := Pack(t.Context(), path, src, o)
	if err != nil || first.Lossless != 9 {
		t.Fatalf("%+v, %v", first, err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	datatest.WriteFile(t, path+".part", whole[:len(whole)/2])
	r, err := Pack(t.Context(), path, src, o)
	if err != nil || r.Resumed == 0 || r.Lossless != 9 {
		t.Errorf("%+v, %v", r, err)
	}
	o.Lossy = true
	datatest.WriteFile(t, path+".part", whole[:len(whole)/2])
	if r, err = Pack(t.Context(), path, src, o); err != nil || r.Resumed != 0 || r.Lossy != 9 {
		t.Errorf("with another option: %+v, %v", r, err)
	}
}
