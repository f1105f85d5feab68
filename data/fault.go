package data

import (
	"fmt"
	"slices"
)

// Fault is something that the opener of a dataset found wrong: a class without
// images, a folder that cannot be read, a link to nothing.
type Fault struct {
	Err error // names the file or folder

	// Image says that the fault is one image that cannot be read. It counts as a sample
	// all the same: with data.on_bad_image: skip another sample takes its place.
	Image bool

	// More is the number of faults that are not listed, if this fault stands for them; else 0.
	More int
}

// Count returns the number of faults that it stands for.
func (f Fault) Count() int { return max(1, f.More) }

// mostFaults is how many faults of one kind a dataset keeps.
const mostFaults = 1000

// FaultList collects what an opener finds wrong with samples. It keeps the first ones and
// counts the others: a million lines may all have the same mistake.
type FaultList struct {
	first  []Fault
	more   int
	Images bool // all are images that cannot be read
}

// Add adds a fault.
func (f *FaultList) Add(format string, args ...any) {
	f.AddError(fmt.Errorf("data: "+format, args...))
}

// AddError is Add for an error that exists already.
func (f *FaultList) AddError(err error) {
	if len(f.first) == mostFaults {
		f.more++
		return
	}
	f.first = append(f.first, Fault{Err: err, Image: f.Images})
}

// Join adds all faults of another list.
func (f *FaultList) Join(other FaultList) {
	room := min(len(other.first), mostFaults-len(f.first))
	f.first = append(f.first, other.first[:room]...)
	f.more += other.more + len(other.first) - room
}

// Count returns the number of faults.
func (f *FaultList) Count() int { return len(f.first) + f.more }

// All returns the faults. The last one says how many are left out.
func (f *FaultList) All() []Fault {
	if f.more == 0 {
		return f.first
	}
	more := Fault{
		Err:   fmt.Errorf("data: %d more faults are not listed", f.more),
		Image: f.Images,
		More:  f.more,
	}
	return append(slices.Clip(f.first), more)
}

// Faulty is a dataset that knows what its opener found wrong.
type Faulty interface{ Faults() []Fault }

// FaultsOf lists what the opener of a dataset found wrong, and the files that could not be
// read to find copies ([HoldOutGrouped]). For a part or a view of a dataset it lists the
// faults of the whole.
func FaultsOf(ds Dataset) []Fault {
	var faults []Fault
	if f, ok := undivided(ds).(Faulty); ok {
		faults = f.Faults()
	}
	if c, ok := comparedIn(ds); ok && len(c.unread) > 0 {
		faults = slices.Concat(faults, c.unread)
	}
	return faults
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
