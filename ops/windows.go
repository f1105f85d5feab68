package ops

import (
	"fmt"
	"slices"
)

// Window is a set of tokens that attend to each other.
type Window struct {
	Tokens []int // rows of the map of tokens
	// Rows and Cols are the places of the tokens on the grid, for the relative position bias;
	// without one they are not needed. The places of two tokens of a window must be less than the
	// side of a window apart.
	Rows, Cols []int
}

// Windows is the attention pattern of a batch: which tokens attend to which. Windows may have any
// number of tokens, and every token must be in exactly one. So a window that a shift cuts at the
// border of the map is two or four windows here, and masked tokens are not among the rows of the
// map.
type Windows struct {
	total, longest int
	form           WindowForm
	attended       int // tokens that one attends to in the reference's costs: a whole window
	side           int // of a window, for the bias; 0 for none
	list           []window
	most           int // largest number of windows, if they change from run to run
	regroup        *regrouping
}

// WindowForm says how an attention pattern was made, for exports.
type WindowForm struct {
	Whole bool // all tokens of an image attend to each other
	// Otherwise, if Side is not 0: windows of Side × Side places on a map of Height × Width, moved
	// up and left by Shift.
	Height, Width, Side, Shift int
}

// Form returns how the pattern was made; zero if its windows are any others.
func (w *Windows) Form() WindowForm { return w.form }

// count returns the largest number of windows.
func (w *Windows) count() int { return max(len(w.list), w.most) }

type window struct {
	tokens  []int32
	runs    [][2]int32 // tokens that follow each other in the map: first one and number
	codes   []int32    // row·(2·side-1) + column
	pattern int        // windows with the same differences of codes have the same
}

// NewWindows makes the pattern for a map with the given number of tokens. side is the side of a
// full window if there is a relative position bias, else 0. The error says what does not fit.
//
// Windows of the same form are put one after the other, so that a bias is laid out once for all of them.
func NewWindows(total, side int, windows []Window) (*Windows, error) {
	w := &Windows{total: total, side: side}
	seen := make([]bool, total)
	count := 0
	patterns := map[string]int{}
	for i, in := range windows {
		n := len(in.Tokens)
		if n == 0 {
			continue
		}
		if side > 0 && (len(in.Rows) != n || len(in.Cols) != n) {
			return nil, fmt.Errorf("ops: window %d has %d tokens and places for %d and %d",
				i, n, len(in.Rows), len(in.Cols))
		}
		var out window
		key := make([]byte, 0, 4*n)
		for j, t := range in.Tokens {
			if t < 0 || t >= total || seen[t] {
				return nil, fmt.Errorf("ops: window %d: token %d is outside of the map of %d tokens, or in two windows",
					i, t, total)
			}
			seen[t] = true
			count++
			out.tokens = append(out.tokens, int32(t))
			if last := len(out.runs) - 1; last >= 0 && int(out.runs[last][0]+out.runs[last][1]) == t {
				out.runs[last][1]++
			} else {
				out.runs = append(out.runs, [2]int32{int32(t), 1})
			}
			if side == 0 {
				key = append(key, 0)
				continue
			}
			dy, dx := in.Rows[j]-in.Rows[0], in.Cols[j]-in.Cols[0]
			out.codes = append(out.codes, int32(dy*(2*side-1)+dx))
			key = append(key, byte(dy), byte(dy>>8), byte(dx), byte(dx>>8))
		}
		if side > 0 &&
			(slices.Max(in.Rows)-slices.Min(in.Rows) >= side || slices.Max(in.Cols)-slices.Min(in.Cols) >= side) {
			return nil, fmt.Errorf("ops: window %d spans more than %d×%d places", i, side, side)
		}
		if _, ok := patterns[string(key)]; !ok {
			patterns[string(key)] = len(patterns)
		}
		out.pattern = patterns[string(key)]
		w.longest = max(w.longest, n)
		w.list = append(w.list, out)
	}
	if count != total {
		return nil, fmt.Errorf("ops: the windows hold %d of %d tokens", count, total)
	}
	w.attended = w.longest
	slices.SortStableFunc(w.list, func(a, b window) int { return a.pattern - b.pattern })
	return w, nil
}

// WholeImages returns the pattern in which all tokens of an image attend to each other.
func WholeImages(images, tokens int) *Windows {
	var list []Window
	for i := range images {
		list = append(list, Window{Tokens: count(i*tokens, tokens)})
	}
	w, err := NewWindows(images*tokens, 0, list)
	if err != nil {
		panic(err) // by construction there is none
	}
	w.form.Whole = true
	return w
}

func count(from, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = from + i
	}
	return out
}

// ShiftedWindows returns the pattern of Swin (Liu et al., 2021) on maps of height × width tokens:
// windows of side × side places, moved up and left by shift. The reference rolls the map, and masks
// attention between tokens from its two ends; here such a window is cut. If windows do not divide
// the map, there are smaller ones at its end.
func ShiftedWindows(images, height, width, side, shift int) *Windows {
	k := (side - shift) % side
	down, across := (height-1+k)/side+1, (width-1+k)/side+1
	var list []Window
	for image := range images {
		cells := make([]Window, down*across)
		for y := range height {
			for x := range width {
				c := &cells[(y+k)/side*across+(x+k)/side]
				c.Tokens = append(c.Tokens, (image*height+y)*width+x)
				c.Rows, c.Cols = append(c.Rows, y), append(c.Cols, x)
			}
		}
		list = append(list, cells...)
	}
	w, err := NewWindows(images*height*width, side, list)
	if err != nil {
		panic(err) // by construction there is none
	}
	w.attended = min(side, height) * min(side, width)
	w.form = WindowForm{Height: height, Width: width, Side: side, Shift: shift}
	return w
}

// RelativeIndex returns the table row of the bias for every query and key of a full window, in
// raster order: [side², side²], the buffer of the official checkpoints.
func RelativeIndex(side int) []int64 {
	n := side * side
	out := make([]int64, 0, n*n)
	for q := range n {
		for k := range n {
			dy, dx := q/side-k/side+side-1, q%side-k%side+side-1
			out = append(out, int64(dy*(2*side-1)+dx))
		}
	}
	return out
}

// biasRow returns the row of the table for codes a of the query and b of the key.
func (w *Windows) biasRow(a, b int32) int {
	return int(a-b) + (w.side-1)*2*w.side
}
