package kernels_test

import (
	"fmt"

	"fasternet/kernels"
)

// A linear layer with a bias: y = x·Wᵀ + b.
func ExampleSet_Gemm() {
	x := kernels.NewMatrix([]float32{1, 2, 3, 4}, 2, 2)       // two rows
	w := kernels.NewMatrix([]float32{1, 0, 0, 1, 1, 1}, 3, 2) // [out, in]
	k := kernels.Default()                                    // or pool.Kernels()
	packed := k.NewPacked(2, 3, kernels.FP32)
	packed.PackTransposed(w)
	y := kernels.NewMatrix(make([]float32, 6), 2, 3)
	bias := []float32{10, 20, 30}
	k.Gemm(y, 1, x, packed, kernels.Broadcast(bias, 2))
	fmt.Println(y.Row(0), y.Row(1))
	// Output: [11 22 33] [13 24 37]
}

// The sum of squares over many rows, on all processors. The result does not depend on their number.
func ExamplePool_Run() {
	pool := kernels.NewPool(0)
	defer pool.Close()
	parts := make([]float64, 8)
	x := make([]float32, 8000)
	for i := range x {
		x[i] = 0.5
	}
	pool.Run(len(parts), func(_, i int) { parts[i] = pool.Kernels().SumSquares(x[i*1000 : (i+1)*1000]) })
	var sum float64
	for _, p := range parts {
		sum += p
	}
	fmt.Println(sum)
	// Output: 2000
}

// A depthwise convolution that adds up the pixels around each pixel, of a map of 2×3 pixels with
// two channels.
func ExampleDWConv() {
	c := kernels.DWConv{Height: 2, Width: 3, Channels: 2}
	image := kernels.NewMatrix([]float32{1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60}, 6, 2)
	ones := make([]float32, 2*9) // [channels, 1, 3, 3]
	for i := range ones {
		ones[i] = 1
	}
	weights := make([]float32, c.WeightsLen())
	c.Weights(weights, ones)
	y := kernels.NewMatrix(make([]float32, 12), 6, 2)
	c.Convolve(kernels.Default(), y, image, 0, weights)
	fmt.Println(y.Row(0), y.Row(1))
	// Output: [12 120] [21 210]
}

// A product whose factors are rounded to bfloat16, if the processor has it.
func ExamplePrecision() {
	k := kernels.Default()
	in, err := k.ParsePrecision(kernels.Auto)
	if err != nil {
		fmt.Println(err)
		return
	}
	a, b := kernels.NewMatrix([]float32{1, 2, 3, 4}, 2, 2), kernels.NewMatrix([]float32{1, 0, 0, 1}, 2, 2)
	packed, c := k.NewPacked(2, 2, in), kernels.NewMatrix(make([]float32, 4), 2, 2)
	packed.Pack(b)
	k.Gemm(c, 1, a, packed, kernels.Matrix{})
	fmt.Println(c.Data)
	// Output: [1 2 3 4]
}
