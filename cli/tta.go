package cli

import (
	"fmt"
	"slices"

	"fasternet/data"

	"github.com/spf13/cobra"
)

// registerTTA adds the flag for several views of each image.
func registerTTA(c *cobra.Command, kind *string) {
	c.Flags().StringVar(kind, "tta", string(data.NoTTA), "`views` of each image: none, flip, fivecrop or tencrop")
}

func checkTTA(kind string) error {
	if !slices.Contains(data.TTAs, data.TTA(kind)) {
		return fmt.Errorf("--tta: want none, flip, fivecrop or tencrop, got %q", kind)
	}
	return nil
}

// viewsOf returns the transform that makes the views of an image, and what to tell the user: the transform
// itself and "" for one view.
func viewsOf(t *data.EvalTransform, kind string) (views data.Transform, note string, err error) {
	if kind == string(data.NoTTA) {
		return t, "", nil
	}
	v, err := data.NewViews(t, data.TTA(kind))
	if err != nil {
		return nil, "", usageError{fmt.Errorf("--tta: %w", err)}
	}
	return v, fmt.Sprintf("test-time augmentation: %s, the mean of the probabilities of %d views", kind, v.Count()), nil
}
