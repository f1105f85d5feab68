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
	m, err := infer.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for _, name := range os.Args[2:] {
		file, err := os.ReadFile(name)
		if err != nil {
			log.Fatal(err)
		}
		classes, err := m.ClassifyBytes(context.Background(), file)
		if err != nil {
			log.Fatalf("%s: %v", name, err)
		}
		fmt.Printf("%s: %s (%.1f %%)\n", name, classes[0][0].Label, 100*classes[0][0].Prob)
	}
}
