package ops_test

import (
	"fmt"

	"fasternet/kernels"
	"fasternet/ops"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A classifier of one linear layer: loss and gradient in one run.
func ExampleTape() {
	pool := kernels.NewPool(0)
	defer pool.Close()
	weight := ops.NewParam("head.weight", 2, 3) // [classes, features], zeros

	tape := ops.NewTape(ops.NewWorkspace(pool), true)
	x, targets := tape.Input("x", 1, 3), tape.Input("targets", 1, 2)
	logits, err := ops.Linear(tape, "head", x, weight, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	loss, err := ops.SoftmaxCrossEntropy(tape, logits, targets)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := gorgonia.Grad(loss, tape.Param(weight)); err != nil {
		fmt.Println(err)
		return
	}
	if err := tape.Plan(); err != nil {
		fmt.Println(err)
		return
	}
	gorgonia.Let(x, tensor.New(tensor.WithShape(1, 3), tensor.WithBacking([]float32{1, 2, 3})))
	gorgonia.Let(targets, tensor.New(tensor.WithShape(1, 2), tensor.WithBacking([]float32{0, 1})))
	if err := tape.Run(tape.NewMachine()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.4f %v\n", tape.Value(loss)[0], weight.GradData())
	// Output: 0.6931 [0.5 1 1.5 -0.5 -1 -1.5]
}
