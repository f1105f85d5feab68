package ops

import (
	"fmt"

	"fasternet/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Loss describes the loss of a classifier. The zero value is the softmax cross entropy.
type Loss struct {
	Binary     bool    // binary cross entropy of every class
	Threshold  float64 // Binary: targets above it become 1, others 0; 0 leaves targets as they are
	SumClasses bool    // Binary: sum over the classes instead of mean

	// Weights of the classes, [classes]; nil for 1. The loss stays a mean over the samples. With Binary
	// they apply only to positive targets.
	Weights    []float32
	Gamma      float64   // focus on hard examples, as in focal loss; with Binary for positive targets
	GammaNeg   float64   // Binary: the same for negative targets
	Clip       float64   // Binary: subtracted from the probability of negative targets, as in asymmetric loss
	Balance    float64   // Binary: weight of positive targets; negative ones have 1 - Balance; 0 for 1 each
	Adjustment []float32 // not Binary: added to the logits, [classes]; nil for none

	Distill Distill
	Alpha   float64 // weight of the distillation
	Tau     float64 // temperature of soft distillation
}

// focal and asymmetric return the arguments for the kernels.
func (l *Loss) focal() kernels.Focal {
	return kernels.Focal{Weights: l.Weights, Gamma: l.Gamma, Adjustment: l.Adjustment}
}

func (l *Loss) asymmetric() kernels.Asymmetric {
	return kernels.Asymmetric{
		Weights:   l.Weights,
		GammaPos:  l.Gamma,
		GammaNeg:  l.GammaNeg,
		Clip:      l.Clip,
		Balance:   l.Balance,
		Threshold: l.Threshold,
	}
}

// plain says whether the loss is a plain cross entropy.
func (l *Loss) plain() bool {
	return l.Weights == nil && l.Adjustment == nil && l.Gamma == 0 && l.GammaNeg == 0 && l.Clip == 0 && l.Balance == 0
}

// check returns an error unless the loss fits a number of classes.
func (l *Loss) check(classes int) error {
	switch {
	case l.Distill != NoDistill && l.Distill != HardDistill && l.Distill != SoftDistill:
		return fmt.Errorf("ops: distillation %d: want NoDistill, HardDistill or SoftDistill", l.Distill)
	case l.Weights != nil && len(l.Weights) != classes:
		return fmt.Errorf("ops: %d weights for %d classes", len(l.Weights), classes)
	case l.Adjustment != nil && len(l.Adjustment) != classes:
		return fmt.Errorf("ops: an adjustment of %d logits for %d classes", len(l.Adjustment), classes)
	case l.Binary && l.Adjustment != nil:
		return fmt.Errorf("ops: logits are adjusted under softmax, not under binary cross entropy")
	case !l.Binary && (l.GammaNeg != 0 || l.Clip != 0 || l.Balance != 0):
		return fmt.Errorf("ops: softmax has no negative targets: GammaNeg, Clip and Balance are for Binary")
	}
	return nil
}

// Distill is a kind of knowledge distillation.
type Distill int

// The kinds: no distillation; cross entropy with the class that the teacher predicts; divergence from
// the teacher's softmax, which FasterNet's code multiplies by τ²/(B·K).
const (
	NoDistill Distill = iota
	HardDistill
	SoftDistill
)

// ClassifierLoss adds the mean loss over a batch of logits and targets, both [batch, classes]. For
// distillation, teacher holds the teacher's logits in the same shape. The loss and its gradient are
// computed in one pass.
func ClassifierLoss(t *Tape, logits, targets, teacher *gorgonia.Node, l Loss) (*gorgonia.Node, error) {
	if !l.Binary && l.Distill == NoDistill && l.plain() {
		return SoftmaxCrossEntropy(t, logits, targets)
	}
	s := logits.Shape()
	if s.Dims() == 2 {
		if err := l.check(s[1]); err != nil {
			return nil, err
		}
	}
	inputs, wrt := gorgonia.Nodes{logits, targets}, []bool{true, false}
	if l.Distill != NoDistill {
		if teacher == nil {
			return nil, fmt.Errorf("ops: distillation needs a teacher: got nil")
		}
		inputs, wrt = append(inputs, teacher), append(wrt, false)
	}
	for _, n := range inputs {
		if s.Dims() != 2 || !s.Eq(n.Shape()) {
			return nil, fmt.Errorf("ops: loss of logits %v and %s %v: want matrices [batch, classes]",
				s, n.Name(), n.Shape())
		}
	}
	f := &classifierLoss{Loss: l, tape: t, rows: s[0], classes: s[1], grad: t.NewBuffer(s.TotalSize())}
	uses := []*Buffer{f.grad}
	if l.Distill == HardDistill {
		f.scratch, f.answers = t.NewBuffer(s.TotalSize()), t.NewBuffer(s.TotalSize())
		uses = append(uses, f.scratch, f.answers)
	}
	return t.Record(Spec{
		Kind:   KindClassifierLoss,
		Name:   "loss",
		Inputs: inputs,
		WRT:    wrt,
		Shape:  tensor.ScalarShape(),
		Uses:   uses,
		Run:    f.forward,
		Grad: func(_, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			n, err := t.Record(Spec{
				Kind:   KindClassifierLoss + GradSuffix,
				Name:   "loss",
				Inputs: gorgonia.Nodes{grad},
				Shape:  s.Clone(),
				Uses:   []*Buffer{f.grad},
				Run: func(in [][]float32, out []float32) error {
					t.kernels.Combine(f.matrix(out), f.matrix(f.grad.data), f.matrix(f.grad.data), in[0][0], 0)
					return nil
				},
			})
			return append(gorgonia.Nodes{n}, make(gorgonia.Nodes, len(inputs)-1)...), err
		},
	})
}

type classifierLoss struct {
	Loss
	tape                   *Tape
	rows, classes          int
	grad, scratch, answers *Buffer // the last two for hard distillation
}

func (f *classifierLoss) matrix(v []float32) kernels.Matrix {
	return kernels.NewMatrix(v, f.rows, f.classes)
}

// batch returns the number of samples that the loss is a mean over.
func (f *classifierLoss) batch() int { return f.tape.Parallel.batch(f.rows) }

func (f *classifierLoss) forward(in [][]float32, out []float32) error {
	grad, logits, targets := f.matrix(f.grad.data), f.matrix(in[0]), f.matrix(in[1])
	share := 1.0
	if f.Distill != NoDistill {
		share -= f.Alpha
	}
	var loss float64
	switch {
	case f.Binary:
		mean := share / float64(f.batch())
		if !f.SumClasses {
			mean /= float64(f.classes)
		}
		if f.plain() {
			loss = mean * kernels.BinaryCrossEntropy(grad, logits, targets, f.Threshold, mean)
		} else {
			loss = mean * kernels.AsymmetricCrossEntropy(grad, logits, targets, f.asymmetric(), mean)
		}
	case !f.plain():
		mean := share / float64(f.batch())
		loss = mean * kernels.FocalCrossEntropy(grad, logits, targets, f.focal(), mean)
	default:
		loss = f.crossEntropy(grad, logits, targets, share)
	}
	switch f.Distill {
	case HardDistill:
		scratch, answers := f.matrix(f.scratch.data), f.matrix(f.answers.data)
		oneHot(answers, f.matrix(in[2]))
		loss += f.crossEntropy(scratch, logits, answers, f.Alpha)
		f.tape.kernels.Combine(grad, grad, scratch, 1, 1)
	case NoDistill:
	case SoftDistill:
		scale := f.Alpha * f.Tau * f.Tau / float64(f.batch()*f.classes)
		loss += scale * kernels.Divergence(grad, logits, f.matrix(in[2]), f.Tau, scale)
	default:
		return fmt.Errorf("distillation %d", f.Distill)
	}
	out[0] = float32(loss)
	return nil
}

// crossEntropy computes a share of the mean softmax cross entropy, and its gradient.
func (f *classifierLoss) crossEntropy(grad, logits, targets kernels.Matrix, share float64) float64 {
	share /= float64(f.batch())
	loss := f.tape.kernels.SoftmaxCrossEntropy(grad, logits, targets)
	f.tape.kernels.SoftmaxCrossEntropyGrad(grad, grad, targets, float32(share))
	return share * loss
}

// oneHot sets the largest value of every row of logits, or the first of equal ones, to 1 in dst, and the
// others to 0.
func oneHot(dst, logits kernels.Matrix) {
	for r := range logits.Rows {
		row, out, best := logits.Row(r), dst.Row(r), 0
		clear(out)
		for k, v := range row {
			if v > row[best] {
				best = k
			}
		}
		out[best] = 1
	}
}
