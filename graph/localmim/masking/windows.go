package masking

// Window is a set of tokens that attend to each other, of the form that the
// attention op takes: rows of the map of tokens, and their places.
type Window struct {
	Tokens     []int
	Rows, Cols []int
}

// WindowSide is the side of the windows in a stage: the whole map if that is no
// larger.
func (p *Pyramid) WindowSide(stage int) int {
	g := p.StageGrid(stage)
	return min(p.Window, g.Rows, g.Cols)
}

// Shift is how far the windows of every second block are moved up and left; 0
// if the map is one window.
func (p *Pyramid) Shift(stage int) int {
	g, side := p.StageGrid(stage), p.WindowSide(stage)
	if min(g.Rows, g.Cols) <= side {
		return 0
	}
	return side / 2
}

// Places are row and column of the visible tokens of a stage, in their order, for
// windows and relative positions.
//
// With Official, from the second stage on, they are those of the published code,
// which reads the places off a grid in raster order by a list of what is visible
// in unit-major order: where a unit has more than one token they are wrong.
func (p *Pyramid) Places(mask []float32, stage int) (rows, cols []int) {
	side, width := p.side(stage), p.StageGrid(stage).Cols
	raster := p.RasterOf(side)
	n := p.StageTokens(stage)
	rows, cols = make([]int, 0, n), make([]int, 0, n)
	for i, v := range p.VisibleTokens(mask, side) {
		if v == 0 {
			continue
		}
		at := int(raster[i])
		if p.Official && stage > 0 {
			at = i
		}
		rows, cols = append(rows, at/width), append(cols, at%width)
	}
	return rows, cols
}

// WindowsOf are the windows of the visible tokens of an image in a stage, for the
// windows as they are or shifted. The tokens are numbered in unit-major order.
// Windows without a token are left out.
func (p *Pyramid) WindowsOf(mask []float32, stage, shift int) []Window {
	rows, cols := p.Places(mask, stage)
	g, side := p.StageGrid(stage), p.WindowSide(stage)
	k := (side - shift) % side
	across := (g.Cols-1+k)/side + 1
	count := make([]int, ((g.Rows-1+k)/side+1)*across)
	window := make([]int, len(rows))
	for t := range rows {
		window[t] = (rows[t]+k)/side*across + (cols[t]+k)/side
		count[window[t]]++
	}
	// One piece of memory for the lists of all windows, each with its own part.
	memory := make([]int, 3*len(rows))
	take := func(n int) []int {
		part := memory[:0:n]
		memory = memory[n:]
		return part
	}
	var out []Window
	at := make([]int, len(count))
	for id, n := range count {
		if n > 0 {
			at[id] = len(out)
			out = append(out, Window{take(n), take(n), take(n)})
		}
	}
	for t, id := range window {
		w := &out[at[id]]
		w.Tokens, w.Rows, w.Cols = append(w.Tokens, t), append(w.Rows, rows[t]), append(w.Cols, cols[t])
	}
	return out
}

// moved adds the windows of an image to those of a batch: its tokens come behind
// first others. Places are shared.
func moved(batch, image []Window, first int) []Window {
	for _, w := range image {
		tokens := make([]int, len(w.Tokens))
		for i, t := range w.Tokens {
			tokens[i] = first + t
		}
		batch = append(batch, Window{tokens, w.Rows, w.Cols})
	}
	return batch
}
