package ops

// tile is the number of rows of a block's tiles: 14, as a tile of AVX-512 has 14 rows of registers.
const tile = 14

// Sizes of blocks of rows. A block has at most 7 tiles, 98 rows, so that its rows stay in the
// second-level cache. A map has about 128 blocks of sums, unless its blocks are at their largest.
const (
	mostTiles = 7
	mostSums  = 128
)

// sumLines is sumBlocks for a map whose blocks are whole lines.
func (s mapShape) sumLines() [][2]int {
	lines := s.batch * s.height
	each := max((tile+s.width-1)/s.width, (lines+mostSums-1)/mostSums)
	each = max(1, min(each, mostTiles*tile/s.width))
	out := make([][2]int, (lines+each-1)/each)
	for i := range out {
		out[i] = [2]int{i * each * s.width, min(lines, (i+1)*each) * s.width}
	}
	return out
}

// lineBlocks is rowBlocks for a map whose blocks are whole lines.
func (t *Tape) lineBlocks(s mapShape) [][2]int {
	return joinBlocks(s.sumLines(), mostTiles*tile, t.Pool().Workers())
}

// sumBlocks cuts rows into the blocks over which the gradients of a layer norm are summed. The cut
// depends only on the number of rows.
func sumBlocks(rows int) [][2]int {
	tiles := (rows + tile - 1) / tile
	each := min(max(1, (tiles+mostSums-1)/mostSums), mostTiles)
	out := make([][2]int, (tiles+each-1)/each)
	for i := range out {
		out[i] = [2]int{i * each * tile, min(rows, (i+1)*each*tile)}
	}
	return out
}

// rowBlocks cuts rows into blocks for tasks, so that all workers get about as many tiles. In
// training they consist of whole blocks of [sumBlocks], so that sums do not depend on the number of
// workers. In evaluation a row depends only on itself.
func (t *Tape) rowBlocks(rows int) [][2]int {
	var units [][2]int
	if t.Train {
		units = sumBlocks(rows)
	} else {
		for from := 0; from < rows; from += tile {
			units = append(units, [2]int{from, min(rows, from+tile)})
		}
	}
	return joinBlocks(units, mostTiles*tile, t.Pool().Workers())
}

// joinBlocks joins neighbouring units into blocks of at most the given number of rows, or of one
// unit, such that the busiest worker gets little work.
func joinBlocks(units [][2]int, most, workers int) [][2]int {
	rows := units[len(units)-1][1] - units[0][0]
	least := min(max(1, (rows+most-1)/most), len(units))
	best, bestLoad := least, blockLoad(units, least, workers)
	for parts := least + 1; parts <= min(len(units), least+4*workers); parts++ {
		if load := blockLoad(units, parts, workers); load < bestLoad {
			best, bestLoad = parts, load
		}
	}
	out := make([][2]int, best)
	for i := range out {
		out[i] = [2]int{units[i*len(units)/best][0], units[(i+1)*len(units)/best-1][1]}
	}
	return out
}

// blockLoad returns the work of the busiest worker if units are joined into the given number of
// parts. It is in rows; a block counts as a few more, since it reads the weights of a layer once.
func blockLoad(units [][2]int, parts, workers int) int {
	const rowsOfBlock = tile / 4 // an estimate, which changes only the division of the work
	load := 0
	for w := range workers { // as Pool.Run divides tasks
		from, to := w*parts/workers, (w+1)*parts/workers
		if from == to {
			continue
		}
		first, last := units[from*len(units)/parts], units[to*len(units)/parts-1]
		load = max(load, last[1]-first[0]+(to-from)*rowsOfBlock)
	}
	return load
}

// columnParts divides the channels of tasks that have an image each, if there are few images. Sums
// over the rows of an image are the same for any division.
type columnParts struct{ parts, channels int }

func newColumnParts(images, channels int) columnParts {
	const tasks, least = 16, 64 // tasks at most if there are few images; channels of a task at least
	return columnParts{max(1, min((tasks+images-1)/images, channels/least)), channels}
}

// task returns the image of task i, and its channels.
func (c columnParts) task(i int) (image, from, to int) {
	part := i % c.parts
	return i / c.parts, part * c.channels / c.parts, (part + 1) * c.channels / c.parts
}
