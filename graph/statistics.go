package graph

import "fmt"

// Statistics is a program that measures the batch norms on images, without a gradient.
func (r *Runner) Statistics(batch, height, width int) (*Program, error) {
	return r.program(Shape{Batch: batch, Height: height, Width: width, Train: true}, statistics)
}

// Measure updates the running statistics of the batch norms with images [batch, height, width,
// channels]. No branch is dropped, as in evaluation.
func (p *Program) Measure(images []float32) error {
	if !p.Train || p.loss != nil {
		return fmt.Errorf("graph: Measure on a program that is not for statistics")
	}
	if err := p.bind(images); err != nil {
		return err
	}
	for _, d := range p.drops {
		for i := range d.keep {
			d.keep[i] = 1
		}
	}
	return p.tape.Run(p.machine)
}
