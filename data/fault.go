package data

import (
	"fmt"
	"slices"
)

// Fault is something that the opener of a dataset found wrong: a class without
// images, a folder that cannot be read, a link to nothing.
type Fault struct {
	Err error // names the file or folder

	// Image says that the fault is one image which cannot be read. It is a sample
	// all the same: data.on_bad_image: skip lets another one take its place.
	Image bool

	// More is not 0 for what stands for so many more faults, which are not listed.
	More int
}

// Count is how many faults it is.
func (f Fault) Count() int { return max(1, f.More) }

// mostFaults is how many faults of one kind of a dataset are kept.
const mostFaults = 1000

// FaultList collects what an opener finds wrong with samples. The first ones are kept, and
// the others counted: the same mistake may be in all of a million lines.
type FaultList struct {
	first  []Fault
	more   int
	Images bool // all are images that cannot be read
}

// Add takes a fault.
func (f *FaultList) Add(format string, args ...any) {
	if len(f.first) == mostFaults {
		f.more++
		return
	}
	f.first = append(f.first, Fault{Err: fmt.Errorf("data: "+format, args...), Image: f.Images})
}

// Join takes all faults of another collection.
func (f *FaultList) Join(other FaultList) {
	room := min(len(other.first), mostFaults-len(f.first))
	f.first = append(f.first, other.first[:room]...)
	f.more += other.more + len(other.first) - room
}

// Count is how many there are.
func (f *FaultList) Count() int { return len(f.first) + f.more }

// All is all faults; the last one says how many are left out.
func (f *FaultList) All() []Fault {
	if f.more == 0 {
		return f.first
	}
	return append(slices.Clip(f.first), Fault{fmt.Errorf("data: %d more faults are not listed", f.more), f.Images, f.more})
}

// Faulty is a dataset that knows what its opener found wrong.
type Faulty interface{ Faults() []Fault }

// FaultsOf lists what the opener of a dataset found wrong. For a part or a view of a
// dataset it lists the faults of the whole.
func FaultsOf(ds Dataset) []Fault {
	if f, ok := undivided(ds).(Faulty); ok {
		return f.Faults()
	}
	return nil
}

// CheckFaults returns an error if the opener of a dataset found something wrong. The
// error names the first fault and says how many there are. With skipImages, images that
// cannot be read do not count.
func CheckFaults(ds Dataset, skipImages bool) error {
	var first error
	more := 0
	for _, f := range FaultsOf(ds) {
		switch {
		case f.Image && skipImages:
		case first == nil:
			first = f.Err
		default:
			more += f.Count()
		}
	}
	if more > 0 {
		return fmt.Errorf("%w (and %d more; data verify lists all)", first, more)
	}
	return first
}
