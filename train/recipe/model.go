package recipe

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"fasternet/internal/memory"
)

var modelRule = rule{
	name: "Model and image size",
	keys: []string{
		"model.name", "model.embed_dim", "model.depths", "model.n_div", "model.feature_dim", "model.act_layer",
		"model.patch_size", "model.patch_stride",
		"model.init_std", "data.image_size", "data.test_crop_ratio",
	},
	reason: `A FasterNet: the fastest family on a processor. With few images it is also more
accurate than a transformer, which first has to learn that neighbouring pixels belong together.

Time can buy larger images, a larger network, or more epochs. The candidates are ordered by cost. First
the images grow (64 to 224 px, at most about twice the shorter side of your images: enlarging small
images gives the first stage more cells). Then the network grows (T0; T1 from 3,000 training images on,
T2 from 30,000, S from 200,000). Tiny images, up to 40 px, have candidates with three stages: patches of
2 px that do not overlap, then, from 3,000 images on, a patch of 3 px at every pixel, which costs more
and is more accurate (with 600 images it was not).

The costliest candidate that still sees every image often enough is chosen: 100 times with 2,500 images,
more with fewer and less with more (in proportion to 1 / the square root of their number, between 15 and
300 times), and twice as often in pre-training. One candidate is timed and the others are estimated from
it; the chosen one is timed too.

Evaluation shows the whole shorter side of an image. The usual crop of 0.9 is for images whose border is
background.`,
	apply: chooseModel,
}

// wanted is how often each of this many training images should be seen.
func wanted(images int, task string) float64 {
	w := clamp(100*math.Sqrt(2500/float64(max(images, 1))), 15, 300)
	if task == "localmim" {
		return 2 * w
	}
	return w
}

func chooseModel(d *draft) error {
	f := &d.facts
	if !f.tiny() {
		d.set("data.test_crop_ratio", 1.0, "evaluation shows the whole shorter side")
	}
	all := d.candidates()
	speeds := make([]float64, len(all))
	measured := make([]bool, len(all))
	fits := make([]int, len(all))
	measure := func(i int) error {
		var err error
		d.choices = append(d.choices, all[i].chosen(d)...)
		defer func() { d.choices = d.choices[:len(d.choices)-len(all[i].chosen(d))] }()
		if err = d.resolve(); err != nil {
			return err
		}
		for f.Fits = 0; ; {
			speeds[i], err = d.time(provisional(d))
			batch := batchOf(*f)
			if !errors.Is(err, memory.ErrShort) || batch <= leastBatch || d.given("train.batch_size") {
				break
			}
			f.Fits = max(batch/2, leastBatch)
		}
		if err != nil {
			return err
		}
		measured[i], fits[i] = true, f.Fits
		for k := range all {
			if !measured[k] {
				speeds[k] = speeds[i] * all[i].cost / all[k].cost
			}
		}
		return nil
	}
	want := wanted(f.Train, f.Task)
	seen := func(i int) float64 { return f.training() * speeds[i] / float64(f.Train) }
	best := func() int {
		for i := len(all) - 1; i > 0; i-- {
			if seen(i) >= want {
				return i
			}
		}
		return 0
	}
	at := min(1, len(all)-1)
	for tries := 0; tries < 4 && !measured[at]; {
		err := measure(at)
		if at > 0 && errors.Is(err, memory.ErrShort) {
			all = all[:at] // costlier ones need more memory
			at--
			if slices.Contains(measured[:len(all)], true) {
				at = best()
			}
			continue
		}
		if err != nil {
			return err
		}
		tries++
		at = best()
	}
	d.speed, f.Fits = speeds[at], fits[at]
	r := all[at]
	for k, c := range r.chosen(d) {
		why := ""
		if k == 0 {
			why = fmt.Sprintf("%s: about %.0f images per second here, so each of the %d training images is "+
				"seen about %s times in %s",
				r.name, d.speed, f.Train, count(d.views()), f.Budget)
		}
		d.set(c.key, c.value, "%s", why)
	}
	return d.checkBudget()
}

// count formats a number of times.
func count(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.2g", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// chosen returns the values of a rung that the user has not set.
func (r rung) chosen(d *draft) (all []choice) {
	for _, c := range append(r.model, choice{"data.image_size", r.size, ""}) {
		if !d.given(c.key) {
			all = append(all, c)
		}
	}
	return all
}

// candidates returns the ladder for the images. If the user has set a model, only the image size is left to choose.
func (d *draft) candidates() (all []rung) {
	f := d.facts
	all = photographs(f.Side, f.Train)
	if f.tiny() {
		all = tinies(f.Most, f.Train, f.Task == "localmim")
	}
	if !d.given("model.name") && !d.given("model.embed_dim") && !d.given("model.depths") && f.From == "" {
		return all
	}
	// The model is known: one rung per size.
	last := 0
	var own []rung
	for _, s := range append([]int{32}, sizes...) {
		if s > max(2*f.Side, 32) && last > 0 {
			break
		}
		if d.config.Model.CheckImageSize(s) == nil {
			own = append(own, rung{name: fmt.Sprintf("the model at %d px", s), size: s, cost: float64(s * s)})
			last = s
		}
	}
	if d.given("data.image_size") || len(own) == 0 {
		return []rung{{name: "the model", size: d.config.Data.ImageSize, cost: 1}}
	}
	return own
}
