package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Products with a part of a packed matrix whose memory and size change.
func TestGemmBlock(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		p := Packed{Kernels: k}
		memory := make([]float32, 1<<15)
		for n := range 300 {
			M, K, N := pick(r), pick(r), pick(r)
			b := newGuarded(r, K, N)
			p.Resize(K, N, memory[r.IntN(8):])
			if n%2 == 0 {
				p.Pack(b.Matrix)
			} else { // by blocks
				half, col := K/2, min(k.PanelWidth(), N)
				if (N+k.lanes-1)/k.lanes == 3 {
					col = N
				}
				p.PutRows(0, b.Slice(0, half))
				p.PutBlock(half, 0, b.Slice(half, K).Columns(0, col))
				p.PutBlock(half, col, b.Slice(half, K).Columns(col, N))
			}
			k0 := r.IntN(K + 1)
			k1 := k0 + r.IntN(K-k0+1)
			n0, n1 := 0, N
			if panels := p.Panels(); panels > 1 {
				i := r.IntN(panels)
				n0 = p.panels[i].from
				if j := i + r.IntN(panels-i); j+1 < panels {
					n1 = p.panels[j+1].from
				}
			}
			name := fmt.Sprintf("%d×%d by [%d:%d, %d:%d] of %d×%d", M, k1-k0, k0, k1, n0, n1, K, N)
			a, c := newGuarded(r, M, k1-k0), newGuarded(r, M, n1-n0)
			before := c.clone()
			var d Matrix
			if n%3 == 0 {
				d = c.Matrix
			}
			k.GemmBlock(c.Matrix, 0.5, a.Matrix, &p, k0, n0, d)
			c.check(t, name)
			at, ct := newGuarded(r, k1-k0, M), newGuarded(r, M, N)
			ct0 := ct.clone()
			k.GemmTNPacked(ct.Matrix, at.Matrix, &p, k0)
			ct.check(t, name)
			cb := newGuarded(r, M, n1-n0)
			k.Copy(cb.Matrix, ct0.Columns(n0, n1))
			k.GemmTNPackedBlock(cb.Matrix, at.Matrix, &p, k0, n0)
			cb.check(t, name)
			for i := range M {
				if !slices.Equal(cb.Row(i), ct.Row(i)[n0:n1]) {
					t.Fatalf("%s: row %d of the transposed product of some columns differs from the "+
						"product of all columns", name, i)
				}
			}
			for i := range M {
				for j := range N {
					var want, scale, wantT float64
					for x := k0; x < k1; x++ {
						bv := float64(b.Row(x)[j])
						want += 0.5 * float64(a.Row(i)[x-k0]) * bv
						scale += math.Abs(float64(a.Row(i)[x-k0])*bv) + math.Abs(float64(at.Row(x - k0)[i])*bv)
						wantT += float64(at.Row(x - k0)[i]) * bv
					}
					if got := ct.Row(i)[j]; !near(got, wantT+float64(ct0.Row(i)[j]), scale+5, 1e-6) {
						t.Fatalf("%s transposed (%d, %d): got %v, want %v",
							name, i, j, got, wantT+float64(ct0.Row(i)[j]))
					}
					if j < n0 || j >= n1 {
						continue
					}
					if d.Data != nil {
						want += float64(before.Row(i)[j-n0])
					}
					if got := c.Row(i)[j-n0]; !near(got, want, scale+5, 1e-6) {
						t.Fatalf("%s (%d, %d): got %v, want %v", name, i, j, got, want)
					}
				}
			}
		}
	})
}

func TestPackedPanics(t *testing.T) {
	k := Default()
	p := k.NewPacked(4, 3*k.PanelWidth(), FP32)
	m := NewMatrix(make([]float32, 1024), 4, 3*k.PanelWidth())
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"too little memory", func() { p.Resize(100, 100, make([]float32, 100)) }},
		{"not whole panels", func() {
			k.GemmBlock(m.Columns(0, k.PanelWidth()), 1, m.Columns(0, 4), p, 0, 1, Matrix{})
		}},
		{"rows outside", func() { k.GemmBlock(m.Columns(0, k.PanelWidth()), 1, m.Columns(0, 4), p, 1, 0, Matrix{}) }},
		{"put outside", func() { p.PutRows(1, m) }},
		{"transposed of outside", func() { k.GemmTNPacked(m, m.Columns(0, 4), p, 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			c.f()
		})
	}
}

// While a panel is multiplied, the next one is fetched completely, and nothing after the last one.
func TestFollowing(t *testing.T) {
	for _, v := range Available() {
		k, err := New(v, "")
		if err != nil {
			t.Fatal(err)
		}
		const inner = 40
		p := k.NewPacked(inner, 7*k.lanes, FP32) // panels of 2, 2 and 3 vectors
		for i := range p.panels {
			for _, rows := range []int{1, k.tile, k.tile + 1, 5 * k.tile} {
				next, step := p.following(p.panels[i:], rows, 8)
				if rows <= k.tile*2/p.panels[i].vectors || i+1 == len(p.panels) {
					if step != 0 {
						t.Errorf("%s, panel %d, %d rows: %d bytes at each step, want none", v, i, rows, step)
					}
					continue
				}
				after := p.panels[i+1]
				width := after.vectors * k.lanes
				if want := &p.data[after.offset+8*width]; next != want {
					t.Errorf("%s, panel %d, %d rows: the fetching does not begin at row 8 of the next panel",
						v, i, rows)
				}
				tile := k.tile
				if p.panels[i].vectors == 3 {
					tile = tile * 2 / 3
				}
				if tiles := (rows + tile - 1) / tile; tiles*step < 4*width || (tiles-1)*step > 4*width {
					t.Errorf("%s, panel %d, %d rows: %d tiles fetch %d bytes each of a row of %d",
						v, i, rows, tiles, step, 4*width)
				}
			}
		}
	}
}
