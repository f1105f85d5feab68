package ops

// grid divides a product for evaluation by rows and by columns. It is for maps with so few rows that
// blocks of rows would leave some workers without work, or with much more than others. A worker then also
// reads only its part of the weights. Every value is the same sum in the same order.
type grid struct {
	rows, cols [][2]int
}

func (g grid) tasks() int { return len(g.rows) * len(g.cols) }

// task returns the part of the map that task i computes. Neighbouring tasks share columns.
func (g grid) task(i int) (fromRow, toRow, fromCol, toCol int) {
	r, c := g.rows[i%len(g.rows)], g.cols[i/len(g.rows)]
	return r[0], r[1], c[0], c[1]
}

// byGrid divides a map of some rows and columns if the busiest worker then gets clearly less work
// than with blocks of rows alone.
func (t *Tape) byGrid(blocks [][2]int, columns int) (g grid, ok bool) {
	const normColumns = 20 // a task normalises its rows, which takes about as long (an estimate)
	return t.byGridOf(blocks, columns, t.kernels.PanelWidth(), normColumns)
}

// byGridOf is byGrid for products with panels of that width. A task takes as long as if it had more
// columns.
func (t *Tape) byGridOf(blocks [][2]int, columns, panel, more int) (g grid, ok bool) {
	const gain = 0.1 // the least gain of the load
	workers := t.Pool().Workers()
	if t.Train || workers == 1 {
		return grid{}, false
	}
	g, load := bestGrid(blocks[len(blocks)-1][1], columns, panel, workers, more)
	return g, len(g.cols) > 1 && load < (1-gain)*gridLoad(grid{blocks, [][2]int{{0, columns}}}, workers, more)
}

// bestGrid returns the grid with the least load.
func bestGrid(rows, columns, panel, workers, more int) (g grid, load float64) {
	for parts := 1; parts <= min((rows+tile-1)/tile, workers); parts++ {
		cut := tileBlocks(rows, parts)
		for across := 1; across <= workers; across++ {
			x := grid{cut, panelRanges(columns, panel, across)}
			if len(x.cols) < across {
				break // there are no more panels
			}
			if l := gridLoad(x, workers, more); load == 0 || l < load {
				g, load = x, l
			}
		}
	}
	return g, load
}

// tileBlocks cuts rows into parts of whole tiles; the last tile may be incomplete.
func tileBlocks(rows, parts int) [][2]int {
	tiles := (rows + tile - 1) / tile
	out := make([][2]int, parts)
	for i := range out {
		out[i] = [2]int{i * tiles / parts * tile, min(rows, (i+1)*tiles/parts*tile)}
	}
	return out
}

// gridLoad returns the work of the busiest worker, in values of the result. A task takes as long as
// if it had some more columns. Reading a column of the weights from a distant cache takes about as
// long as computing weightRows values of it. These are estimates, which change only the division of
// the work.
func gridLoad(g grid, workers, more int) float64 {
	const weightRows = 6
	load := 0.0
	for w := range workers { // as Pool.Run divides tasks
		sum := 0.0
		for i := w * g.tasks() / workers; i < (w+1)*g.tasks()/workers; i++ {
			from, to, first, end := g.task(i)
			rows := float64(to - from)
			if rest := (to - from) % tile; rest > 0 {
				rows += float64(tile-rest) / 2 // an incomplete tile costs more than its share
			}
			sum += rows*float64(end-first+more) + weightRows*float64(end-first)
		}
		load = max(load, sum)
	}
	return load
}
