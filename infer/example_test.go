package infer_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"fasternet/infer"
)

// Prints the three most probable classes of a photograph.
func Example() {
	m, err := infer.Open("runs/flowers", infer.TopK(3))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	file, err := os.ReadFile("rose.jpg")
	if err != nil {
		log.Fatal(err)
	}
	classes, err := m.ClassifyBytes(context.Background(), file)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range classes[0] {
		fmt.Printf("%5.1f %%  %s\n", 100*c.Prob, c.Label)
	}
}

// Reuses the memory of the results, so that the next image allocates nothing.
func ExampleModel_Infer() {
	m, err := infer.Open("runs/flowers")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	in, out := make([]infer.Input, 1), make([]infer.Output, 1)
	var top []infer.Class
	tensor := make([]float32, m.Info().Channels*m.Info().Size*m.Info().Size)
	for range 100 {
		in[0].Tensor = tensor // filled elsewhere
		if err := m.Infer(context.Background(), in, out); err != nil {
			log.Fatal(err)
		}
		top = m.AppendTop(top[:0], out[0].Logits, 5)
		fmt.Println(top[0].Label, out[0].Times.Network)
	}
}
