package train

import (
	"context"
	"fmt"
	"slices"

	"fasternet/checkpoints"
	"fasternet/data/preprocess"
	"fasternet/eval/viz"
	"fasternet/formats"
)

// SamplesFolder holds the pictures that a pre-training draws of the same images at regular epochs.
const SamplesFolder = "samples"

// samples is the number of images in each picture.
const samples = 4

// draw adds histograms and pictures if they are due.
func (t *trainer) draw(ctx context.Context) error {
	if t.folder == nil {
		return nil
	}
	if t.histogramDue() {
		if err := t.board.histograms(t.task.store().Params(), t.progress.Epoch+1, t.hasGradients); err != nil {
			return err
		}
	}
	return t.picture(ctx)
}

// gradients returns the gradients of the last step for a checkpoint. They share memory with the parameters.
func (t *trainer) gradients() (ts []formats.Tensor) {
	for _, p := range trained(t.task.store().Params()) {
		ts = append(ts, formats.Tensor{
			Name:  checkpoints.GradientPrefix + p.Name,
			Shape: slices.Clone([]int(p.Shape())),
			F32:   p.GradData(),
		})
	}
	return ts
}

// restoreGradients restores them from a checkpoint, if it has them.
func (t *trainer) restoreGradients(f *checkpoints.File) {
	for _, g := range t.gradients() {
		if have, ok := f.Lookup(g.Name); ok && len(have.F32) == len(g.F32) {
			copy(g.F32, have.F32)
			t.hasGradients = true
		}
	}
}

// histogramDue reports whether histograms are drawn after the epoch in progress.
func (t *trainer) histogramDue() bool {
	done, every := t.progress.Epoch+1, t.config.Log.HistogramInterval
	return t.config.Log.TensorBoard && every > 0 && (done%every == 0 || t.last())
}

// picture draws the predictions of a pre-training if they are due. A failure does not end the run.
func (t *trainer) picture(ctx context.Context) error {
	p, c := t.progress, t.config
	task, ok := t.task.(*pretraining)
	every := c.MIM.PictureInterval
	if !ok || every == 0 || (p.Epoch+1)%every != 0 && !t.last() {
		return nil
	}
	err := viz.WriteSample(ctx, t.folder.path(SamplesFolder), p.Epoch+1, task.runner, t.val, viz.Options{
		Title:     fmt.Sprintf("LocalMIM of a %s after %d of %d epochs", c.Model.Name, p.Epoch+1, t.epochs()),
		Transform: preprocess.Evaluation(c.Data, c.Model.InChans), Most: samples, Seed: c.Seed, Workers: c.Data.Workers,
		ReplaceBad: c.Data.OnBadImage == "skip",
	})
	if err != nil {
		if ctx.Err() == nil {
			t.show.Line("warning: no picture: %v", err)
		}
		return nil //nolint:nilerr // the run goes on without the picture
	}
	return t.board.picture("reconstructions", t.folder.path(SamplesFolder, viz.SampleName(p.Epoch+1)), p.Epoch+1)
}
