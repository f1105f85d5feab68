package engine

import (
	"fmt"
	"time"
)

// Three ranks sum their numbers. Here they are goroutines that share memory.
func ExampleGroup() {
	j, err := join(3, time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	sums := make([][]float32, 3)
	for _, err := range j.each(func(rank int) error {
		sums[rank] = []float32{float32(rank), 1}
		wait := j.groups[rank].Start(sums[rank])
		// … the backward pass goes on …
		return wait()
	}) {
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(sums)
	// Output: [[3 3] [3 3] [3 3]]
}
