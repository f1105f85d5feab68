package data

import "slices"

// describeSamples is how many images [Describe] decodes.
const describeSamples = 64

// Info is a summary of a dataset.
type Info struct {
	Samples int      // in all
	Classes []string // names by class index
	Counts  []int    // samples by class index
	None    int      // samples without a label, where they may have any number
	Multi   bool     // samples may have any number of labels

	Decoded int    // samples that were decoded, spread over the dataset
	Bad     int    // samples that should have been decoded, but cannot be read
	BadErr  error  // what is wrong with the first bad one
	Grey    int    // decoded samples with one channel
	Height  Spread // in pixels
	Width   Spread
}

// Spread is the smallest, the middle and the largest of some numbers.
type Spread struct{ Min, Median, Max int }

// Describe counts the samples of each class, and decodes up to 64 samples, spread evenly,
// for their sizes. It is an error when a label is not one of the classes, or when one of
// the 64 cannot be decoded; with skipBad, Describe counts it instead.
func Describe(ds Dataset, skipBad bool) (Info, error) {
	n := ds.Len()
	info := Info{Samples: n, Classes: ds.Classes()}
	var err error
	if info.Counts, err = CountClasses(ds); err != nil {
		return Info{}, err
	}
	if info.Multi = IsMultiLabel(ds); info.Multi {
		for i := range n {
			if len(LabelSet(ds, i)) == 0 {
				info.None++
			}
		}
	}
	var heights, widths []int
	look := min(n, describeSamples)
	for k := range look {
		m, err := ds.Image(k * n / look)
		switch {
		case err != nil && skipBad:
			if info.Bad++; info.BadErr == nil {
				info.BadErr = err
			}
			continue
		case err != nil:
			return Info{}, err
		}
		info.Decoded++
		if m.Channels == 1 {
			info.Grey++
		}
		heights = append(heights, m.Height)
		widths = append(widths, m.Width)
	}
	info.Height, info.Width = spreadOf(heights), spreadOf(widths)
	return info, nil
}

func spreadOf(values []int) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	slices.Sort(values)
	return Spread{values[0], values[len(values)/2], values[len(values)-1]}
}
