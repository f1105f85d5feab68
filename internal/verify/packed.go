package verify

import (
	"context"
	"fmt"

	"fasternet/data"
	"fasternet/data/sets"
	"fasternet/internal/printable"
)

// checkPacked checks the index of a packed file of a data set, and every sample: its checksum, and
// that it can be decoded.
func checkPacked(r *Report) error {
	d, err := sets.OpenPacked(r.Path)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // it was only read
	v, err := data.Verify(context.Background(), d, data.VerifyOptions{})
	if err != nil {
		return err
	}
	if n := len(v.Broken); n > 0 {
		r.Rescue = fmt.Sprintf("the other %d are complete: pack the data set again, "+
			"or train with data.on_bad_image=skip", d.Len()-n)
		return fmt.Errorf("%d of %d samples are broken, the first: %w", n, d.Len(), v.Broken[0].Err)
	}
	r.Facts = printable.Count(d.Len(), "image") + " of " + printable.Count(len(d.Classes()), "class")
	return nil
}
