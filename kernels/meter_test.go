package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"
)

// counter is a clock that every reading moves by one. So a measurement that contains no other one
// takes 1.
func counter() func() time.Duration {
	var mu sync.Mutex
	n := time.Duration(0)
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		n++
		return n
	}
}

// Every function of the tables is measured, or the test names what measures it.
func TestMeterKnowsEveryFunction(t *testing.T) {
	t.Parallel()
	elsewhere := map[string]string{
		"gemmNN": "Gemm and others", "gemmTN": "addTN and GemmTNPacked", "transpose8": "Transpose",
		"vectorMax": "SoftmaxCrossEntropy", "expSum": "SoftmaxCrossEntropy",
		"nn": "multiplyHalf", "nnHalf": "ConvolveTo", "tn": "transposedHalf.multiply",
		// For images, which loaders prepare with the default kernels.
		"orient": "", "resampleRGB": "", "resampleRows": "", "upsampleChroma": "", "yCbCrToRGB": "",
	}
	seen := map[string]bool{}
	check := func(bare, measured reflect.Value) {
		for i := range bare.NumField() {
			name := bare.Type().Field(i).Name
			b, m := bare.Field(i), measured.Field(i)
			if b.Kind() == reflect.Array && b.Type().Elem().Kind() == reflect.Func {
				b, m = b.Index(b.Len()-1), m.Index(m.Len()-1)
			}
			if b.Kind() != reflect.Func {
				continue
			}
			seen[name] = true
			_, other := elsewhere[name]
			if same := b.Pointer() == m.Pointer(); same != other {
				t.Errorf("%s: measured by itself: %v; named here: %v", name, !same, other)
			}
		}
	}
	half := plainHalf(plain.lanes)
	// the path in Go does not have it
	half.quads = func(quads, rows, cols int, dst *float32, ldd int, src *float32, lds int) {}
	half.complete(variants[Go])
	k := &Set{functions: *variants[Go], variant: Go, half: half}
	m := k.Metered(nil)
	check(reflect.ValueOf(k.functions), reflect.ValueOf(m.functions))
	check(reflect.ValueOf(k.half).Elem(), reflect.ValueOf(m.half).Elem())
	for name := range elsewhere {
		if !seen[name] {
			t.Errorf("there is no function %s", name)
		}
	}
}

// The work of a product is counted exactly, in one part, and once.
func TestMeterCountsProducts(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	fill := func(rows, cols int) Matrix {
		m := NewMatrix(Aligned(rows*cols), rows, cols)
		for i := range m.Data {
			m.Data[i] = float32(r.NormFloat64())
		}
		return m
	}
	pack := func(k *Set, m Matrix, in Precision) *Packed {
		p := k.NewPacked(m.Rows, m.Cols, in)
		p.Pack(m)
		return p
	}
	a, b, tall := fill(37, 24), fill(24, 70), fill(37, 70)
	pconv := PConv{Height: 5, Width: 6, Channels: 10}
	patch := PatchConv{Height: 8, Width: 12, Channels: 3, Size: 4, Step: 4}
	padded, maps := fill(1, pconv.PaddedLen()), fill(1, 8*12*3)
	weights, patches, dy := fill(90, 10), fill(48, 20), fill(30, 10)
	for _, c := range []struct {
		name string
		want Work // without the precision
		flop int
		run  func(k *Set, in Precision) Matrix
	}{
		{"Gemm", Work{Kind: Product, Inner: 24, Columns: 70}, 2 * 37 * 24 * 70, func(k *Set, in Precision) Matrix {
			c := fill(37, 70)
			k.Gemm(c, 1, a, pack(k, b, in), Matrix{})
			return c
		}},
		{"GemmPanel", Work{Kind: Product, Inner: 24, Columns: 70}, 2 * 37 * 24, func(k *Set, in Precision) Matrix {
			c, p := NewMatrix(Aligned(37*70), 37, 70), pack(k, b, in)
			k.GemmPanel(c, 1, a, p, 0, Matrix{})
			return c
		}},
		{"GemmBlock", Work{Kind: Product, Inner: 24, Columns: 70}, 2 * 37 * 24 * 70, func(k *Set, in Precision) Matrix {
			c := fill(37, 70)
			k.GemmBlock(c, 1, a, pack(k, b, in), 0, 0, Matrix{})
			return c
		}},
		{"GemmTN", Work{
			Kind:       Product,
			Transposed: true,
			Inner:      24,
			Columns:    70,
		}, 2 * 37 * 24 * 70, func(k *Set, in Precision) Matrix {
			c := NewMatrix(Aligned(24*70), 24, 70)
			k.GemmTN(c, a, tall, in)
			return c
		}},
		{"GemmTNPacked", Work{
			Kind:       Product,
			Transposed: true,
			Inner:      24,
			Columns:    70,
		}, 2 * 37 * 24 * 70, func(k *Set, in Precision) Matrix {
			c := NewMatrix(Aligned(24*70), 24, 70)
			k.GemmTNPacked(c, a, pack(k, tall, in), 0)
			return c
		}},
		{"PConv", Work{Kind: Convolution, Inner: 90, Columns: 10}, 2 * 30 * 90 * 10, func(k *Set, in Precision) Matrix {
			c := fill(30, 10)
			pconv.Convolve(k, c, padded.Data, pack(k, weights, in), Matrix{})
			return c
		}},
		{"gradient of PConv", Work{
			Kind:       Convolution,
			Transposed: true,
			Inner:      10,
			Columns:    30,
		}, 2 * 30 * 90 * 10, func(k *Set, in Precision) Matrix {
			c := NewMatrix(Aligned(900), 10, 90)
			pconv.WeightGrad(k, c, padded.Data, dy, in)
			return c
		}},
		{"PatchConv", Work{
			Kind:    Convolution,
			Inner:   48,
			Columns: 20,
		}, 2 * 6 * 48 * 20, func(k *Set, in Precision) Matrix {
			c := fill(6, 20)
			patch.Convolve(k, c, maps.Data, 0, pack(k, patches, in), nil)
			return c
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range Available() {
				paths := append([]BF16Path{""}, AvailableBF16(v)...)
				for _, path := range paths {
					k, in := withPath(t, v, path), FP32
					if path != "" {
						in = BF16
					}
					name := fmt.Sprint(v, " ", path)
					m := k.Metered(counter())
					var ledger Ledger
					m.Meter().Enter(&ledger)
					got := c.run(m, in)
					m.Meter().Enter(nil)
					if want := c.run(k, in); !slices.Equal(got.Data, want.Data) {
						t.Errorf("%s: the meter changes the result", name)
					}
					want, found, flops := c.want, false, 0.0
					want.Precision = in
					for _, p := range ledger.Parts() {
						if p.Time != time.Duration(p.Calls) {
							t.Errorf("%s: %s is measured within another: %d calls take %d",
								name, p.Work, p.Calls, p.Time)
						}
						flops += p.FLOPs
						found = found || p.Work == want
					}
					flop := float64(c.flop)
					if c.name == "GemmPanel" {
						flop *= float64(min(70, panelColumns(k, 70)))
					}
					if !found || flops != flop {
						t.Errorf("%s: %v FLOPs, want %v of %s: %+v", name, flops, flop, want, ledger.Parts())
					}
				}
			}
		})
	}
}

