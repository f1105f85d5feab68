package viz

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/data/preprocess"
	_ "fasternet/graph/families"
	"fasternet/graph/localmim"
	"fasternet/kernels"
)

// images is a data set of n grey pictures of 16×16 pixels.
type images int

func (n images) Len() int        { return int(n) }
func (images) Classes() []string { return []string{`<b>"stripes"</b>`} }
func (images) Label(int) int     { return 0 }
func (images) Name(i int) string { return "picture " + strings.Repeat("i", i+1) }
func (images) Image(i int) (*picture.Image, error) {
	m := picture.NewImage(16, 16, 1)
	for j := range m.Pix {
		m.Pix[j] = uint8(j * (i + 3) % 251)
	}
	return m, nil
}

var families = map[string]string{
	"vit hog": "model: {name: vit, embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4, mlp_ratio: 2, in_chans: 1}\n" +
		"mim: {taps: [1, 2], scales: [2, 0.5], decoder_dim: 16, decoder_heads: 2}",
	"swin pixel": "model: {name: swin, embed_dim: 8, depths: [2, 2], num_heads: [2, 2], " +
		"window_size: 2, patch_size: 2, mlp_ratio: 2, in_chans: 1}\n" +
		"mim: {target: pixel, decoder_dim: 16, decoder_heads: 2}",
}

func sheetOf(t *testing.T, family string, n int, seed uint64) *Sheet {
	t.Helper()
	const common = "\ntask: localmim\ndata: {name: fashion-mnist, image_size: 16, mean: [0.3], std: [0.4]}\n"
	c, err := configs.Parse("test", families[family]+common)
	if err != nil {
		t.Fatal(err)
	}
	net, err := localmim.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(2)
	defer pool.Close()
	s, err := Reconstructions(context.Background(), localmim.NewRunner(net, pool), images(12), Options{
		Title: "A & B", Transform: preprocess.Evaluation(c.Data, 1), Most: n, Seed: seed,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func page(t *testing.T, s *Sheet) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A page needs no other file, and shows everything.
func TestPage(t *testing.T) {
	for _, family := range slices.Sorted(maps.Keys(families)) {
		text := page(t, sheetOf(t, family, 9, 5)) // more than a batch
		for _, outside := range []string{"http", "<script", "<link", "url(", "@import", "<b>", "ZgotmplZ"} {
			if strings.Contains(text, outside) {
				t.Errorf("%s: the page has %q", family, outside)
			}
		}
		want := 9 * (2 + 2*4)
		got := strings.Count(text, `src="data:image/png;base64,`)
		if got != want || strings.Count(text, "<img") != want {
			t.Errorf("%s: %d pictures, want %d", family, got, want)
		}
		if pixel := strings.Contains(family, "pixel"); strings.Contains(text, "TRUE mean and deviation") != pixel {
			t.Errorf("%s: the page is wrong about the statistics of the pixels", family)
		}
		for _, part := range []string{"A &amp; B", "viewport", "color-scheme", "picture iiiiiiiii", "cells of"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: the page has no %q", family, part)
			}
		}
	}
}

func TestDeterministic(t *testing.T) {
	for _, family := range slices.Sorted(maps.Keys(families)) {
		a := page(t, sheetOf(t, family, 2, 5))
		if a != page(t, sheetOf(t, family, 2, 5)) {
			t.Errorf("%s: the same seed gives another page", family)
		}
		seeds := regexp.MustCompile(`masks: \d`)
		if seeds.ReplaceAllString(a, "") == seeds.ReplaceAllString(page(t, sheetOf(t, family, 2, 6)), "") {
			t.Errorf("%s: another seed gives the same page", family)
		}
	}
}

func TestContact(t *testing.T) {
	s := sheetOf(t, "vit hog", 3, 5)
	path := filepath.Join(t.TempDir(), "sheet.png")
	if err := s.Write(path); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	const panel, panels, groups = 192, 10, 3
	width := 2*margin + panels*panel + (panels-groups)*gap + (groups-1)*groupGap
	if got := m.Bounds().Dx(); got != width {
		t.Errorf("%d wide, want %d", got, width)
	}
	rows := 3 * (line + panel + line + groupGap/2)
	if got := m.Bounds().Dy(); got < rows || got > rows+12*line {
		t.Errorf("%d high, want some more than %d", got, rows)
	}
	// The last panel of the last row is in its place.
	b := m.Bounds().Max
	left, top := b.X-margin-panel, b.Y-margin-groupGap/2-line-panel
	group := s.Entries[2].Groups[2].Panels
	want := group[len(group)-1].Image
	for y := range panel {
		for x := range panel {
			if got, want := m.At(left+x, top+y), want.At(x, y); got != want {
				t.Fatalf("pixel (%d, %d) of the last panel is %v, want %v", x, y, got, want)
			}
		}
	}
}

// Groups that do not fit next to each other go to the next line.
func TestContactOfManyPanels(t *testing.T) {
	panel := Panel{
		Title:   "panel",
		Caption: strings.Repeat("long ", 100),
		Image:   image.NewRGBA(image.Rect(0, 0, 500, 20)),
	}
	four := Group{Title: "group", Panels: []Panel{panel, panel, panel, panel}}
	for _, c := range []struct{ groups, want int }{{1, 1}, {2, 2}, {5, 5}} {
		t.Run(fmt.Sprint(c.groups), func(t *testing.T) {
			s := &Sheet{
				Title:   "many",
				Entries: []Entry{{Name: "image", Groups: slices.Repeat([]Group{four}, c.groups)}},
			}
			lines, _ := s.lines()
			m, err := s.Contact()
			if err != nil || len(lines) != c.want || m.Bounds().Dx() != 2*margin+4*500+3*gap {
				t.Errorf("%d groups: %v, %v, %v", c.groups, lines, m.Bounds(), err)
			}
		})
	}
}

func TestBadSheets(t *testing.T) {
	if err := (&Sheet{}).Write("sheet.jpg"); err == nil || !strings.Contains(err.Error(), "ends in .html") {
		t.Errorf("a JPEG: %v", err)
	}
	path := filepath.Join(t.TempDir(), "sheet.png")
	if err := (&Sheet{}).Write(path); err == nil {
		t.Error("an empty sheet was written")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("an incomplete file was left")
	}
	transform := &data.EvalTransform{
		Size:          16,
		Crop:          data.CropSquash,
		Interpolation: picture.Bicubic,
		Mean:          []float32{0},
		Std:           []float32{1},
		Channels:      1,
	}
	if err := each(context.Background(), images(0), Options{Transform: transform}, nil, nil); err == nil {
		t.Error("no images")
	}
}
