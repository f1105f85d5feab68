package ops

import (
	"fmt"
	"reflect"
	"testing"
)

// spansOf lists spans by the images and lines that they have.
func spansOf(height int, lines ...[3]int) (out []span) {
	for _, l := range lines {
		out = append(out, span{image: l[0], images: l[1], lines: height, line: 0})
		if l[2] > 0 {
			out[len(out)-1].lines = l[2]
		}
	}
	for i := 1; i < len(out); i++ {
		if before := out[i-1]; out[i].image == before.image {
			out[i].line = before.line + before.lines
		}
	}
	return out
}

func TestImagesInRun(t *testing.T) {
	const height = 6
	halves := spansOf(
		height, [3]int{0, 1, 3}, [3]int{0, 1, 3}, [3]int{1, 1, 3}, [3]int{1, 1, 3}, [3]int{2, 1, 3},
		[3]int{2, 1, 3},
	)
	whole := spansOf(height, [3]int{0, 2, 0}, [3]int{2, 2, 0}, [3]int{4, 1, 0})
	for _, c := range []struct {
		name  string
		spans []span
		runs  [][2]int
		units bool
		first []int
		late  [][]int
	}{
		{"whole images", whole, [][2]int{{0, 1}, {1, 3}}, false, []int{0, 1, 2}, [][]int{nil, nil}},
		{"units", whole, [][2]int{{0, 1}, {1, 3}}, true, []int{-1, -1, -1}, [][]int{{0}, {1, 2}}},
		{"an image a run", halves, [][2]int{{0, 2}, {2, 4}, {4, 6}}, false,
			[]int{-1, 0, -1, 2, -1, 4}, [][]int{nil, nil, nil}},
		{"all in one run", halves, [][2]int{{0, 6}}, false, []int{-1, 0, -1, 2, -1, 4}, [][]int{nil}},
		{"an image in two runs", halves, [][2]int{{0, 3}, {3, 6}}, false,
			[]int{-1, 0, -1, -1, -1, 4}, [][]int{{2}, {3}}},
		{"a run without the end of an image", halves, [][2]int{{0, 1}, {1, 2}, {2, 6}}, false,
			[]int{-1, -1, -1, 2, -1, 4}, [][]int{{0}, {1}, nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newImagesInRun(mapShape{batch: 5, height: height, width: 4, channels: 8}, c.spans, c.runs, c.units)
			any := false
			for _, l := range c.late {
				any = any || len(l) > 0
			}
			if !reflect.DeepEqual(m.first, c.first) || fmt.Sprint(m.late) != fmt.Sprint(c.late) || m.any != any {
				t.Errorf("got %v and %v, want %v and %v", m.first, m.late, c.first, c.late)
			}
		})
	}
}