func panelColumns(k *Set, n int) int { return appendPanels(nil, n, k.lanes, FP32)[0].cols }

// The sum over the workers is exact, in whatever order they come.
func TestLedgerOfManyWorkers(t *testing.T) {
	t.Parallel()
	k := withPath(t, Go, "").Metered(counter())
	pool := k.NewPool(4)
	defer pool.Close()
	var ledger Ledger
	k.Meter().Enter(&ledger)
	const tasks, sizes = 1000, 7
	pool.Run(tasks, func(_, i int) {
		k.Begin().End(Work{Kind: Product, Inner: 1 + i%sizes, Columns: 2}, 3)
	})
	k.Meter().Enter(nil)
	pool.Run(5, func(_, _ int) { k.Begin().End(Work{Kind: Product, Inner: 1, Columns: 2}, 3) })
	calls, flops := 0, 0.0
	for _, p := range ledger.Parts() {
		calls += p.Calls
		flops += p.FLOPs
	}
	if n := len(ledger.Parts()); n != sizes || calls != tasks || flops != 3*tasks {
		t.Errorf("%d parts, %d calls, %v FLOPs", n, calls, flops)
	}
	g := ledger.Regions
	if g.Count != 1 || g.Tasks != tasks || g.Longest <= 0 || g.Longest > g.Busy || g.Busy > 4*g.Wall {
		t.Errorf("got %+v", g)
	}
}

// If there are more sizes than a ledger has room for, they share a part, and nothing is lost.
func TestLedgerIsFull(t *testing.T) {
	t.Parallel()
	k := withPath(t, Go, "").Metered(counter())
	var ledger Ledger
	k.Meter().Enter(&ledger)
	k.Begin().End(Work{Kind: Product}, 1)
	k.Begin().End(Work{Kind: Product, Transposed: true}, 0)
	const most = 500
	for i := range most {
		k.Begin().End(Work{Kind: Product, Inner: i + 1, Columns: 1}, 1)
	}
	parts, sum := ledger.Parts(), 0.0
	shared := 0.0
	for _, p := range parts {
		sum += p.FLOPs
		if p.Inner == 0 && !p.Transposed {
			shared = p.FLOPs
		}
	}
	if sum != most+1 || shared < most/2 || len(parts) != 64+2 {
		t.Errorf("%d parts, %v FLOPs, of them %v without sizes", len(parts), sum, shared)
	}
}

func TestWork(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want string
		work Work
	}{
		{"product 40→80", Work{Kind: Product, Inner: 40, Columns: 80}},
		{"product bf16 AᵀB 80×40", Work{Kind: Product, Transposed: true, Inner: 80, Columns: 40, Precision: BF16}},
		{"convolution 90→10", Work{Kind: Convolution, Inner: 90, Columns: 10}},
		{"batch norm", Work{Kind: BatchNorm}},
		{"no kind", Work{}},
	} {
		t.Run(c.want, func(t *testing.T) {
			if got := c.work.String(); got != c.want {
				t.Errorf("got %q", got)
			}
			if got := workOf(c.work.key()); got != c.work {
				t.Errorf("%+v becomes %+v", c.work, got)
			}
		})
	}
	for k := Kind(1); k < kindCount; k++ {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
	if w := workOf(Work{Kind: Product, Inner: math.MaxInt, Columns: 1}.key()); w.Columns != 1 || w.Inner != keySize {
		t.Errorf("a size that is too large spoils the others: %+v", w)
	}
}
