package viz

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"golang.org/x/image/vector"
)

// Glyphs draws histograms of oriented gradients [cells, channels·bins] of a grid on
// black, in cells of a side in pixels. For each bin it draws a line through the centre of
// the cell, along the edge that has such gradients. The length is the mean over the
// channels; a line of length most goes from side to side. Values below zero, which only
// predictions have, have no line.
func Glyphs(values []float32, grid Grid, channels, bins, side int, most float32) *image.RGBA {
	bounds := image.Rect(0, 0, grid.Cols*side, grid.Rows*side)
	m := image.NewRGBA(bounds)
	draw.Draw(m, bounds, image.Black, image.Point{}, draw.Src)
	lines := vector.NewRasterizer(bounds.Dx(), bounds.Dy())
	half := max(float64(side)/24, 0.5)
	for cell := range grid.Size() {
		mean := meanChannels(values[cell*channels*bins:][:channels*bins], bins)
		x := (float64(cell%grid.Cols) + 0.5) * float64(side)
		y := (float64(cell/grid.Cols) + 0.5) * float64(side)
		for b, v := range mean {
			if !(v > 0) || most <= 0 { // NaN too
				continue
			}
			dx, dy := edge(b, bins)
			length := float64(min(v/most, 1)) * float64(side) / 2
			stroke(lines, x, y, dx*length, dy*length, dx*half, dy*half)
		}
	}
	lines.Draw(m, bounds, image.NewUniform(color.White), image.Point{})
	return m
}

// edge returns the direction, to the right and down, of edges whose gradients are in the
// middle of a bin. The orientation of a gradient is atan2(g0, g1) of its horizontal part g0
// and its vertical part g1, so it points along (sin, cos).
func edge(bin, bins int) (dx, dy float64) {
	sin, cos := math.Sincos((float64(bin) + 0.5) * math.Pi / float64(bins))
	return cos, -sin
}

// stroke adds a line through (x, y) to (x±lx, y±ly); (wx, wy) is a vector of half its
// width. All lines turn the same way round, so that they do not cancel each other where
// they cross.
func stroke(r *vector.Rasterizer, x, y, lx, ly, wx, wy float64) {
	at := func(along, across float64) (float32, float32) {
		return float32(x + along*lx - across*wy), float32(y + along*ly + across*wx)
	}
	r.MoveTo(at(-1, -1))
	r.LineTo(at(1, -1))
	r.LineTo(at(1, 1))
	r.LineTo(at(-1, 1))
	r.ClosePath()
}

// meanChannels returns the mean histogram of the channels of a cell.
func meanChannels(values []float32, bins int) []float32 {
	mean := make([]float32, bins)
	for i, v := range values {
		mean[i%bins] += v / float32(len(values)/bins)
	}
	return mean
}

// largestMean returns the largest value that Glyphs would draw of the histograms.
func largestMean(values []float32, channels, bins int) float32 {
	var most float32
	for ; len(values) > 0; values = values[channels*bins:] {
		for _, v := range meanChannels(values[:channels*bins], bins) {
			most = max(most, v)
		}
	}
	return most
}
