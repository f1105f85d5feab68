package recipe

import (
	"time"
)

// Facts are the inputs of the rules.
type Facts struct {
	Format  string // a value of data.name
	Dir     string
	Task    string
	From    string // weights to start from; "" for none
	Threads int
	Budget  time.Duration
	Used    time.Duration // part of the budget before training
	After   time.Duration // part of the budget after training, for the report and the export

	Train, Val int // images; Val is 0 where there is no validation part, until a part is held out
	Held       float64
	Fits       int   // largest batch that fits into memory, if another was tried; else 0
	Counts     []int // training images of each class
	Symbols    bool  // each class is named by one letter or digit
	Side       int   // median of the shorter side of the inspected images
	Least      int   // smallest shorter side
	Most       int   // longest side
	Grey       bool  // the images are grey
	Files      bool  // files that a camera may have written, not arrays of pixels
	Mean, Std  []float64
}

// classes returns the number of classes with images.
func (f Facts) classes() (n int) {
	for _, c := range f.Counts {
		if c > 0 {
			n++
		}
	}
	return n
}

// uneven returns the images of the largest class divided by the images of the smallest.
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

// evaluating is the approximate share of the time for evaluations.
const evaluating = 0.06

// training returns the seconds of the budget for training steps.
func (f Facts) training() float64 {
	return max((f.Budget-f.Used-f.After).Seconds(), 0) * (1 - evaluating)
}

// tiny reports whether the images are about as small as handwritten digits or CIFAR's.
func (f Facts) tiny() bool { return f.Most <= tinySide }

const tinySide = 40
