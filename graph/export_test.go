package graph

// What the tests use of a runner and its programs.

const MaxPrograms = maxPrograms

func (r *Runner) Kept() int { return len(r.programs.kept) }

type Dropped struct {
	Rate float64
	Keep []float32
}

func (p *Program) Drops() (out []Dropped) {
	for _, d := range p.drops {
		out = append(out, Dropped{d.Rate, d.keep})
	}
	return out
}

// RunAs is Gradients with the current decisions of drop path in Drops.
func (p *Program) RunAs(images, targets []float32) (float32, error) {
	if err := p.bind(images); err != nil {
		return 0, err
	}
	if err := Bind(p.targets, targets); err != nil {
		return 0, err
	}
	return p.run()
}

func (at Position) EachPlace(own int, f func(sample int)) { at.eachPlace(own, f) }
