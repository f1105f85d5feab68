package kernels

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPConv(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := 0; n < 60; n++ {
			p := PConv{Height: 1 + r.IntN(9), Width: 1 + r.IntN(18), Channels: 1 + r.IntN(40)}
			cut := r.IntN(p.Height) // two strips, or one
			strips := []struct {
				PConv
				y int
			}{{PConv{p.Height - cut, p.Width, p.Channels}, cut}}
			if cut > 0 {
				strips = append(strips, strips[0])
				strips[0].Height, strips[0].y = cut, 0
			}
			pixels := p.Height * p.Width
			x := newGuarded(r, pixels, p.Channels+r.IntN(5))
			d := newGuarded(r, pixels, p.Channels)
			w := newVector(r, p.Channels*p.Inner())
			ordered := make([]float32, len(w))
			p.Weights(ordered, w)
			packed := k.NewPacked(p.Inner(), p.Channels, FP32)
			packed.PackTransposed(NewMatrix(ordered, p.Channels, p.Inner()))
			y := newGuarded(r, pixels, p.Channels)
			for _, s := range strips {
				padded := newGuarded(r, 1, s.PaddedLen())
				s.Pad(k, padded.Row(0), x.Matrix, s.y)
				padded.check(t, "Pad")
				from, to := s.y*p.Width, (s.y+s.Height)*p.Width
				s.Convolve(k, y.Slice(from, to), padded.Row(0), packed, d.Slice(from, to))
			}
			y.check(t, "Convolve")

			// Compare the adjoint of the convolution, and the gradient of the weights, with the
			// definition.
			g := newGuarded(r, pixels, p.Channels)
			p.Adjoint(ordered, w, 0, p.Channels)
			packed.PackTransposed(NewMatrix(ordered, p.Channels, p.Inner()))
			dx := newGuarded(r, pixels, p.Channels)
			dw := make([]float32, len(w))
			for _, s := range strips {
				padded := make([]float32, s.PaddedLen())
				from, to := s.y*p.Width, (s.y+s.Height)*p.Width
				s.Pad(k, padded, g.Matrix, s.y)
				s.Convolve(k, dx.Slice(from, to), padded, packed, Matrix{})
				s.Pad(k, padded, x.Matrix, s.y)
				s.WeightGrad(k, NewMatrix(dw, p.Channels, p.Inner()), padded, g.Slice(from, to), FP32)
			}
			dx.check(t, "adjoint")
			dwOIHW := make([]float32, len(w))
			ToChannelsFirst(dwOIHW, dw, p.Channels, p.Channels, 9)

			wantY := make([]float64, pixels*p.Channels)
			wantDx := make([]float64, pixels*p.Channels)
			wantDw := make([]float64, len(w))
			for y := 0; y < p.Height; y++ {
				for x0 := 0; x0 < p.Width; x0++ {
					for o := 0; o < p.Channels; o++ {
						at := y*p.Width + x0
						wantY[at*p.Channels+o] = float64(d.Row(at)[o])
						for i := 0; i < p.Channels; i++ {
							for ky := 0; ky < 3; ky++ {
								for kx := 0; kx < 3; kx++ {
									sy, sx := y+ky-1, x0+kx-1
									if sy < 0 || sx < 0 || sy >= p.Height || sx >= p.Width {
										continue
									}
									from, wi := sy*p.Width+sx, ((o*p.Channels+i)*3+ky)*3+kx
									xv, gv := float64(x.Row(from)[i]), float64(g.Row(at)[o])
									wantY[at*p.Channels+o] += xv * float64(w[wi])
									wantDx[from*p.Channels+i] += gv * float64(w[wi])
									wantDw[wi] += gv * xv
								}
							}
						}
					}
				}
			}
			for i := 0; i < pixels; i++ {
				for c := 0; c < p.Channels; c++ {
					if !near(y.Row(i)[c], wantY[i*p.Channels+c], 40, 3e-6) {
						t.Fatalf("%+v: output (%d, %d): got %v, want %v", p, i, c, y.Row(i)[c], wantY[i*p.Channels+c])
					}
					if !near(dx.Row(i)[c], wantDx[i*p.Channels+c], 40, 3e-6) {
						t.Fatalf("%+v: input gradient (%d, %d): got %v, want %v",
							p, i, c, dx.Row(i)[c], wantDx[i*p.Channels+c])
					}
				}
			}
			for i, v := range dwOIHW {
				if !near(v, wantDw[i], 40, 3e-6) {
					t.Fatalf("%+v: weight gradient %d: got %v, want %v", p, i, v, wantDw[i])
				}
			}
		}
	})
}

