package probe

import (
	"errors"
	"fmt"

	"fasternet/data"
	"fasternet/data/classes"
	"fasternet/kernels"
)

// Set holds the features of labelled images.
type Set struct {
	Values  []float32 // [images, Width]
	Width   int       // number of features of an image
	Labels  []int     // one for each image
	Classes []string  // names; a label is an index into it
}

// Len returns the number of images.
func (s *Set) Len() int { return len(s.Labels) }

func (s *Set) matrix() kernels.Matrix { return kernels.NewMatrix(s.Values, s.Len(), s.Width) }

// Validate returns an error that says why a set cannot be used: no images, no
// labels, sizes that do not fit, labels that are not one of the classes, features
// that are not numbers.
func (s *Set) Validate() error {
	switch {
	case len(s.Labels) == 0 && len(s.Values) > 0:
		return errors.New("the images are not labelled: want a data set with classes")
	case len(s.Labels) == 0:
		return errors.New("there are no images")
	case s.Width < 1 || len(s.Values) != len(s.Labels)*s.Width:
		return fmt.Errorf("want %d features for each of %d images, got %d in all",
			s.Width, len(s.Labels), len(s.Values))
	case len(s.Classes) < 2:
		return fmt.Errorf("want 2 classes or more to tell apart, got %d", len(s.Classes))
	}
	for i, l := range s.Labels {
		if l < 0 || l >= len(s.Classes) {
			return fmt.Errorf("image %d is not labelled: %d is not one of the %d classes", i, l, len(s.Classes))
		}
	}
	for i, v := range s.Values {
		if v-v != 0 {
			return fmt.Errorf("image %d has a feature that is NaN or infinite: "+
				"the model is broken, or does not fit these images", i/s.Width)
		}
	}
	return nil
}

// match returns an error if one of two sets cannot be used, or they cannot be compared.
func match(train, val *Set) error {
	if err := train.Validate(); err != nil {
		return fmt.Errorf("probe: training images: %w", err)
	}
	if err := val.Validate(); err != nil {
		return fmt.Errorf("probe: validation images: %w", err)
	}
	if train.Width != val.Width {
		return fmt.Errorf("probe: training images have %d features, validation images %d: want both from one model",
			train.Width, val.Width)
	}
	if m := classes.Compare(val.Classes, train.Classes); m.Kind != classes.Same {
		return fmt.Errorf("probe: the labels of both parts need the same classes: %s",
			m.Difference("the validation images", "the training images"))
	}
	return nil
}

// Few returns a set with at most n images of each class, drawn by the seed.
func (s *Set) Few(n int, seed uint64) *Set {
	out := &Set{Width: s.Width, Classes: s.Classes}
	for _, i := range data.FewRows(s.Labels, len(s.Classes), n, seed) {
		out.Labels = append(out.Labels, s.Labels[i])
		out.Values = append(out.Values, s.Values[i*s.Width:(i+1)*s.Width]...)
	}
	return out
}
