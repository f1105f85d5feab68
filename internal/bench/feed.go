package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/preprocess"
	"fasternet/data/sets"
	"fasternet/kernels"
	"fasternet/train"
)

// FeedOptions say how to time the feed of training.
type FeedOptions struct {
	Images  int          // number of images to time stage by stage; 0 for none
	Rounds  int          // rounds of training steps from the data set and from memory, in turn; 0 for none
	Seconds float64      // length of a round
	Notice  func(string) // gets a line about each round; may be nil
}

// Feed says how fast a data set feeds a model.
type Feed struct {
	Dataset    string  `json:"dataset"`
	Images     int     `json:"images"`
	KiBAnImage float64 `json:"kib_an_image,omitempty"` // size of the files; decoded images have none
	Size       int     `json:"size"`
	Precision  string  `json:"precision,omitempty"` // of the training steps: fp32 or bf16
	// BF16Path says how bf16 is computed: amx, avx512_bf16, neon_bf16, or go for an emulation.
	BF16Path string `json:"bf16_path,omitempty"`
	// The stages, in milliseconds of processor time per image.
	Read      float64 `json:"read_ms"`
	Decode    float64 `json:"decode_ms"`
	Resize    float64 `json:"crop_resize_ms"`
	Augment   float64 `json:"augment_ms"`
	Normalise float64 `json:"normalise_ms"`
	All       float64 `json:"all_ms"`

	Rounds  int     `json:"rounds"`
	Memory  float64 `json:"memory_img_per_s,omitempty"` // training on one batch in memory
	Fed     float64 `json:"fed_img_per_s,omitempty"`    // training on the data set
	Loss    float64 `json:"loss_percent"`               // how much slower that is: the median over the rounds
	Waiting float64 `json:"waiting_percent"`            // share of the steps' time spent waiting for a batch
}

// MeasureFeed times the data set of a configuration stage by stage, and then training steps on
// it in turn with steps on one batch in memory.
func MeasureFeed(ctx context.Context, c *configs.Config, o FeedOptions) (Feed, error) {
	if !c.Classifies() {
		return Feed{}, errors.New("the feed of a pre-training cannot be timed alone; its log says how long it waited")
	}
	// find a wrong precision before timing the stages
	if _, err := kernels.Default().ParsePrecision(c.Precision); err != nil && o.Rounds > 0 {
		return Feed{}, err
	}
	ds, err := sets.Open(ctx, c.Data, true)
	if err != nil {
		return Feed{}, err
	}
	size := c.Data.Scale(0)
	f := Feed{Dataset: c.Data.Name, Size: size, Rounds: o.Rounds}
	if o.Images > 0 {
		t, err := preprocess.Training(c, size)
		if err != nil {
			return f, err
		}
		if _, err := data.MeasureStages(ctx, ds, t, min(o.Images, 50), c.Seed); err != nil { // warms up
			return f, err
		}
		s, err := data.MeasureStages(ctx, ds, t, o.Images, c.Seed)
		if err != nil {
			return f, err
		}
		f.stages(s)
	}
	if o.Rounds == 0 {
		return f, nil
	}
	return f, f.train(ctx, c, ds, o)
}

func (f *Feed) stages(s data.Stages) {
	each := func(d time.Duration) float64 { return milliseconds(d) / float64(s.Images) }
	f.Images, f.KiBAnImage = s.Images, float64(s.Bytes)/1024/float64(s.Images)
	f.Read, f.Decode, f.Resize = each(s.Read), each(s.Decode), each(s.Resize)
	f.Augment, f.Normalise, f.All = each(s.Augment), each(s.Normalise), each(s.All)
}

// feedRun trains on batches from the loader or from memory.
type feedRun struct {
	steps  *train.Steps
	loader *data.Loader
	it     *data.Iterator
	epoch  int
}

func (r *feedRun) step(b *data.Batch) error {
	_, err := r.steps.Step(b, 1e-3)
	return err
}

// next returns a batch of the loader, epoch after epoch.
func (r *feedRun) next(ctx context.Context) (*data.Batch, error) {
	for {
		if r.it == nil {
			r.it = r.loader.Epoch(ctx, r.epoch, 0)
		}
		b, err := r.it.Next()
		if !errors.Is(err, io.EOF) {
			return b, err
		}
		r.epoch++
		r.it.Close()
		r.it = nil
	}
}

func (r *feedRun) stop() {
	if r.it != nil {
		r.it.Close()
		r.it = nil
	}
}

func (f *Feed) train(ctx context.Context, c *configs.Config, ds data.Dataset, o FeedOptions) error {
	loader, err := train.Loader(c, ds, 0, false)
	if err != nil {
		return err
	}
	pool := kernels.NewPool(c.Threads)
	defer pool.Close()
	steps, err := train.NewSteps(c, ds, pool)
	if err != nil {
		return err
	}
	f.Precision = steps.Precision().String()
	if steps.Precision() == kernels.BF16 {
		f.BF16Path = string(pool.Kernels().BF16())
	}
	r := &feedRun{steps: steps, loader: loader}
	defer r.stop()
	b, err := r.next(ctx)
	if err != nil {
		return err
	}
	inMemory := *b
	inMemory.Images, inMemory.Targets = slices.Clone(b.Images), slices.Clone(b.Targets)
	r.stop()
	for range 2 { // pack weights and touch memory
		if err := r.step(&inMemory); err != nil {
			return err
		}
	}
	var losses []float64
	var waited, fedTime, memoryTime time.Duration
	var fedSteps, memorySteps int
	for k := range o.Rounds {
		if o.Notice != nil {
			o.Notice(fmt.Sprintf("round %d/%d", k+1, o.Rounds))
		}
		memory, n, _, err := round(ctx, o.Seconds, func() (time.Duration, error) { return 0, r.step(&inMemory) })
		if err != nil {
			return err
		}
		// The loader makes some batches ahead before the clock runs, as in a long run.
		if _, err := r.next(ctx); err != nil {
			return err
		}
		fed, m, w, err := round(ctx, o.Seconds, func() (time.Duration, error) {
			begin := time.Now()
			b, err := r.next(ctx)
			if err != nil {
				return 0, err
			}
			waited := time.Since(begin)
			return waited, r.step(b)
		})
		if err != nil {
			return err
		}
		r.stop()
		waited, fedTime, memoryTime = waited+w, fedTime+fed, memoryTime+memory
		fedSteps, memorySteps = fedSteps+m, memorySteps+n
		losses = append(losses, 100*(1-memory.Seconds()/float64(n)/(fed.Seconds()/float64(m))))
	}
	slices.Sort(losses)
	batch := float64(c.Train.BatchSize)
	f.Memory, f.Fed = batch*float64(memorySteps)/memoryTime.Seconds(), batch*float64(fedSteps)/fedTime.Seconds()
	f.Loss, f.Waiting = losses[len(losses)/2], 100*waited.Seconds()/fedTime.Seconds()
	return nil
}

// round runs steps for some seconds, and at least three.
func round(
	ctx context.Context, seconds float64, step func() (time.Duration, error),
) (total time.Duration, steps int, waited time.Duration, err error) {
	begin := time.Now()
	for steps < 3 || time.Since(begin).Seconds() < seconds {
		if err := ctx.Err(); err != nil {
			return 0, 0, 0, err
		}
		w, err := step()
		if err != nil {
			return 0, 0, 0, err
		}
		waited += w
		steps++
	}
	return time.Since(begin), steps, waited, nil
}
