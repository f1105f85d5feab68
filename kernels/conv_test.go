package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestPConv(t *testing.T) {
	everyVariant(t, func(t *testing.T, r *rand.Rand) {
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
			packed := NewPacked(p.Inner(), p.Channels)
			packed.PackTransposed(NewMatrix(ordered, p.Channels, p.Inner()))
			y := newGuarded(r, pixels, p.Channels)
			for _, s := range strips {
				padded := newGuarded(r, 1, s.PaddedLen())
				s.Pad(padded.Row(0), x.Matrix, s.y)
				padded.check(t, "Pad")
				from, to := s.y*p.Width, (s.y+s.Height)*p.Width
				s.Convolve(y.Slice(from, to), padded.Row(0), packed, d.Slice(from, to))
			}
			y.check(t, "Convolve")

			// The adjoint of the convolution, and the gradient of the weights,
			// against the definition.
			g := newGuarded(r, pixels, p.Channels)
			p.Adjoint(ordered, w)
			packed.PackTransposed(NewMatrix(ordered, p.Channels, p.Inner()))
			dx := newGuarded(r, pixels, p.Channels)
			dw := make([]float32, len(w))
			for _, s := range strips {
				padded := make([]float32, s.PaddedLen())
				from, to := s.y*p.Width, (s.y+s.Height)*p.Width
				s.Pad(padded, g.Matrix, s.y)
				s.Convolve(dx.Slice(from, to), padded, packed, Matrix{})
				s.Pad(padded, x.Matrix, s.y)
				s.WeightGrad(NewMatrix(dw, p.Channels, p.Inner()), padded, g.Slice(from, to))
			}
			dx.check(t, "adjoint")
			dwOIHW := make([]float32, len(w))
			ToChannelsFirst(dwOIHW, dw, p.Channels, p.Channels, 9)

			wantY, wantDx, wantDw := make([]float64, pixels*p.Channels), make([]float64, pixels*p.Channels), make([]float64, len(w))
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
						t.Fatalf("%+v: input gradient (%d, %d): got %v, want %v", p, i, c, dx.Row(i)[c], wantDx[i*p.Channels+c])
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

// All-ones weights count the taps inside the map: spec of the operator.
func TestPConvCountsTaps(t *testing.T) {
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
	p.Pad(padded, NewMatrix(ones, 20, 7), 0)
	packed := NewPacked(p.Inner(), p.Channels)
	packed.PackTransposed(NewMatrix(w, p.Channels, p.Inner()))
	y := NewMatrix(make([]float32, 20*3), 20, 3)
	p.Convolve(y, padded, packed, Matrix{})
	for at, taps := range map[int]float32{0: 4, 1: 6, 3: 4, 4: 6, 5: 9, 16: 4, 19: 4} {
		if got := y.Row(at)[1]; got != taps*3 {
			t.Errorf("pixel %d: got %v, want %v", at, got, taps*3)
		}
	}
}

func TestPatches(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := 0; n < 60; n++ {
		s := PatchShape{Height: 4 + r.IntN(9), Width: 4 + r.IntN(9), Channels: 1 + r.IntN(5), Size: 1 + r.IntN(4), Step: 1 + r.IntN(4)}
		const batch = 2
		name := fmt.Sprintf("%+v", s)
		src := newVector(r, batch*s.Height*s.Width*s.Channels)
		outs := batch * s.OutHeight() * s.OutWidth()
		from := r.IntN(outs)
		dst := newGuarded(r, outs-from, s.Inner())
		s.Gather(dst.Matrix, src, from)
		dst.check(t, name)
		back := make([]float32, len(src))
		s.Scatter(back, dst.Matrix, from)
		want := make([]float32, len(src))
		for p := from; p < outs; p++ {
			b, y, x := p/(s.OutHeight()*s.OutWidth()), p/s.OutWidth()%s.OutHeight(), p%s.OutWidth()
			i := 0
			for ky := 0; ky < s.Size; ky++ {
				for kx := 0; kx < s.Size; kx++ {
					for c := 0; c < s.Channels; c++ {
						at := ((b*s.Height+y*s.Step+ky)*s.Width+x*s.Step+kx)*s.Channels + c
						if dst.Row(p - from)[i] != src[at] {
							t.Fatalf("%s: patch %d value %d: got %v, want %v", name, p, i, dst.Row(p - from)[i], src[at])
						}
						want[at] += src[at]
						i++
					}
				}
			}
		}
		for i := range want {
			if back[i] != want[i] {
				t.Fatalf("%s: scattered element %d: got %v, want %v", name, i, back[i], want[i])
			}
		}
	}
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
