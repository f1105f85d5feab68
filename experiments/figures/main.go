// Command figures draws the pictures of the docs from the program itself: the sizes in the network
// come from its preset, and the memory plan is the plan of a training step.
//
//	go run ./experiments/figures docs/images
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: figures FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	for _, figure := range []struct {
		name string
		draw func() (string, error)
	}{
		{"network.svg", network},
		{"localmim.svg", pipeline},
		{"step.svg", step},
		{"memory.svg", memory},
		{"scaling.svg", scaling},
	} {
		text, err := figure.draw()
		if err != nil {
			return fmt.Errorf("%s: %w", figure.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, figure.name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
