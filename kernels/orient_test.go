package kernels

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// refOrient is the definition, in float64.
func refOrient(a, h, b []float32, i, step, bins int, bias [2]float32) (mag float64, bin int, phase float64) {
	at := func(row []float32, j int) float64 { return float64(row[i+j*step]) }
	g0 := at(a, 0) + 2*at(h, 0) + at(b, 0) - at(a, 2) - 2*at(h, 2) - at(b, 2) + float64(bias[0])
	g1 := at(a, 0) + 2*at(a, 1) + at(a, 2) - at(b, 0) - 2*at(b, 1) - at(b, 2) + float64(bias[1])
	phase = math.Atan2(g0, g1) / math.Pi * float64(bins)
	bin = (int(math.Floor(phase))%bins + bins) % bins
	return math.Hypot(g0, g1), bin, phase
}

func TestOrient(t *testing.T) {
	t.Parallel()
	binCounts := []int{1, 2, 4, 8, 9, 12, 18, 31}
	everyVariant(t, func(t *testing.T, k *Set, r *rand.Rand) {
		checked := 0
		for n := range 400 {
			step, bins := 1+r.IntN(4), binCounts[n%len(binCounts)]
			rows := newGuarded(r, 3, step*(2+pick(r)))
			exact := n%3 == 0
			if exact { // small integers: many gradients on the edges, and many zeros
				for y := range 3 {
					for i := range rows.Row(y) {
						rows.Row(y)[i] = float32(r.IntN(3))
					}
				}
			}
			var bias [2]float32
			if n%2 == 1 && !exact {
				bias = [2]float32{r.Float32() - 0.5, r.Float32() - 0.5}
			}
			mag := newGuarded(r, 1, rows.Cols-2*step)
			all := make([]int32, mag.Cols+2)
			all[0], all[len(all)-1] = -77, -77
			bin := all[1 : len(all)-1]
			a, h, b := rows.Row(0), rows.Row(1), rows.Row(2)
			NewOrientations(bins).Orient(k, mag.Row(0), bin, a, h, b, step, bias)
			mag.check(t, "Orient")
			if all[0] != -77 || all[len(all)-1] != -77 {
				t.Fatal("Orient wrote beyond the bins")
			}
			for i, m := range mag.Row(0) {
				want, wantBin, phase := refOrient(a, h, b, i, step, bins, bias)
				if math.Abs(float64(m)-want) > 1e-5*(1+want) {
					t.Fatalf("magnitude %d is %v, want %v", i, m, want)
				}
				if !exact && math.Abs(phase-math.Round(phase)) < 1e-3 || m == 0 {
					continue // rounding decides
				}
				checked++
				if int(bin[i]) != wantBin {
					t.Fatalf("%d bins: value %d at phase %v is in bin %d, want %d", bins, i, phase, bin[i], wantBin)
				}
			}
		}
		if checked < 10000 {
			t.Errorf("only %d bins were compared", checked)
		}
	})
}

func TestOrientIsTheSameInAllVariants(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	rows := newGuarded(r, 3, 3*101)
	var first, got struct {
		mag []float32
		bin []int32
	}
	for i, v := range Available() {
		k := withPath(t, v, "")
		got.mag, got.bin = make([]float32, 3*99), make([]int32, 3*99)
		NewOrientations(18).Orient(k, got.mag, got.bin, rows.Row(0), rows.Row(1), rows.Row(2), 3, [2]float32{0.1, -0.2})
		if i == 0 {
			first = got
		}
		if !slices.Equal(got.mag, first.mag) || !slices.Equal(got.bin, first.bin) {
			t.Errorf("%s differs from %s", v, Available()[0])
		}
	}
}

func TestOrientRefusesOtherLengths(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	k, row := Default(), make([]float32, 12)
	NewOrientations(9).Orient(k, make([]float32, 9), make([]int32, 9), row, row, row, 3, [2]float32{})
}
