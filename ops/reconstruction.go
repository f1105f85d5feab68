package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Reconstruction is one scale of a masked-image-modelling loss.
type Reconstruction struct {
	Name       string
	Prediction *gorgonia.Node // [images, rows, D]
	Target     *gorgonia.Node // [images, cells, D]
	Weight     *gorgonia.Node // [images, cells]: 1 if the cell was masked, 0 if not
	// Cells holds the number of the cell that each row of an image predicts, or -1 for none: [rows]
	// for all images, or [images, rows]. In the second case the owner of the list may write other
	// numbers between two runs.
	Cells []int32
}

// Reconstructions is the loss of several scales. The loss of a scale is the mean over the cells, by
// their weight, of the mean squared difference; the loss is the sum over the scales. It keeps the
// results of the last run.
type Reconstructions struct {
	Loss   *gorgonia.Node
	Scales []float64   // loss of each scale
	Cells  [][]float32 // [images, cells] of each scale: mean squared difference

	tape  *Tape
	list  []Reconstruction
	total []float64 // weight of each scale
}

// ReconstructionLoss adds the loss. It is an error of the run if all weights of a scale are 0.
func ReconstructionLoss(t *Tape, list []Reconstruction) (*Reconstructions, error) {
	r := &Reconstructions{tape: t, list: list, Scales: make([]float64, len(list)), total: make([]float64, len(list))}
	var inputs gorgonia.Nodes
	var wrt []bool
	for _, s := range list {
		p, target := s.Prediction.Shape(), s.Target.Shape()
		if p.Dims() != 3 ||
			target.Dims() != 3 ||
			p[0] != target[0] ||
			p[2] != target[2] ||
			len(s.Cells) != p[1] && len(s.Cells) != p[0]*p[1] ||
			!s.Weight.Shape().Eq(tensor.Shape{target[0], target[1]}) {
			return nil, fmt.Errorf("ops: reconstruction %q: "+
				"predictions %v (%d of them numbered) for targets %v with weights %v",
				s.Name, p, len(s.Cells), target, s.Weight.Shape())
		}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("ops: %w", err)
		}
		r.Cells = append(r.Cells, make([]float32, target[0]*target[1]))
		inputs, wrt = append(inputs, s.Prediction, s.Target, s.Weight), append(wrt, true, false, false)
	}
	var err error
	r.Loss, err = t.Record(Spec{
		Kind:   KindReconstruction,
		Name:   "loss",
		Inputs: inputs,
		WRT:    wrt,
		Shape:  tensor.ScalarShape(),
		Run:    r.forward,
		Grad:   r.differentiate,
	})
	return r, err
}

// check finds numbers of cells that do not exist.
func (s Reconstruction) check() error {
	cells := s.Target.Shape()[1]
	for _, c := range s.Cells {
		if c < -1 || int(c) >= cells {
			return fmt.Errorf("reconstruction %q: cell %d: want 0 to %d, or -1 for none", s.Name, c, cells-1)
		}
	}
	return nil
}

// eachRow calls f for every image and row that predicts a cell, images in parallel, with the
// numbers of the row and of the cell in the batch.
func (r *Reconstructions) eachRow(k int, f func(row, cell int)) {
	s := r.list[k]
	rows, cells := s.Prediction.Shape()[1], s.Target.Shape()[1]
	const parts = 8 // tasks for each image
	r.tape.Pool().Run(s.Target.Shape()[0]*parts, func(_, i int) {
		image, part := i/parts, i%parts
		numbers := s.Cells
		if len(numbers) > rows {
			numbers = numbers[image*rows:]
		}
		for j := part * rows / parts; j < (part+1)*rows/parts; j++ {
			if c := int(numbers[j]); c >= 0 {
				f(image*rows+j, image*cells+c)
			} else {
				f(image*rows+j, -1)
			}
		}
	})
}

func (r *Reconstructions) forward(in [][]float32, out []float32) error {
	sum := 0.0
	for k, s := range r.list {
		p, target, weight := in[3*k], in[3*k+1], in[3*k+2]
		d := s.Target.Shape()[2]
		found := r.Cells[k]
		if len(s.Cells) > s.Prediction.Shape()[1] { // different cells than in the last run
			if err := s.check(); err != nil {
				return err
			}
			clear(found)
		}
		r.eachRow(k, func(row, cell int) {
			if cell < 0 {
				return
			}
			found[cell] = float32(squaredDistance(p[row*d:(row+1)*d], target[cell*d:(cell+1)*d]) / float64(d))
		})
		r.Scales[k], r.total[k] = 0, 0
		for i, w := range weight {
			r.Scales[k] += float64(w) * float64(found[i])
			r.total[k] += float64(w)
		}
		if r.total[k] <= 0 {
			return fmt.Errorf("scale %s: no cell is masked, so there is nothing to reconstruct", s.Name)
		}
		// All images, also on other ranks, have the same number of masked cells.
		images := s.Target.Shape()[0]
		r.total[k] *= float64(r.tape.Parallel.batch(images)) / float64(images)
		r.Scales[k] /= r.total[k]
		sum += r.Scales[k]
	}
	out[0] = float32(sum)
	return nil
}

// squaredDistance returns Σ (a-b)², in four sums, which do not wait for each other.
func squaredDistance(a, b []float32) float64 {
	var s0, s1, s2, s3 float64
	for ; len(a) >= 4 && len(b) >= 4; a, b = a[4:], b[4:] {
		e0, e1, e2, e3 := float64(a[0]-b[0]), float64(a[1]-b[1]), float64(a[2]-b[2]), float64(a[3]-b[3])
		s0, s1, s2, s3 = s0+e0*e0, s1+e1*e1, s2+e2*e2, s3+e3*e3
	}
	for i, v := range a {
		e := float64(v - b[i])
		s0 += e * e
	}
	return (s0 + s1) + (s2 + s3)
}

func (r *Reconstructions) differentiate(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	var grads gorgonia.Nodes
	for k, s := range r.list {
		d := s.Target.Shape()[2]
		n, err := r.tape.Record(Spec{
			Kind:   KindReconstruction + GradSuffix,
			Name:   s.Name,
			Inputs: gorgonia.Nodes{grad, s.Prediction, s.Target, s.Weight},
			Shape:  s.Prediction.Shape().Clone(),
			Reuse:  2,
			Run: func(in [][]float32, out []float32) error {
				p, target, weight := in[1], in[2], in[3]
				factor := 2 * float64(in[0][0]) / (r.total[k] * float64(d))
				r.eachRow(k, func(row, cell int) {
					dst := out[row*d : (row+1)*d]
					if cell < 0 || weight[cell] == 0 {
						clear(dst)
						return
					}
					f := float32(factor * float64(weight[cell]))
					m := func(v []float32) kernels.Matrix { return kernels.NewMatrix(v, 1, d) }
					r.tape.kernels.Combine(m(dst), m(p[row*d:(row+1)*d]), m(target[cell*d:(cell+1)*d]), f, -f)
				})
				return nil
			},
		})
		if err != nil {
			return nil, err
		}
		grads = append(grads, n, nil, nil)
	}
	return grads, nil
}
