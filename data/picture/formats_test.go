package picture

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"fasternet/internal/datatest"
)

// decodedRGB decodes with 3 channels.
func decodedRGB(t *testing.T, how Decoding, content []byte) *Image {
	t.Helper()
	m, err := how.Decode(content)
	if err != nil {
		t.Fatal(err)
	}
	if m.Channels == 3 {
		return m
	}
	var colours Image
	Convert(&colours, m)
	return &colours
}

// closeTo fails unless an image equals Pillow's: in every bit, or within the rounding of the
// decoders for lossy formats.
func closeTo(t *testing.T, got, want *Image, exact bool) {
	t.Helper()
	if exact {
		datatest.SameImage(t, "decoded", got, want)
		return
	}
	if got.Height != want.Height || got.Width != want.Width || got.Channels != want.Channels {
		t.Fatalf("%d×%d×%d, want %d×%d×%d",
			got.Height, got.Width, got.Channels, want.Height, want.Width, want.Channels)
	}
	most, sum := 0, 0
	for i, v := range got.Pix {
		d := int(v) - int(want.Pix[i])
		most, sum = max(most, d, -d), sum+max(d, -d)
	}
	if mean := float64(sum) / float64(len(got.Pix)); most > 3 || mean > 0.1 {
		t.Errorf("off by up to %d and %.3f on average", most, mean)
	}
}

// Files of all formats decode to Pillow's pixels.
func TestFormatsArePillows(t *testing.T) {
	g := datatest.Goldens(t, "pillow_formats.safetensors")
	seen := map[string]int{}
	for _, tensor := range g.Names() {
		kind, name, _ := strings.Cut(tensor, "/")
		how := Decoding{IgnoreOrientation: true}
		switch kind {
		case "rgb":
			how.Clip16Bit = true
		case "scaled":
		default:
			continue
		}
		format, _, _ := strings.Cut(name, "/")
		seen[format]++
		t.Run(tensor, func(t *testing.T) {
			_, content := g.Get("file/" + name)
			exact := format != "jpg" &&
				(format != "webp" || strings.Contains(name, "lossless") || strings.Contains(name, "turned"))
			closeTo(t, decodedRGB(t, how, content), datatest.GoldenImage[Image](g, tensor), exact)
		})
	}
	for format := range rooms {
		if seen[format] == 0 {
			t.Errorf("no file of the format %s", format)
		}
	}
}

// Decoding a part of a JPEG file gives the same pixels as the whole image has there, whatever its
// chroma.
func TestPartsOfAllJPEGs(t *testing.T) {
	g := datatest.Goldens(t, "pillow_formats.safetensors")
	r := rand.New(rand.NewPCG(1, 2))
	for _, tensor := range g.Names() {
		if !strings.HasPrefix(tensor, "file/jpg/") {
			continue
		}
		_, content := g.Get(tensor)
		h, err := parseJPEG(content)
		if err != nil {
			t.Fatal(err)
		}
		whole := new(Image)
		var d jpegDecoder
		if err := d.decode(whole, content, h, Box{0, 0, h.height, h.width}, h.channels); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			top, left := r.IntN(h.height), r.IntN(h.width)
			box := Box{top, left, 1 + r.IntN(h.height-top), 1 + r.IntN(h.width-left)}
			part, want := new(Image), NewImage(box.Height, box.Width, h.channels)
			if err := d.decode(part, content, h, box, h.channels); err != nil {
				t.Fatal(err)
			}
			CropPadded(want, whole, box.Top, box.Left)
			if !bytes.Equal(part.Pix, want.Pix) {
				t.Errorf("%s: the part %+v differs", tensor, box)
			}
		}
	}
}

// The error for a format that is not decoded names the format and says what to do.
func TestRefusedFormats(t *testing.T) {
	g := datatest.Goldens(t, "pillow_formats.safetensors")
	for _, c := range []struct{ name, want string }{
		{"tif-g3-2d", "a TIFF image with the two-dimensional codes of fax group 3"},
		{"tif-cmyk", "a TIFF image with the colours of a printer (CMYK)"},
		{"tif-jpeg", "a TIFF image with JPEG compression"},
		{"tif-planes", "a TIFF image with each colour in a plane of its own"},
		{"tif-float", "a TIFF image of floating-point numbers"},
		{"tif-bands", "a TIFF image with 6 values per pixel"},
		{"tif-big", "a BigTIFF image"},
		{"avif", "an AVIF image"},
		{"heic", "a HEIC image"},
		{"jp2", "a JPEG 2000 image"},
		{"jxl", "a JPEG XL image"},
		{"ico", "an icon (ICO)"},
		{"pcx", "a PCX image"},
		{"jpg-arithmetic", "a JPEG image with arithmetic coding"},
	} {
		_, content := g.Get("file/refused/" + c.name)
		_, err := Decode(content)
		datatest.WantError(t, err, c.want)
		datatest.WantError(t, err, "convert it to PNG or JPEG first")
		if strings.Count(err.Error(), "convert it") != 1 {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, c := range []struct {
		name, content, want string
	}{
		{"page", "\n<!DOCTYPE html><html>", "an HTML page"},
		{"pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs pull"},
		{"drawing", `<?xml version="1.0"?><svg xmlns=`, "an SVG drawing"},
		{"text", "no image\n", "a text file, not an image"},
		{"archive", "PK\x03\x04....", "a zip archive, not an image: unpack it first"},
		{"tar", strings.Repeat("\x00", 257) + "ustar", "a tar archive, not an image"},
		{"video", "\x00\x00\x00\x20ftypisom....", "a video"},
		{"raw", "II\x2a\x00\x10\x00\x00\x00CR\x02\x00" + strings.Repeat("\x00", 20), "a camera raw file"},
		{"bytes", "\x01\x02\x03\x04", "neither a JPEG nor a PNG"},
	} {
		_, err := Decode([]byte(c.content))
		datatest.WantError(t, err, c.want)
	}
}

// Damaged files of Netpbm are errors.
func TestDamagedPNM(t *testing.T) {
	for _, c := range []struct{ name, content, want string }{
		{"cut", "P5 3 1 255\nab", "truncated"},
		{"text cut", "P2 3 1 255\n1 2", "truncated"},
		{"bits cut", "P4 9 2\n\x01", "truncated"},
		{"header cut", "P6 3", "truncated"},
		{"no numbers", "P2 3 1 255\n1 x 2", `'x' in the place of a number`},
		{"no bits", "P1 2 1\n02", "0 and 1, not '2'"},
		{"above the largest", "P2 2 1 9\n3 12", "a number above 9"},
		{"largest", "P5 1 1 70000\nab", "1 to 65535 is needed"},
		{"nothing", "P5 0 1 255\n", "the image is empty"},
		{"bomb", "P4 100000 1000\n\x00", "decompression bomb"},
		{"huge", "P5 99999999999 1 255\n", "a number above"},
	} {
		_, err := Decode([]byte(c.content))
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		datatest.WantError(t, err, c.want)
	}
}
