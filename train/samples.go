package train

import (
	"context"
	"fmt"

	"fasternet/eval"
	"fasternet/viz"
)

// SamplesFolder holds the pictures that a pre-training draws of the same images
// every so many epochs.
const SamplesFolder = "samples"

// samples is the number of images in such a picture.
const samples = 4

// picture draws what a pre-training predicts, if it is time. A picture that
// cannot be drawn does not end the run.
func (t *trainer) picture(ctx context.Context) {
	p, c := t.progress, t.config
	task, ok := t.task.(*pretraining)
	every := c.MIM.PictureInterval
	if !ok || every == 0 || (p.Epoch+1)%every != 0 && p.Epoch+1 != c.Train.Epochs {
		return
	}
	err := viz.WriteSample(ctx, t.folder.path(SamplesFolder), p.Epoch+1, task.runner, t.val, viz.Options{
		Title:     fmt.Sprintf("LocalMIM of a %s after %d of %d epochs", c.Model.Name, p.Epoch+1, c.Train.Epochs),
		Transform: eval.Transform(c.Data, c.Model.InChans), Most: samples, Seed: c.Seed, Workers: c.Data.Workers,
	})
	if err != nil && ctx.Err() == nil {
		t.show.Line("warning: no picture: %v", err)
	}
}
