package viz

import (
	"image"
	"image/color"
	"math"

	"gonum.org/v1/plot/palette/moreland"
)

// Colours turn the values of a network's input into the colours of a picture: the mean and
// the deviation of each channel, for pixels from 0 to 1.
type Colours struct{ Mean, Std []float32 }

// Picture draws an image [height, width, channels] of normalised values, every pixel as a
// square of zoom × zoom. It cuts values that are too dark or too bright.
func (c Colours) Picture(values []float32, height, width, zoom int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width*zoom, height*zoom))
	channels := len(c.Mean)
	for y := range height {
		for x := range width {
			pixel := values[(y*width+x)*channels:][:channels]
			var rgb [3]uint8
			for i := range rgb {
				j := i % channels // a grey image has one channel
				rgb[i] = eightBit(float64(pixel[j])*float64(c.Std[j]) + float64(c.Mean[j]))
			}
			square(m, x, y, zoom, color.RGBA{rgb[0], rgb[1], rgb[2], 255})
		}
	}
	return m
}

// eightBit scales a value from 0 to 1 to 0 to 255.
func eightBit(v float64) uint8 {
	if !(v > 0) { // NaN too
		return 0
	}
	return uint8(math.Round(min(v, 1) * 255))
}

// square paints square (x, y) of a grid of squares.
func square(m *image.RGBA, x, y, side int, c color.RGBA) {
	for i := range side {
		row := m.Pix[m.PixOffset(x*side, y*side+i):]
		for j := range side {
			row[4*j], row[4*j+1], row[4*j+2], row[4*j+3] = c.R, c.G, c.B, c.A
		}
	}
}

// Blend computes x·(1-m) + y·m of images [height, width, channels] with a mask of the cells
// of a grid.
func Blend(x, y, mask []float32, grid Grid, height, width, channels int) []float32 {
	out := make([]float32, len(x))
	for i := range out {
		row, col := i/channels/width, i/channels%width
		m := mask[row*grid.Rows/height*grid.Cols+col*grid.Cols/width]
		out[i] = x[i]*(1-m) + y[i]*m
	}
	return out
}

// MaskPicture draws a mask, in cells of a side in pixels: white where an image is
// visible, black where it is masked, grey where it is masked in part.
func MaskPicture(mask []float32, grid Grid, side int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, grid.Cols*side, grid.Rows*side))
	for i, v := range mask[:grid.Size()] {
		g := eightBit(1 - float64(v))
		square(m, i%grid.Cols, i/grid.Cols, side, color.RGBA{g, g, g, 255})
	}
	return m
}

// HeatPicture draws a value for every cell, from black at 0 through blue, red and yellow to
// white at most. With a mask, visible cells are grey; the mask may be nil.
func HeatPicture(values []float32, most float64, mask []float32, grid Grid, side int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, grid.Cols*side, grid.Rows*side))
	heat := heatColours()
	for i, v := range values[:grid.Size()] {
		c := color.RGBA{128, 128, 128, 255}
		if mask == nil || mask[i] > 0 {
			share := 0.0
			if most > 0 && v > 0 {
				share = min(float64(v)/most, 1)
			}
			c, _ = color.RGBAModel.Convert(heat[int(share*float64(len(heat)-1))]).(color.RGBA)
			c.A = 255
		}
		square(m, i%grid.Cols, i/grid.Cols, side, c)
	}
	return m
}

// heatColours returns the colours of a black body; their brightness rises evenly for the eye.
func heatColours() []color.Color {
	p := moreland.ExtendedBlackBody()
	p.SetMax(1)
	return p.Palette(256).Colors()
}

// largest returns the largest value that is a number.
func largest(values []float32) float64 {
	most := 0.0
	for _, v := range values {
		if f := float64(v); f > most && !math.IsInf(f, 0) {
			most = f
		}
	}
	return most
}
