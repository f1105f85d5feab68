package ops

import (
	"sort"
	"time"
)

// Profile collects the time spent in each operation. A nil Profile collects
// nothing.
type Profile struct {
	times map[*op]*OpTime
	order []*OpTime
}

// OpTime is the time spent in one operation.
type OpTime struct {
	Kind, Name string
	Calls      int
	Total      time.Duration
}

// Measure makes the tape record the time of every operation.
func (t *Tape) Measure(p *Profile) { t.profile = p }

func (p *Profile) add(o *op, d time.Duration) {
	if p == nil {
		return
	}
	if p.times == nil {
		p.times = map[*op]*OpTime{}
	}
	e := p.times[o]
	if e == nil {
		e = &OpTime{Kind: KindPack, Name: "weights"} // before the ops
		if o != nil {
			e = &OpTime{Kind: o.Kind, Name: o.Name}
		}
		p.times[o] = e
		p.order = append(p.order, e)
	}
	e.Calls++
	e.Total += d
}

// Times lists the operations, the most expensive first.
func (p *Profile) Times() []OpTime {
	out := make([]OpTime, len(p.order))
	for i, e := range p.order {
		out[i] = *e
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Total > out[j].Total })
	return out
}
