package masking

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"fasternet/kernels"
)

// HOG computes histograms of oriented gradients (Dalal and Triggs, 2005) of an image at several
// scales, as LocalMIM reconstructs them. For each channel and cell it sums the magnitudes of
// Sobel's gradients by their unsigned orientation, and divides by the length of that vector. There
// is no window, no interpolation between bins and no normalisation over blocks. The image is
// continued by its mirror image, without repeating the border.
//
// It is safe for concurrent use.
type HOG struct {
	height, width, channels int
	bins                    int
	cells                   []int
	bias                    [][2]float32
	passes                  []hogPass
	orientations            *kernels.Orientations
	scratch                 sync.Pool // of *hogScratch
}

// hogPass is one gradient of the image, for all scales with the same bias.
type hogPass struct {
	bias   [2]float32
	unit   int   // side of the cells from which all of them can be summed
	scales []int // by ascending size of cells
	source []int // for each scale: the scale that it is summed from, or -1 for the unit cells
}

type hogScratch struct {
	padded [3][]float32 // lines of the image with a pixel on either side
	mag    []float32
	bin    []int32
	unit   []float32 // histograms of the unit cells
}

// NewHOG prepares for images [height, width, channels]. Scale k has square cells with sides of
// cells[k] pixels, which must divide the image. bias, if not nil, has two constants for each scale,
// which are added to the two directions of the gradient; the published runs have random constants
// there.
func NewHOG(height, width, channels, bins int, cells []int, bias [][2]float32) (*HOG, error) {
	switch {
	case channels < 1:
		return nil, fmt.Errorf("masking: HOG of images with %d channels", channels)
	case height < 2 || width < 2:
		return nil, fmt.Errorf("masking: an image of %d×%d pixels is too small for a gradient; 2×2 are needed",
			height, width)
	case bins < 1:
		return nil, fmt.Errorf("masking: HOG with %d bins; at least 1 is needed", bins)
	case bias != nil && len(bias) != len(cells):
		return nil, fmt.Errorf("masking: HOG has bias for %d scales, but there are %d", len(bias), len(cells))
	}
	if err := checkCells("HOG", height, width, cells); err != nil {
		return nil, err
	}
	if bias == nil {
		bias = make([][2]float32, len(cells))
	}
	h := &HOG{
		height:       height,
		width:        width,
		channels:     channels,
		bins:         bins,
		cells:        slices.Clone(cells),
		bias:         slices.Clone(bias),
		orientations: kernels.NewOrientations(bins),
	}
	order := make([]int, len(cells))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cells[a] - cells[b] })
	for _, k := range order {
		i := slices.IndexFunc(h.passes, func(p hogPass) bool { return p.bias == bias[k] })
		if i < 0 {
			i = len(h.passes)
			h.passes = append(h.passes, hogPass{bias: bias[k]})
		}
		p := &h.passes[i]
		source := -1
		for _, s := range p.scales { // the last one that divides is the largest
			if cells[k]%cells[s] == 0 {
				source = s
			}
		}
		p.unit = gcd(p.unit, cells[k])
		p.scales, p.source = append(p.scales, k), append(p.source, source)
	}
	h.scratch.New = func() any {
		s := &hogScratch{mag: make([]float32, width*channels), bin: make([]int32, width*channels)}
		for i := range s.padded {
			s.padded[i] = make([]float32, (width+2)*channels)
		}
		return s
	}
	return h, nil
}

// Scales returns the number of scales.
func (h *HOG) Scales() int { return len(h.cells) }

// Shape returns the shape of the target of scale k: cells, in raster order, by values, the bins
// channel by channel.
func (h *HOG) Shape(k int) (cells, values int) {
	return h.height / h.cells[k] * (h.width / h.cells[k]), h.channels * h.bins
}

