package recipe

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"fasternet/configs"
	"fasternet/internal/printable"
)

// Options are the inputs of a recipe.
type Options struct {
	Data string // the folder of a data set, or fashion-mnist
	Task string // classify or localmim
	From string // weights to start from; "" for none
	// Cached returns weights that are available at once, for photographs; "" for none. It may be nil.
	Cached func() string
	// Fetch names weights that Cached would return after a download: a note advises it if images are few. It may be "".
	Fetch string
	// Adopt returns the settings that come with weights: their model, and how its images are prepared. The
	// user's settings override them.
	Adopt    func(from string) (settings []string, err error)
	Budget   time.Duration // of the run
	Began    time.Time     // start of the budget
	After    time.Duration // part of the budget after training
	Settings []string      // the user's settings, key=value; they override every rule
	Say      func(format string, args ...any)
}

// Recipe is a configuration with the reasons for its choices.
type Recipe struct {
	Config *configs.Config
	Text   []byte // the same as a file, with a comment on every choice
	Facts  Facts
}

// Make inspects a data set and times the machine, and makes a configuration that fits both. The error says what is
// wrong with the data, or that the budget is too short (a [BudgetError]).
func Make(ctx context.Context, o Options) (*Recipe, error) {
	facts, train, err := look(ctx, o)
	if err != nil {
		return nil, err
	}
	o.Say("%s", facts.describe())
	adopted, err := o.start(&facts)
	if err != nil {
		return nil, err
	}
	o.Settings = append(adopted, o.Settings...)
	d := &draft{facts: facts, settings: o.Settings, say: o.Say}
	d.facts.Used = time.Since(o.Began)
	most := time.Duration(clamp(0.01*o.Budget.Seconds(), 0.4, 3) * float64(time.Second))
	d.time = func(c *configs.Config) (float64, error) {
		speed, err := measureSpeed(ctx, c, train, most)
		d.facts.Used = time.Since(o.Began)
		return speed, err
	}
	if err := d.resolve(); err != nil {
		return nil, err
	}
	if err := d.run(); err != nil {
		return nil, err
	}
	return d.recipe(len(adopted))
}

// Tasks lists the tasks that recipes are made for. A folder per class says nothing about images with several labels;
// these need a configuration that names their list (task: multilabel).
var Tasks = []string{"classify", "localmim"}

// fewFromScratch is the number of training images below which a note advises pretrained weights.
const fewFromScratch = 10_000

// start chooses the weights to start from, and returns the settings that come with them.
func (o Options) start(f *Facts) ([]string, error) {
	var adopted []string
	own := slices.ContainsFunc(o.Settings, func(s string) bool {
		return strings.HasPrefix(s, "from=") || strings.HasPrefix(s, "model")
	})
	if o.From == "" && !own && o.Cached != nil && f.Task == "classify" && !f.Grey && !f.tiny() {
		if from := o.Cached(); from != "" {
			f.From = from
			adopted = append(adopted, "from="+strconv.Quote(from))
			o.Say("starting from %s in the cache; for fresh weights add --set from=", from)
		} else if o.Fetch != "" && f.Train < fewFromScratch {
			o.Say("note: with %s, nothing helps more than pretrained weights: "+
				"fasternet-train weights fetch %s, then start again",
				printable.Count(f.Train, "training image"), o.Fetch)
		}
	}
	if f.From == "" || o.Adopt == nil {
		return nil, nil
	}
	more, err := o.Adopt(f.From)
	return append(adopted, more...), err
}

// recipe returns the complete recipe of the draft.
func (d *draft) recipe(adopted int) (*Recipe, error) {
	body, err := d.whole(adopted)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("A recipe for %s. %s", d.facts.words(), d.machine())
	text := append(
		[]byte(comment(head, 100)+"\n"+
			comment("docs/defaults.md has the reasons. This is an ordinary configuration that you can read and "+
				"change: fasternet-train train THIS.yaml --run FOLDER",
				100)+"\n\n"),
		body...,
	)
	c, err := configs.Parse("recipe", string(text))
	if err != nil {
		return nil, err
	}
	return &Recipe{c, text, d.facts}, nil
}

// describe says what was found.
func (f Facts) describe() string {
	text := f.words()
	if f.Held > 0 {
		text += fmt.Sprintf("; no validation part: %g %% of the images are held out", 100*f.Held)
	}
	return text
}

func (f Facts) words() string {
	colours := "in colour"
	if f.Grey {
		colours = "grey"
	}
	name := f.Dir
	if name == "" {
		name = f.Format
	}
	text := fmt.Sprintf("%s: %d training and %d validation images, %s, shorter side about %d px",
		name, f.Train, f.Val, colours, f.Side)
	if f.Task == "classify" {
		least, most := extremes(f.Counts)
		text += fmt.Sprintf(", %d classes of %d", f.classes(), least)
		if most > least {
			text += fmt.Sprintf(" to %d", most)
		}
		text += " training images"
	}
	return text
}

// extremes returns the smallest number above 0 and the largest.
func extremes(counts []int) (least, most int) {
	for _, c := range counts {
		if c > 0 && (least == 0 || c < least) {
			least = c
		}
		most = max(most, c)
	}
	return least, most
}

// machine describes what was measured.
func (d *draft) machine() string {
	threads := d.config.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return fmt.Sprintf("The budget is %s. On %s, %.0f images are trained per second.",
		BudgetText(d.facts.Budget), printable.Count(threads, "thread"), d.speed)
}

// Summary describes the choices in one line.
func (r *Recipe) Summary() string {
	c := r.Config
	epochs := "epochs"
	if c.Train.Epochs == 1 {
		epochs = "epoch"
	}
	return fmt.Sprintf("recipe: %s at %d px, batches of %d, about %d %s in %s; "+
		"config.yaml in the run's folder has the reason for every choice",
		c.Model.Title(), c.Data.ImageSize, c.Train.BatchSize, c.Train.Epochs, epochs,
		BudgetText(r.Facts.Budget))
}

// Notes names choices that may be wrong for what the images show, which no rule can see.
func (r *Recipe) Notes() []string {
	if r.Facts.Symbols && r.Facts.Task == "classify" && r.Config.Augment.HFlip > 0 {
		return []string{"the classes are named by single letters or digits, and half of the images are mirrored: " +
			"if they show letters or digits, add --set augment.hflip=0"}
	}
	return nil
}
