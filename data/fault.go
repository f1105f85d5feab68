package data

import "fmt"

// Fault is something that the opener of a dataset found wrong: a class without
// images, a folder that cannot be read, a link to nothing.
type Fault struct {
	Err error // names the file or folder

	// Image says that the fault is one image which cannot be read. It is a sample
	// all the same: data.on_bad_image: skip lets another one take its place.
	Image bool
}

// faulty is a dataset that knows what its opener found wrong.
type faulty interface{ Faults() []Fault }

// FaultsOf lists what the opener of a dataset found wrong. For a part or a view of a
// dataset it lists the faults of the whole.
func FaultsOf(ds Dataset) []Fault {
	if f, ok := undivided(ds).(faulty); ok {
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
			more++
		}
	}
	if more > 0 {
		return fmt.Errorf("%w (and %d more; data verify lists all)", first, more)
	}
	return first
}
