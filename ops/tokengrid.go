package ops

// grid divides a product for evaluation by rows and by columns: where a map has so few rows that
// blocks of them would leave workers without work, or some with much more than others. A worker
// then reads only its part of the weights, too. Every value is the sum that it is otherwise, in
// the same order.
type grid struct {
	rows, cols [][2]int
}

func (g grid) tasks() int { return len(g.rows) * len(g.cols) }

// task is the part of the map that task i computes. Tasks that follow one another share columns.
func (g grid) task(i int) (fromRow, toRow, fromCol, toCol int) {
	r, c := g.rows[i%len(g.rows)], g.cols[i/len(g.rows)]
	return r[0], r[1], c[0], c[1]
}

// byGrid divides a map of some rows and columns, if the worker with the most work then gets
// clearly less than with the blocks of rows alone.
func (t *Tape) byGrid(blocks [][2]int, columns int) (g grid, ok bool) {
	const gain = 0.1
	workers := t.Pool().Workers()
	if t.Train || workers == 1 {
		return grid{}, false
	}
	rows := blocks[len(blocks)-1][1]
	most := (1 - gain) * gridLoad(grid{blocks, [][2]int{{0, columns}}}, workers)
	for parts := 1; parts <= min((rows+tile-1)/tile, workers); parts++ {
		cut := tileBlocks(rows, parts)
		for across := 2; across <= workers; across++ {
			x := grid{cut, panelRanges(columns, t.kernels.PanelWidth(), across)}
			if load := gridLoad(x, workers); load < most {
				g, most, ok = x, load, true
			}
		}
	}
	return g, ok
}

// tileBlocks cuts rows into parts of whole tiles, the last of which need not be full.
func tileBlocks(rows, parts int) [][2]int {
	tiles := (rows + tile - 1) / tile
	out := make([][2]int, parts)
	for i := range out {
		out[i] = [2]int{i * tiles / parts * tile, min(rows, (i+1)*tiles/parts*tile)}
	}
	return out
}

// gridLoad is what the worker with the most work gets, in values of the result. A task also
// normalises its rows, and reads its columns of the weights from a cache that is far away.
func gridLoad(g grid, workers int) float64 {
	const normColumns, weightRows = 20, 6
	load := 0.0
	for w := range workers { // as Pool.Run divides tasks
		sum := 0.0
		for i := w * g.tasks() / workers; i < (w+1)*g.tasks()/workers; i++ {
			from, to, first, end := g.task(i)
			rows := float64(to - from)
			if rest := (to - from) % tile; rest > 0 {
				rows += float64(tile-rest) / 2 // fewer rows than a tile has cost more than their share
			}
			sum += rows*float64(end-first+normColumns) + weightRows*float64(end-first)
		}
		load = max(load, sum)
	}
	return load
}
