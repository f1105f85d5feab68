package probe

import (
	"context"
	"fmt"
	"math"

	"fasternet/configs"
	"fasternet/eval"
	"fasternet/internal/rng"
	"fasternet/kernels"
	"fasternet/optim"
)

// LinearOptions say how [Linear] trains.
type LinearOptions struct {
	Epochs, WarmupEpochs int
	Batch                int     // images per step; fewer if the data set has fewer
	BaseLR               float64 // peak learning rate for a batch of 256
	Optimizer            string  // LARS or SGD
	Seed                 uint64  // for the first weights and the order of the images
	Report               func(Epoch)
}

// DefaultLinear returns the options of the linear probe of MAE (He et al., 2022), with smaller
// batches.
func DefaultLinear() LinearOptions {
	return LinearOptions{Epochs: 90, WarmupEpochs: 10, Batch: 512, BaseLR: 0.1, Optimizer: LARS}
}

// Validate returns an error that names an option that cannot work.
func (o LinearOptions) Validate() error {
	switch {
	case o.Epochs < 1:
		return fmt.Errorf("probe: %d epochs: want 1 or more", o.Epochs)
	case o.WarmupEpochs < 0 || o.WarmupEpochs >= o.Epochs:
		return fmt.Errorf("probe: %d warm-up epochs of %d epochs in all: want fewer", o.WarmupEpochs, o.Epochs)
	case o.Batch < 2:
		return fmt.Errorf("probe: %d images per step: want 2 or more, as they are normalised by their own moments",
			o.Batch)
	case !(o.BaseLR > 0) || math.IsInf(o.BaseLR, 1):
		return fmt.Errorf("probe: learning rate %v: want more than 0", o.BaseLR)
	case o.Optimizer != LARS && o.Optimizer != SGD:
		return fmt.Errorf("probe: optimizer %q: want %s or %s", o.Optimizer, LARS, SGD)
	}
	return nil
}

// Short reports whether LARS would hardly move the weights with that many images: all its
// steps together are less than 5 times the size of the weights.
func (o LinearOptions) Short(images int) bool {
	batch := max(min(o.Batch, images), 1)
	peak := o.BaseLR * float64(batch) / 256
	steps := float64(o.Epochs * (images / batch))
	return o.Optimizer == LARS && trust/(1-momentum)*peak/2*steps < 5
}

// Epoch is the result of one epoch.
type Epoch struct {
	Number int     // from 1
	LR     float64 // at its last step
	Loss   float64 // mean of its steps
	Val    eval.Result
}

// Always returns the same training features for all epochs.
func Always(s *Set) func(epoch int) (*Set, error) {
	return func(int) (*Set, error) { return s, nil }
}

// Linear trains a batch norm and a linear layer on features, and measures them on the
// validation images after every epoch. epochs returns the training features of an epoch, from
// 0: the same ones, or features of images that were augmented again. The learning rate
// follows batch size, warm-up and cosine as [optim.Schedule] does for LocalMIM. Images that
// do not fill a batch are left out of an epoch.
func Linear(ctx context.Context, pool *kernels.Pool, epochs func(epoch int) (*Set, error), val *Set,
	o LinearOptions) (*Head, []Epoch, error) {
	if err := o.Validate(); err != nil {
		return nil, nil, err
	}
	var m *machine
	var opt *optim.Optimizer
	var done []Epoch
	for e := range o.Epochs {
		images, err := epochs(e)
		if err != nil {
			return nil, nil, err
		}
		if err := o.fits(images, val, m); err != nil {
			return nil, nil, err
		}
		batch := min(o.Batch, images.Len())
		if m == nil {
			m = newMachine(newHead(images.Width, len(images.Classes), o.Seed), pool, batch)
			if opt, err = o.optimizer(m); err != nil {
				return nil, nil, err
			}
		}
		batch = min(batch, m.x.Rows)
		steps := images.Len() / batch
		rate := optim.Schedule{
			Sched: configs.Sched{Form: "localmim", WarmupEpochs: o.WarmupEpochs},
			LR:    o.BaseLR * float64(batch) / 256, Epochs: o.Epochs, Steps: steps,
		}
		order := rng.New(o.Seed, rng.Shuffle, uint64(e)).Perm(images.Len())
		now := Epoch{Number: e + 1}
		for step := range steps {
			if err := ctx.Err(); err != nil {
				return nil, nil, err
			}
			loss := m.gradients(images, order[step*batch:(step+1)*batch])
			if err := finite(loss, e); err != nil {
				return nil, nil, err
			}
			now.LR = rate.At(e, step)
			now.Loss += loss / float64(steps)
			opt.Step(now.LR, 1)
		}
		now.Val = m.measure(val)
		if err := finite(now.Val.Loss, e); err != nil {
			return nil, nil, err
		}
		done = append(done, now)
		if o.Report != nil {
			o.Report(now)
		}
	}
	return m.Head, done, nil
}

func finite(loss float64, epoch int) error {
	if math.IsNaN(loss) || math.IsInf(loss, 0) {
		return fmt.Errorf("probe: the loss is %v in epoch %d: want a smaller learning rate", loss, epoch+1)
	}
	return nil
}

// fits returns an error unless the features of an epoch can be trained on.
func (o LinearOptions) fits(images, val *Set, m *machine) error {
	if err := match(images, val); err != nil {
		return err
	}
	if images.Len() < 2 {
		return fmt.Errorf("probe: one training image: want 2 or more")
	}
	if m != nil && len(m.Mean) != images.Width {
		return fmt.Errorf("probe: %d features, but %d in the epoch before", images.Width, len(m.Mean))
	}
	return nil
}
