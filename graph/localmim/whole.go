package localmim

import (
	"fmt"
	"strings"

	"fasternet/layers"
	"fasternet/ops"
)

// visiblePrefix begins the names of the running statistics over visible positions.
const visiblePrefix = "visible."

// wholeNorm is a batch norm of the encoder, and the same norm for whole images with its own statistics.
type wholeNorm struct{ visible, whole *ops.BatchNorm }

// A batch norm of the encoder sees only visible positions. Its channels have different statistics there
// than in a whole image, where every convolution sees all of its neighbours. A classifier that
// starts from the encoder needs the statistics of whole images. So the state has both, each with
// its counter: under the name in a classifier the statistics of whole images, which are measured
// now and then, and under a prefix the statistics that normalise masked images in evaluation.

// separateStatistics gives the batch norms of the encoder statistics for whole images. Call it
// after the backbone has been made; prefix is the prefix of the backbone's tensors.
func separateStatistics(s *layers.Store, prefix string) (all []wholeNorm) {
	for _, n := range s.Norms {
		whole := *n
		all = append(all, wholeNorm{n, &whole})
		name := VisibleName(strings.TrimPrefix(strings.TrimSuffix(n.Weight.Name, ".weight"), prefix))
		c := n.Weight.Size()
		n.RunningMean, n.RunningVar = s.Buffer(name+".running_mean", 0, c), s.Buffer(name+".running_var", 1, c)
		n.Tracked = s.Counter(name + ".num_batches_tracked")
	}
	return all
}

// VisibleName returns the name of the statistics over visible positions that belong to a tensor of
// a classifier, such as "stages.1.norm.running_mean".
func VisibleName(name string) string { return visiblePrefix + name }

// WholeNorms returns the batch norms of the encoder for whole images: they share weights with the
// norms of the store, and have their own statistics. An encoder without batch norms has none.
func (m *Model) WholeNorms() (norms []*ops.BatchNorm) {
	for _, n := range m.whole {
		norms = append(norms, n.whole)
	}
	return norms
}

// Statistics is a program that measures the batch norms of the encoder without a gradient, on
// masked or on whole images.
func (r *Runner) Statistics(batch int, whole bool) (*Program, error) {
	k := ofMasked
	if whole {
		k = ofWhole
	}
	return r.program(shape{batch: batch, train: true, kind: k})
}

// Measure updates the running statistics of the batch norms with a batch. For whole images it needs
// only the images.
func (p *Program) Measure(b Masked) error {
	if p.kind != ofMasked && p.kind != ofWhole {
		return fmt.Errorf("localmim: Measure on a program that is not for statistics")
	}
	if p.kind == ofWhole {
		p.model.exchangeNorms()
		defer p.model.exchangeNorms()
		b.Kept = allUnits(p.visible.Units)
	}
	return p.start(b)
}

// exchangeNorms swaps the norms of whole images and the others.
func (m *Model) exchangeNorms() {
	for _, n := range m.whole {
		*n.visible, *n.whole = *n.whole, *n.visible
	}
}

func allUnits(n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}
