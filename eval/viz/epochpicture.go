package viz

import (
	"context"
	"fmt"
	"path/filepath"

	"fasternet/data"
	"fasternet/graph/localmim"
	"fasternet/internal/disk"
)

// WriteSample draws images of a data set like [Reconstructions], to epoch-NNN.png in a
// folder, which it makes. epoch counts the finished epochs. With the same images and seed
// during a training, it shows how the model learns.
func WriteSample(ctx context.Context, dir string, epoch int, r *localmim.Runner, ds data.Dataset, o Options) error {
	sheet, err := Reconstructions(ctx, r, ds, o)
	if err != nil {
		return err
	}
	if err := disk.MakeFolder(dir); err != nil {
		return fmt.Errorf("viz: %w", err)
	}
	return sheet.Write(filepath.Join(dir, SampleName(epoch)))
}

// SampleName returns the name of the picture after this many epochs.
func SampleName(epoch int) string { return fmt.Sprintf("epoch-%03d.png", epoch) }
