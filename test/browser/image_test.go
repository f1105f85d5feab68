package browser_test

import (
	"bytes"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var picture = flag.String("image", "", "file for a picture of the first of the pages, for the README")

// The sizes of the picture: the width of the window, and the height of the picture.
const (
	windowWidth   = 1060
	pictureHeight = 1150
)

// TestImage draws a picture of a report for the README: its beginning at the left, and its parts about
// classes and images at the right.
func TestImage(t *testing.T) {
	if *picture == "" || *pages == "" {
		t.Skip("no -image")
	}
	ctx, w := tab(t, fileURL(t, *pages))
	ask(t, ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width:             windowWidth,
		Height:            900,
		DeviceScaleFactor: 1,
	})
	ask(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}},
	})
	box := func(title string) string {
		return `[...document.querySelectorAll("h2")].find((e) => e.textContent === "` + title + `")` +
			`.closest("section").getBoundingClientRect()`
	}
	top := eval[int](t, ctx, `Math.round(`+box("Where it looks")+`.top + scrollY) - 12`)
	classes := eval[int](t, ctx, `Math.round(`+box("Classes")+`.top + scrollY) - 12`)
	height := eval[int](t, ctx, `Math.round(`+box("Classes")+`.height) + 12`)
	shot, err := png.Decode(bytes.NewReader(value(t, ctx, chromedp.FullScreenshot(100))))
	if err != nil {
		t.Fatal(err)
	}
	w.check(t)
	whole := image.NewRGBA(image.Rect(0, 0, 2*windowWidth, pictureHeight))
	part := func(x, y, from, to int) {
		draw.Draw(whole, image.Rect(x, y, x+windowWidth, y+to-from), shot, image.Pt(0, from), draw.Src)
	}
	part(0, 0, 0, pictureHeight)
	part(windowWidth, 0, classes, classes+height)
	part(windowWidth, height, top, top+pictureHeight-height)
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, fewColours(whole)); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 200_000 {
		t.Errorf("the picture has %d bytes, want at most 200,000", b.Len())
	}
	if err := os.WriteFile(*picture, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fewColours reduces a picture to its 256 most frequent colours, for a small file.
func fewColours(m *image.RGBA) *image.Paletted {
	coarse := func(c color.RGBA) color.RGBA { return color.RGBA{c.R &^ 7, c.G &^ 7, c.B &^ 7, 255} }
	counts, exact := map[color.RGBA]int{}, map[color.RGBA]color.RGBA{}
	bounds := m.Bounds()
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			c := m.RGBAAt(x, y)
			counts[coarse(c)]++
			exact[coarse(c)] = c
		}
	}
	colours := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(counts[b]-counts[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var chosen color.Palette
	for _, c := range colours[:min(len(colours), 256)] {
		chosen = append(chosen, exact[c])
	}
	few, nearest := image.NewPaletted(bounds, chosen), map[color.RGBA]uint8{}
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			c := coarse(m.RGBAAt(x, y))
			i, ok := nearest[c]
			if !ok {
				i = uint8(chosen.Index(exact[c]))
				nearest[c] = i
			}
			few.SetColorIndex(x, y, i)
		}
	}
	return few
}
