package kernels

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

func randomBytes(r *rand.Rand, n int) []uint8 {
	b := make([]uint8, n)
	for i := range b {
		switch b[i] = uint8(r.Uint32()); r.IntN(4) { // extremes provoke overflows
		case 0:
			b[i] = 0
		case 1:
			b[i] = 255
		}
	}
	return b
}

// guardedBytes returns memory of n bytes, and a check that nothing next to it was written.
func guardedBytes(t *testing.T, n int) ([]uint8, func()) {
	b := bytes.Repeat([]byte{0xA5}, n+128)
	return b[64 : 64+n : 64+n], func() {
		t.Helper()
		for i, v := range b {
			if (i < 64 || i >= 64+n) && v != 0xA5 {
				t.Fatalf("byte %d of %d was written", i-64, n)
			}
		}
	}
}

// randomWeights returns weights that add up to about 1 and overshoot, as the weights of a cubic
// kernel do.
func randomWeights(r *rand.Rand, n int) []int32 {
	w := make([]int32, n)
	for i := range w {
		w[i] = int32(r.IntN(1<<23)-1<<21) / int32(max(1, n/3))
	}
	return w
}

func clipped(v int64) uint8 { return uint8(min(max(v>>ResampleBits, 0), 255)) }

func TestResampleRGB(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for range 300 {
			n, groups, width := 1+r.IntN(40), 1+r.IntN(4), 1+r.IntN(60)
			in := randomBytes(r, 3*width)
			row := in
			if r.IntN(2) == 0 { // rows follow
				row = append(randomBytes(r, 3*width), randomBytes(r, 200)...)
			}
			weights, first := make([]int32, n*groups*ResampleGroup), make([]int32, n)
			want := make([]uint8, 3*n)
			for i := range first {
				first[i] = int32(r.IntN(width))
			}
			slices.Sort(first)
			for i := range n {
				count := 1 + r.IntN(min(groups*ResampleGroup, width-int(first[i])))
				ws := randomWeights(r, count)
				copy(weights[i*groups*ResampleGroup:], ws)
				for c := range 3 {
					sum := int64(1 << 21)
					for j, w := range ws {
						sum += int64(w) * int64(row[3*(int(first[i])+j)+c])
					}
					want[3*i+c] = clipped(int64(int32(sum)))
				}
			}
			out, check := guardedBytes(t, 3*n)
			k.ResampleRGB(out, row, first, weights, groups)
			check()
			if !bytes.Equal(out, want) {
				t.Fatalf("%d outputs of %d groups: %v, want %v", n, groups, out, want)
			}
		}
	})
}

func TestResampleRows(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for range 300 {
			n, taps := 1+r.IntN(150), 1+r.IntN(9)
			stride := n + r.IntN(9)
			in, weights := randomBytes(r, (taps-1)*stride+n), randomWeights(r, taps)
			out, check := guardedBytes(t, n)
			k.ResampleRows(out, in, stride, weights)
			check()
			for x, got := range out {
				sum := int64(1 << 21)
				for j, w := range weights {
					sum += int64(w) * int64(in[x+j*stride])
				}
				if want := clipped(int64(int32(sum))); got != want {
					t.Fatalf("column %d of %d, %d rows: %d, want %d", x, n, taps, got, want)
				}
			}
		}
	})
}

func TestUpsampleChroma(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := 1; n < 90; n++ {
			near, far := randomBytes(r, n), randomBytes(r, n)
			out, check := guardedBytes(t, 2*n)
			k.UpsampleChroma(out, near, far)
			check()
			at := func(i int) int { i = min(max(i, 0), n-1); return 3*int(near[i]) + int(far[i]) }
			for x, got := range out {
				// 9/16, 3/16, 3/16, 1/16 of the four samples around the pixel.
				other, round := x/2-1, 8
				if x%2 == 1 {
					other, round = x/2+1, 7
				}
				if want := (3*at(x/2) + at(other) + round) / 16; int(got) != want {
					t.Fatalf("pixel %d of %d: %d, want %d", x, 2*n, got, want)
				}
			}
		}
	})
}

func TestYCbCrToRGB(t *testing.T) {
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		for n := 1; n < 90; n++ {
			y, cb, cr := randomBytes(r, n), randomBytes(r, n), randomBytes(r, n)
			out, check := guardedBytes(t, 3*n)
			k.YCbCrToRGB(out, y, cb, cr)
			check()
			for i := range n {
				l, u, v := float64(y[i]), float64(cb[i])-128, float64(cr[i])-128
				for c, want := range []float64{l + 1.402*v, l - 0.344136*u - 0.714136*v, l + 1.772*u} {
					want = min(max(want, 0), 255)
					if d := float64(out[3*i+c]) - want; d < -0.51 || d > 0.51 {
						t.Fatalf("pixel %d of %d, channel %d: %d, want %v", i, n, c, out[3*i+c], want)
					}
				}
			}
		}
		grey := make([]uint8, 3)
		k.YCbCrToRGB(grey, []uint8{77}, []uint8{128}, []uint8{128})
		if grey[0] != 77 || grey[1] != 77 || grey[2] != 77 {
			t.Errorf("grey became %v", grey)
		}
	})
}

// Every pair of chroma samples gives the same bytes in all variants.
func TestYCbCrToRGBOfAllChroma(t *testing.T) {
	t.Parallel()
	const n = 1 << 16
	y, cb, cr, want := make([]uint8, n), make([]uint8, n), make([]uint8, n), make([]uint8, 3*n)
	for i := range n {
		y[i], cb[i], cr[i] = uint8(i*31>>3), uint8(i), uint8(i>>8)
	}
	plainYCbCrToRGB(n, &want[0], &y[0], &cb[0], &cr[0])
	everyVariant(t, func(t *testing.T, k *Set, _ *rand.Rand) {
		got := make([]uint8, 3*n)
		k.YCbCrToRGB(got, y, cb, cr)
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("channel %d of (%d, %d, %d): %d, want %d", i%3, y[i/3], cb[i/3], cr[i/3], got[i], want[i])
			}
		}
	})
}
