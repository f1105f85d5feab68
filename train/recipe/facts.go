package recipe

import (
	"slices"
	"time"
)

// Facts are what the rules look at.
type Facts struct {
	Format  string // a value of data.name
	Dir     string
	Task    string
	From    string // weights that the run starts from; "" for none
	Threads int
	Budget  time.Duration
	Used    time.Duration // of the budget, before training
	After   time.Duration // of the budget, after it: the report and the export

	Train, Val int // images; Val is 0 where there is no validation part, until a part is held out
	Held       float64
	Counts     []int // training images of each class
	Side       int   // the shorter side of an image, in the middle of all that were looked at
	Least      int   // the smallest of them
	Most       int   // the longest side
	Grey       bool  // the images have no colours
	Files      bool  // they are files that a camera may have written, not arrays of pixels
	Mean, Std  []float64
}

// classes is the number of classes with images.
func (f Facts) classes() (n int) {
	for _, c := range f.Counts {
		if c > 0 {
			n++
		}
	}
	return n
}

// uneven is how many times more images the largest class has than the smallest.
func (f Facts) uneven() float64 {
	least, most := 0, 0
	for _, c := range f.Counts {
		if c > 0 && (least == 0 || c < least) {
			least = c
		}
		most = max(most, c)
	}
	if least == 0 {
		return 1
	}
	return float64(most) / float64(least)
}

// perClass is the number of training images of a class in the middle.
func (f Facts) perClass() int {
	var all []int
	for _, c := range f.Counts {
		if c > 0 {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// evaluating is the part of the time that goes into evaluations, about.
const evaluating = 0.06

// training is how many seconds of the budget are for training steps.
func (f Facts) training() float64 {
	return max((f.Budget-f.Used-f.After).Seconds(), 0) * (1 - evaluating)
}

// tiny says whether the images are about as small as handwritten digits or CIFAR's.
func (f Facts) tiny() bool { return f.Most <= tinySide }

const tinySide = 40
