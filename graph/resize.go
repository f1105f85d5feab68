package graph

import "fmt"

// Sized is a model whose weights depend on the size of the images.
type Sized interface {
	Model
	// ForSize returns the model as its configuration describes it for images of another size, in
	// pixels of a side, with the logits that it gives there. It returns the model itself if nothing
	// changes. The error says why the weights cannot be changed to that size.
	ForSize(imageSize int) (Model, error)
	// SizeNote says what ForSize changes, for the user; "" if nothing is worth a note.
	SizeNote(imageSize int) string
}

// AnySize returns why a graph of the model is for images of one size; nil if it works for all sizes.
func AnySize(m Model) error {
	if _, one := m.(Sized); one {
		return fmt.Errorf("its weights are for images of one size: height and width cannot be chosen at run time")
	}
	return nil
}

// ForSize returns a model for images of another size, see [Sized], or the model itself if its
// weights are for all sizes.
func ForSize(m Model, imageSize int) (Model, error) {
	if m, ok := m.(Sized); ok {
		return m.ForSize(imageSize)
	}
	return m, nil
}