// Weights of 1 count the taps inside the map.
func TestPConvCountsTaps(t *testing.T) {
	k := Default()
	p := PConv{Height: 5, Width: 4, Channels: 3}
	ones := make([]float32, 5*4*7)
	for i := range ones {
		ones[i] = 1
	}
	w := make([]float32, p.Channels*p.Inner())
	for i := range w {
		w[i] = 1
	}
	padded := make([]float32, p.PaddedLen())
	p.Pad(k, padded, NewMatrix(ones, 20, 7), 0)
	packed := k.NewPacked(p.Inner(), p.Channels, FP32)
	packed.PackTransposed(NewMatrix(w, p.Channels, p.Inner()))
	y := NewMatrix(make([]float32, 20*3), 20, 3)
	p.Convolve(k, y, padded, packed, Matrix{})
	for _, c := range []struct {
		at   int
		taps float32
	}{{0, 4}, {1, 6}, {3, 4}, {4, 6}, {5, 9}, {16, 4}, {19, 4}} {
		t.Run(fmt.Sprint(c.at), func(t *testing.T) {
			if got := y.Row(c.at)[1]; got != c.taps*3 {
				t.Errorf("pixel %d: got %v, want %v", c.at, got, c.taps*3)
			}
		})
	}
}

func TestPatchConv(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for range 80 {
			p := PatchConv{
				Height:   4 + r.IntN(30),
				Width:    4 + r.IntN(30),
				Channels: 1 + r.IntN(20),
				Size:     1 + r.IntN(4),
				Step:     1 + r.IntN(4),
			}
			out, oh, ow := 1+r.IntN(40), p.OutHeight(), p.OutWidth()
			name := fmt.Sprintf("%+v to %d", p, out)
			x := newVector(r, p.Height*p.Width*p.Channels)
			w := newVector(r, out*p.Inner()) // [out, row, column, channel]
			packed := k.NewPacked(p.Inner(), out, FP32)
			packed.PackTransposed(NewMatrix(w, out, p.Inner()))
			var rows []*Packed
			for i := range p.Size {
				q := k.NewPacked(out, p.run(), FP32)
				q.Pack(NewMatrix(w, out, p.Inner()).Columns(i*p.run(), (i+1)*p.run()))
				rows = append(rows, q)
			}
			bias := newVector(r, out)
			if r.IntN(2) == 0 {
				bias = nil
			}
			y, dy := newGuarded(r, oh*ow, out), newGuarded(r, oh*ow, out)
			dw, dx := newGuarded(r, out, p.Inner()), newGuarded(r, 1, len(x))
			dw0, dx0 := dw.clone(), dx.clone()
			if !p.Overlap() { // gradients are written
				clear(dx0.Row(0))
				clear(dx.Row(0))
			}
			cut := r.IntN(oh + 1)
			for _, part := range [][2]int{{0, cut}, {cut, oh}} { // two strips of lines
				if part[0] == part[1] {
					continue
				}
				from, to := part[0]*ow, part[1]*ow
				p.Convolve(k, y.Slice(from, to), x, part[0], packed, bias)
				p.WeightGrad(k, dw.Matrix, x, part[0], dy.Slice(from, to), FP32)
				p.InputGrad(k, dx.Row(0), part[0], dy.Slice(from, to), rows)
			}
			for _, m := range []guarded{y, dw, dx} {
				m.check(t, name)
			}
			wantDw, wantDx := make([]float64, len(w)), make([]float64, len(x))
			for at := range oh * ow {
				for o := range out {
					var want float64
					if bias != nil {
						want = float64(bias[o])
					}
					for i := range p.Inner() {
						ky, kx, c := i/p.run(), i%p.run()/p.Channels, i%p.Channels
						from := ((at/ow*p.Step+ky)*p.Width+at%ow*p.Step+kx)*p.Channels + c
						want += float64(x[from]) * float64(w[o*p.Inner()+i])
						wantDw[o*p.Inner()+i] += float64(dy.Row(at)[o]) * float64(x[from])
						wantDx[from] += float64(dy.Row(at)[o]) * float64(w[o*p.Inner()+i])
					}
					if !near(y.Row(at)[o], want, 40, 3e-6) {
						t.Fatalf("%s: output (%d, %d): got %v, want %v", name, at, o, y.Row(at)[o], want)
					}
				}
			}
			for i, v := range wantDw {
				o, j := i/p.Inner(), i%p.Inner()
				if want := v + float64(dw0.Row(o)[j]); !near(dw.Row(o)[j], want, 200, 3e-6) {
					t.Fatalf("%s: weight gradient %d: got %v, want %v", name, i, dw.Row(o)[j], want)
				}
			}
			covered := !slices.Contains(wantDx, 0)
			if covered != p.Covers() {
				t.Fatalf("%s: Covers is %v", name, p.Covers())
			}
			for i, v := range wantDx {
				if want := v + float64(dx0.Row(0)[i]); !near(dx.Row(0)[i], want, 80, 3e-6) {
					t.Fatalf("%s: input gradient %d: got %v, want %v", name, i, dx.Row(0)[i], want)
				}
			}
		}
	})
}

func TestWeightOrder(t *testing.T) {
	src := []float32{0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112} // [2 out, 2 in, 3 taps]
	dst, back := make([]float32, 12), make([]float32, 12)
	ToChannelsLast(dst, src, 2, 2, 3)
	if want := []float32{0, 10, 1, 11, 2, 12, 100, 110, 101, 111, 102, 112}; fmt.Sprint(dst) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", dst, want)
	}
	ToChannelsFirst(back, dst, 2, 2, 3)
	if fmt.Sprint(back) != fmt.Sprint(src) {
		t.Errorf("the inverse gives %v", back)
	}
}
