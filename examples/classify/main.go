// Command classify names what images show: go run ./examples/classify MODEL IMAGE...
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"fasternet/infer"
)

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: classify MODEL IMAGE...")
	}
	if err := classify(os.Args[1], os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

// classify prints the most probable class of each image.
func classify(model string, images []string) error {
	m, err := infer.Open(model)
	if err != nil {
		return err
	}
	defer m.Close()
	for _, name := range images {
		file, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		classes, err := m.ClassifyBytes(context.Background(), file)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Printf("%s: %s (%.1f %%)\n", name, classes[0][0].Label, 100*classes[0][0].Prob)
	}
	return nil
}
