package ops

// Placement is the place of a planned buffer in the memory of a tape, and the first and last op
// that need it. Ops count from 0 in the order in which they run; Last is Ops or more if the buffer
// is needed after the run.
type Placement struct {
	Offset, Bytes int
	First, Last   int
}

// Layout returns the plan of the memory: a placement for each time that a buffer is needed. It is empty
// before [Tape.Plan].
func (t *Tape) Layout() []Placement {
	var all []Placement
	for _, b := range t.buffers {
		if b.home != nil {
			continue
		}
		for _, l := range b.lives {
			all = append(all, Placement{Offset: 4 * b.offset, Bytes: 4 * b.size, First: l.first, Last: l.last})
		}
	}
	return all
}
