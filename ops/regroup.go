package ops

import "fmt"

// VisibleWindows is a pattern for the visible tokens of masked images. It changes from run to run;
// [Windows.Regroup] sets the tokens. images is the number of images, perImage the number of visible
// tokens of each, grid the sides of the whole map, and side the side of a window.
func VisibleWindows(images, perImage int, grid [2]int, side int) *Windows {
	total := images * perImage
	cells := (grid[0]/side + 2) * (grid[1]/side + 2) // a shift can cut a window at both ends
	return &Windows{
		total:    total,
		longest:  min(perImage, side*side),
		attended: min(perImage, side*side),
		side:     side,
		most:     images * min(perImage, cells),
		list:     make([]window, 0, images*min(perImage, cells)),
		regroup: &regrouping{
			images: images, perImage: perImage, grid: grid,
			tokens: make([]int32, total), codes: make([]int32, total), runs: make([][2]int32, total),
			first: make([]int32, cells+1), cell: make([]int32, perImage),
		},
	}
}

// regrouping is the memory of windows that change.
type regrouping struct {
	images, perImage int
	grid             [2]int
	tokens, codes    []int32 // of all windows
	runs             [][2]int32
	first            []int32 // of each cell of the grid of windows: tokens before it
	cell             []int32 // of each token of an image
}

// Regroup builds the windows again from the places of the tokens on the grid: of all images one
// after the other, or of one image for all. Windows begin shift places up and left of the corner of
// the grid, as in Swin. It allocates nothing. The graphs with this pattern must not be running.
func (w *Windows) Regroup(rows, cols []int32, shift int) error {
	g := w.regroup
	if g == nil {
		return fmt.Errorf("ops: these windows do not change")
	}
	same := len(rows) == g.perImage
	if len(rows) != len(cols) || !same && len(rows) != w.total {
		return fmt.Errorf("ops: places of %d and %d tokens: want %d for an image, or %d for all",
			len(rows), len(cols), g.perImage, w.total)
	}
	w.list = w.list[:0]
	kinds := g.images
	if same {
		kinds = 1
	}
	pattern, at := 0, 0
	for kind := range kinds {
		ys, xs := rows[kind*g.perImage:][:g.perImage], cols[kind*g.perImage:][:g.perImage]
		cells, err := g.sort(ys, xs, w.side, shift)
		if err != nil {
			return err
		}
		for c := range cells {
			from, to := int(g.first[c]), int(g.first[c+1])
			if from == to {
				continue
			}
			if to-from > w.longest {
				return fmt.Errorf("ops: a window of %d places has %d tokens: two tokens share a place",
					w.side*w.side, to-from)
			}
			// One window for each image, of the same form: they share a bias.
			for image := range g.images {
				if !same && image != kind {
					continue
				}
				w.list = append(w.list, g.window(c, image, at, to-from, ys, xs, w.side, pattern))
				at += to - from
			}
			pattern++
		}
	}
	return nil
}

// sort counts the tokens of each cell of the grid of windows.
func (g *regrouping) sort(ys, xs []int32, side, shift int) (cells int, err error) {
	k := int32((side - shift) % side)
	s := int32(side)
	across := (int32(g.grid[1])-1+k)/s + 1
	cells = int(((int32(g.grid[0])-1+k)/s + 1) * across)
	clear(g.first)
	for i, y := range ys {
		x := xs[i]
		if y < 0 || x < 0 || int(y) >= g.grid[0] || int(x) >= g.grid[1] {
			return 0, fmt.Errorf("ops: token %d is at (%d, %d), outside the %d×%d grid", i, y, x, g.grid[0], g.grid[1])
		}
		g.cell[i] = (y+k)/s*across + (x+k)/s
		g.first[g.cell[i]+1]++
	}
	for c := range cells {
		g.first[c+1] += g.first[c]
	}
	return cells, nil
}

// window writes n tokens of a cell after the first at ones.
func (g *regrouping) window(cell, image, at, n int, ys, xs []int32, side, pattern int) window {
	out := window{
		tokens:  g.tokens[at : at : at+n],
		codes:   g.codes[at : at : at+n],
		runs:    g.runs[at : at : at+n],
		pattern: pattern,
	}
	var y0, x0 int32
	for i, c := range g.cell {
		if int(c) != cell {
			continue
		}
		if len(out.tokens) == 0 {
			y0, x0 = ys[i], xs[i]
		}
		t := int32(image*g.perImage + i)
		out.tokens = append(out.tokens, t)
		out.codes = append(out.codes, (ys[i]-y0)*int32(2*side-1)+xs[i]-x0)
		if last := len(out.runs) - 1; last >= 0 && out.runs[last][0]+out.runs[last][1] == t {
			out.runs[last][1]++
		} else {
			out.runs = append(out.runs, [2]int32{t, 1})
		}
	}
	return out
}