// Compute writes the targets of an image [height, width, channels] that is normalised as the
// network sees it. dst[k] has the shape of scale k.
func (h *HOG) Compute(dst [][]float32, image []float32) error {
	if err := checkTarget(h, dst, image, h.height*h.width*h.channels); err != nil {
		return err
	}
	s := h.scratch.Get().(*hogScratch)
	defer h.scratch.Put(s)
	for i := range h.passes {
		p := &h.passes[i]
		unit := dst[p.scales[0]]
		if h.cells[p.scales[0]] != p.unit {
			n := h.height / p.unit * (h.width / p.unit) * h.channels * h.bins
			s.unit = slices.Grow(s.unit[:0], n)[:n]
			unit = s.unit
		}
		h.histograms(unit, image, p, s)
		for j, k := range p.scales {
			from, side := unit, p.unit
			if p.source[j] >= 0 {
				from, side = dst[p.source[j]], h.cells[p.source[j]]
			}
			if h.cells[k] > side || &from[0] != &dst[k][0] {
				h.sumCells(dst[k], h.cells[k], from, side)
			}
		}
	}
	for k, d := range dst {
		normaliseHistograms(d, h.bins, 1/float32(h.cells[k]*h.cells[k]))
	}
	return nil
}

// histograms sums the magnitudes in the unit cells of a pass.
func (h *HOG) histograms(dst, image []float32, p *hogPass, s *hogScratch) {
	clear(dst)
	c, line := h.channels, h.width*h.channels
	load := func(y int) { // loads line y, with its mirror image at the ends
		row, out := image[y*line:][:line], s.padded[y%3]
		copy(out, row[c:2*c])
		copy(out[c:], row)
		copy(out[c+line:], row[line-2*c:line-c])
	}
	load(0)
	for y := range h.height {
		above, below := y-1, y+1
		if below < h.height {
			load(below)
		} else {
			below = y - 1
		}
		if above < 0 {
			above = 1
		}
		h.orientations.Orient(
			kernels.Default(), s.mag, s.bin, s.padded[above%3], s.padded[y%3], s.padded[below%3], c, p.bias,
		)
		across := h.width / p.unit
		h.addRow(dst[y/p.unit*across*c*h.bins:][:across*c*h.bins], s.mag, s.bin, p.unit*c)
	}
}

// addRow adds a line of gradients to a row of cells, each n values wide.
func (h *HOG) addRow(cells, mag []float32, bin []int32, n int) {
	bins, size := h.bins, h.channels*h.bins
	for len(mag) >= n && len(cells) >= size {
		m, b := mag[:n], bin[:n]
		if h.channels == 3 { // three sums at a time, which do not wait for each other
			red, green, blue := cells[:bins], cells[bins:2*bins], cells[2*bins:size]
			for i := 0; i+3 <= len(m) && i+3 <= len(b); i += 3 {
				red[b[i]] += m[i]
				green[b[i+1]] += m[i+1]
				blue[b[i+2]] += m[i+2]
			}
		} else {
			for i, v := range m {
				cells[i%h.channels*bins+int(b[i])] += v
			}
		}
		mag, bin, cells = mag[n:], bin[n:], cells[size:]
	}
}

// sumCells sums the histograms of smaller cells into the histograms of larger ones.
func (h *HOG) sumCells(dst []float32, side int, src []float32, srcSide int) {
	clear(dst)
	f, size := side/srcSide, h.channels*h.bins
	across := h.width / srcSide
	for y := range h.height / srcSide {
		for x := range across {
			out := dst[(y/f*(across/f)+x/f)*size:][:size]
			for i, v := range src[(y*across+x)*size:][:size] {
				out[i] += v
			}
		}
	}
}

// normaliseHistograms divides the averages, which are scale times the sums in x, by their length,
// or by 1e-12 if that is larger, as PyTorch's normalize does.
func normaliseHistograms(x []float32, bins int, scale float32) {
	for ; len(x) >= bins; x = x[bins:] {
		row := x[:bins]
		var squares float32
		for _, v := range row {
			squares += v * v
		}
		factor := scale / max(float32(math.Sqrt(float64(squares)))*scale, 1e-12)
		for i := range row {
			row[i] *= factor
		}
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
