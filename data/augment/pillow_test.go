package augment

import (
	"hash/crc32"
	"strconv"
	"strings"
	"testing"

	"fasternet/data/picture"
	"fasternet/internal/datatest"
	"fasternet/internal/golden"
)

// pillowNoise returns the images of scripts/make_pillow_ops.py.
func pillowNoise(seed uint32, height, width, channels int) *picture.Image {
	m := picture.NewImage(height, width, channels)
	for i := range m.Pix {
		seed = seed*1664525 + 1013904223
		m.Pix[i] = uint8(seed >> 24)
	}
	return m
}

func pillowLarge(t *testing.T, name string) *picture.Image {
	if name == "rgbnoise" {
		return pillowNoise(13, 224, 224, 3)
	}
	small := pillowNoise(11, 29, 29, 3)
	if name == "grey" {
		small = pillowNoise(12, 29, 29, 1)
	}
	m, err := picture.Resize(small, 224, 224, picture.Bicubic)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// pillowOperation applies an operation by its name in the reference values, such
// as Rotate.bicubic.
func pillowOperation(t *testing.T, m *picture.Image, operation, argument string) *picture.Image {
	t.Helper()
	v, err := strconv.ParseFloat(argument, 64)
	if err != nil {
		t.Fatal(err)
	}
	name, filter, _ := strings.Cut(operation, ".")
	c := Canvas{Image: clonedImage(m), Fill: [3]uint8{124, 116, 104}, Cubic: filter == "bicubic"}
	if m.Channels == 1 {
		c.Fill[0] = 118
	}
	for o := range operationCount {
		if operations[o].name == name {
			c.apply(o, v)
			return c.Image
		}
	}
	t.Fatalf("no operation %s", name)
	return nil
}

func clonedImage(m *picture.Image) *picture.Image {
	out := picture.NewImage(m.Height, m.Width, m.Channels)
	copy(out.Pix, m.Pix)
	return out
}

// Every operation gives the same bytes as Pillow's: for odd sizes, one pixel, one row, flat
// images, colour and grey.
func TestOperationsArePillows(t *testing.T) {
	g := datatest.Goldens(t, "pillow_ops.safetensors")
	seen := map[string]bool{}
	for _, name := range g.Names() {
		parts := strings.Split(name, "/")
		if parts[0] != "out" {
			continue
		}
		in := datatest.GoldenImage[picture.Image](g, "in/"+parts[1])
		before := clonedImage(in)
		datatest.SameImage(t, name, pillowOperation(t, in, parts[2], parts[3]),
			datatest.GoldenImage[picture.Image](g, name))
		datatest.SameImage(t, name+" changes its input:", in, before)
		seen[strings.Split(parts[2], ".")[0]] = true
	}
	for o := range operationCount {
		if !seen[operations[o].name] {
			t.Errorf("no reference values of %s", operations[o].name)
		}
	}
}

func TestOperationsArePillowsAtFullSize(t *testing.T) {
	var want struct{ CRC32 map[string]uint32 }
	golden.JSON(t, "pillow_ops.json", &want)
	images := map[string]*picture.Image{}
	for name, sum := range want.CRC32 {
		parts := strings.Split(name, "/")
		if images[parts[0]] == nil {
			images[parts[0]] = pillowLarge(t, parts[0])
		}
		if got := crc32.ChecksumIEEE(pillowOperation(t, images[parts[0]], parts[1], parts[2]).Pix); got != sum {
			t.Errorf("%s: different bytes than Pillow's", name)
		}
	}
	if len(want.CRC32) < 100 {
		t.Errorf("%d sums", len(want.CRC32))
	}
}
