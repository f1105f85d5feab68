package recipe

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"fasternet/configs"
	_ "fasternet/graph/families"
	"fasternet/graph/fasternet"
	"fasternet/internal/memory"
)

// even returns this many images in this many classes of equal size.
func even(images, classes int) []int {
	counts := make([]int, classes)
	for i := range counts {
		counts[i] = images / classes
	}
	return counts
}

// machine returns a machine whose speed depends only on the arithmetic of a model.
func machine(gmacs float64) func(c *configs.Config) (float64, error) {
	return func(c *configs.Config) (float64, error) {
		a, err := configs.ArchOf[fasternet.Config](c.Model)
		if err != nil {
			return gmacs / 1, nil //nolint:nilerr // another family
		}
		work := 0.0
		for i, side := range a.StageSides(c.Data.ImageSize) {
			dim := float64(a.StageDims()[i])
			work += float64(side*side) * float64(a.Depths[i]) * dim * dim * 4.6
		}
		return gmacs * 1e9 / work, nil
	}
}

// photos returns the facts of a folder of photographs.
func photos(images int, budget time.Duration) Facts {
	return Facts{
		Format: "imagefolder", Dir: "photos", Task: "classify", Budget: budget, After: 2 * time.Second, Files: true,
		Train: images, Val: images / 5, Held: held(images), Counts: even(images, 10), Side: 480, Least: 300, Most: 1024,
		Mean: []float64{0.5, 0.4, 0.3}, Std: []float64{0.2, 0.2, 0.2},
	}
}

// digits returns the facts of a set like MNIST.
func digits(images int, budget time.Duration) Facts {
	f := photos(images, budget)
	f.Format, f.Held, f.Grey, f.Files, f.Side, f.Least, f.Most = "idx", 0, true, false, 28, 28, 28
	f.Mean, f.Std = f.Mean[:1], f.Std[:1]
	return f
}

func recipeFor(t *testing.T, f Facts, gmacs float64, settings ...string) *Recipe {
	t.Helper()
	r, err := tryRecipe(f, gmacs, settings...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryRecipe(f Facts, gmacs float64, settings ...string) (*Recipe, error) {
	d := &draft{facts: f, settings: settings, time: machine(gmacs)}
	if err := d.resolve(); err != nil {
		return nil, err
	}
	if err := d.run(); err != nil {
		return nil, err
	}
	return d.recipe(0)
}

// More time buys larger images, then a larger network. More images also buy a larger network.
func TestModelFollowsTimeAndData(t *testing.T) {
	short, long := recipeFor(t, photos(2000, 3*time.Minute), 30), recipeFor(t, photos(2000, 10*time.Hour), 30)
	if short.Config.Data.ImageSize >= long.Config.Data.ImageSize || long.Config.Data.ImageSize != 224 {
		t.Errorf("%d px in 3 minutes, %d px in 10 hours", short.Config.Data.ImageSize, long.Config.Data.ImageSize)
	}
	if w := widthOf(long.Config); w != 40 {
		t.Errorf("2,000 images have a network %d wide", w)
	}
	if w := widthOf(recipeFor(t, photos(300_000, 1000*time.Hour), 30).Config); w != 128 {
		t.Errorf("300,000 images have a network %d wide", w)
	}
	few := photos(2000, 10*time.Hour)
	few.Side, few.Most = 64, 64
	if size := recipeFor(t, few, 30).Config.Data.ImageSize; size != 128 {
		t.Errorf("images of 64 px are trained on at %d px", size)
	}
	quick, slow := recipeFor(t, digits(60_000, 3*time.Minute), 60), recipeFor(t, digits(60_000, time.Hour), 60)
	if a, b := widthOf(quick.Config), widthOf(slow.Config); a != 24 || b != 40 {
		t.Errorf("tiny images have networks %d and %d wide", a, b)
	}
	if quick.Config.Model.InChans != 1 || quick.Config.Data.Mean[0] != 0.5 || len(quick.Config.Data.Mean) != 1 {
		t.Errorf("grey images: %d channels, mean %v", quick.Config.Model.InChans, quick.Config.Data.Mean)
	}
}

// The costs of the rungs rise, so more time never buys less.
func TestLaddersRise(t *testing.T) {
	for _, l := range [][]rung{
		photographs(480, 1_000_000), photographs(64, 100), photographs(40, 5000), tinies(28, 9999, false),
		tinies(32, 100, true), tinies(40, 9999, false),
	} {
		for i := range l {
			if i > 0 && l[i].cost <= l[i-1].cost {
				t.Errorf("%s costs %v, %s before it %v", l[i].name, l[i].cost, l[i-1].name, l[i-1].cost)
			}
		}
		if len(l) < 2 {
			t.Errorf("only %v", l)
		}
	}
}

// The user's settings stay, and the rules see them.
func TestSettingsCount(t *testing.T) {
	for _, c := range []struct {
		settings []string
		says     []string
	}{
		{
			[]string{"data.image_size=96", "optim.lr=0.5"},
			[]string{"image_size: 96", "lr: 0.5", "min_lr: 0.0005", "# given"},
		},
		{
			[]string{"model={name: vit, embed_dim: 192, depth: 6, num_heads: 3, patch_size: 16}"},
			[]string{"name: vit", "embed_dim: 192", "lr: 0.0005"},
		},
		{[]string{"augment={hflip: 0, mixup: 0}"}, []string{"hflip: 0\n", "mixup: 0\n"}},
		{[]string{"train.batch_size=16"}, []string{"batch_size: 16", "lr: 0.0005"}},
		{[]string{"augment.rand_augment="}, []string{`rand_augment: ""`}},
	} {
		t.Run(strings.Join(c.settings, " "), func(t *testing.T) {
			r := recipeFor(t, photos(2000, time.Hour), 30, c.settings...)
			for _, w := range c.says {
				if !strings.Contains(string(r.Text), w) {
					t.Errorf("no %q in\n%s", w, r.Text)
				}
			}
		})
	}
}

// The text is the configuration: it reads back as any other, with reasons.
func TestText(t *testing.T) {
	for _, f := range []Facts{
		photos(24, time.Hour), photos(800, 20*time.Minute), photos(5000, time.Hour), digits(600, 3*time.Minute),
	} {
		for _, task := range Tasks {
			f.Task = task
			r := recipeFor(t, f, 60)
			again, err := configs.Parse("again", string(r.Text))
			if err != nil {
				t.Fatal(err)
			}
			a, errA := again.YAML()
			b, errB := r.Config.YAML()
			if err := errors.Join(errA, errB); err != nil || string(a) != string(b) {
				t.Errorf("%d images, %s: the text says something else: %v", f.Train, task, err)
			}
			if len(again.Notes) > 0 {
				t.Errorf("%d images, %s: notes about a recipe: %v", f.Train, task, again.Notes)
			}
			if n := strings.Count(string(r.Text), "# "); n < 12 {
				t.Errorf("%d images, %s: only %d comments\n%s", f.Train, task, n, r.Text)
			}
			if again.Train.BatchSize > f.Train || again.Train.BatchSize%2 != 0 {
				t.Errorf("%d images, %s: batches of %d", f.Train, task, again.Train.BatchSize)
			}
		}
	}
}

// A batch that does not fit into memory is halved; then the images and the network become smaller.
func TestLittleMemory(t *testing.T) {
	largest := func(c *configs.Config) int {
		return c.Train.BatchSize * c.Data.ImageSize * c.Data.ImageSize * widthOf(c)
	}
	f := photos(5000, 100*time.Hour)
	plenty := recipeFor(t, f, 30).Config
	if plenty.Train.BatchSize != 64 || plenty.Data.ImageSize != 224 || widthOf(plenty) != 64 {
		t.Fatalf("batches of %d at %d px", plenty.Train.BatchSize, plenty.Data.ImageSize)
	}
	for _, c := range []struct {
		name               string
		memory             int
		batch, size, width int
		settings           []string
	}{
		{"half", largest(plenty) / 2, 32, 224, 64, nil},
		{"an eighth", largest(plenty) / 8, 16, 192, 40, nil},
		{"very little", 64 * 64 * 40 * 16, 16, 64, 40, nil},
		{"a batch of the user", largest(plenty) / 2, 64, 192, 40, []string{"train.batch_size=64"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			speed := machine(30)
			d := &draft{facts: f, settings: c.settings, time: func(o *configs.Config) (float64, error) {
				if largest(o) > c.memory {
					return 0, fmt.Errorf("batch %d: %w", o.Train.BatchSize, memory.ErrShort)
				}
				return speed(o)
			}}
			if err := errors.Join(d.resolve(), d.run()); err != nil {
				t.Fatal(err)
			}
			got := d.config
			if got.Train.BatchSize != c.batch || got.Data.ImageSize != c.size || widthOf(got) != c.width {
				t.Errorf("batches of %d at %d px, %d wide", got.Train.BatchSize, got.Data.ImageSize, widthOf(got))
			}
			if text, err := d.text(); err != nil ||
				strings.Contains(string(text), "do not fit into memory") != (c.settings == nil) {
				t.Errorf("%v: %s", err, text)
			}
		})
	}
	d := &draft{facts: f, time: func(*configs.Config) (float64, error) { return 0, memory.ErrShort }}
	if err := errors.Join(d.resolve(), d.run()); !errors.Is(err, memory.ErrShort) {
		t.Errorf("no memory at all: %v", err)
	}
}

// If a budget is too short, the error names one that is enough, and that one works.
func TestShortBudget(t *testing.T) {
	f := photos(2000, 5*time.Second)
	_, err := tryRecipe(f, 3)
	var short *BudgetError
	if !errors.As(err, &short) {
		t.Fatalf("got %v", err)
	}
	if f.Budget = short.Least; f.Budget < 6*time.Second {
		t.Errorf("the least is %v", f.Budget)
	}
	if _, err := tryRecipe(f, 3); err != nil {
		t.Errorf("%v is not enough: %v", f.Budget, err)
	}
}

// The number of epochs counts whole batches only, because the images that are left over are not trained on.
func TestEpochsCountWholeBatches(t *testing.T) {
	for _, c := range []struct{ images, batch int }{{63, 32}, {317, 32}, {2047, 64}} {
		f := photos(c.images, 10*time.Minute)
		d := &draft{
			facts: f, settings: []string{fmt.Sprintf("train.batch_size=%d", c.batch)}, time: machine(30),
		}
		if err := d.resolve(); err != nil {
			t.Fatal(err)
		}
		if err := d.run(); err != nil {
			t.Fatal(err)
		}
		epoch := float64(c.images/c.batch*c.batch) / d.speed // seconds
		if took := float64(d.config.Train.Epochs) * epoch; math.Abs(took-f.training()) > epoch {
			t.Errorf("%d images in batches of %d: %d epochs take %.0f s of %.0f s",
				c.images, c.batch, d.config.Train.Epochs, took, f.training())
		}
	}
}

// Classes count as uneven if their sizes differ much.
func TestUneven(t *testing.T) {
	for _, c := range []struct {
		counts []int
		want   float64
	}{{[]int{10, 10}, 1}, {[]int{5, 0, 50}, 10}, {nil, 1}} {
		if got := (Facts{Counts: c.counts}).uneven(); got != c.want {
			t.Errorf("%v: %v, want %v", c.counts, got, c.want)
		}
	}
}

// A note advises pretrained weights for a few photographs that start without them.
func TestAdvisesWeights(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(*Facts)
		cached   string
		settings []string
		advised  bool
	}{
		{"photographs", func(*Facts) {}, "", nil, true},
		{"in the cache", func(*Facts) {}, "hf://a/b", nil, false},
		{"fresh weights wanted", func(*Facts) {}, "", []string{"from="}, false},
		{"another model", func(*Facts) {}, "", []string{"model.name=vit"}, false},
		{"many", func(f *Facts) { f.Train = 50_000 }, "", nil, false},
		{"grey", func(f *Facts) { f.Grey = true }, "", nil, false},
		{"tiny", func(f *Facts) { f.Most = 32 }, "", nil, false},
		{"a pre-training", func(f *Facts) { f.Task = "localmim" }, "", nil, false},
	} {
		f, said := photos(300, time.Minute), ""
		c.change(&f)
		o := Options{
			Cached:   func() string { return c.cached },
			Fetch:    "hf://x/y",
			Settings: c.settings,
			Say:      func(format string, args ...any) { said += fmt.Sprintf(format, args...) },
		}
		if _, err := o.start(&f); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := strings.Contains(said, "weights fetch hf://x/y"); got != c.advised {
			t.Errorf("%s: said %q", c.name, said)
		}
	}
}

// A note names the mirroring where the classes are called like letters or digits.
func TestSymbols(t *testing.T) {
	for _, c := range []struct {
		classes  string
		settings []string
		notes    int
	}{
		{"0 1 2", nil, 1},
		{"A é Ж", nil, 1},
		{"0 1 2", []string{"augment.hflip=0"}, 0},
		{"0 1 10", nil, 0},
		{"a cat", nil, 0},
		{"a -", nil, 0},
		{"", nil, 0},
	} {
		f := digits(1000, 5*time.Minute)
		f.Symbols = symbols(strings.Fields(c.classes))
		if got := recipeFor(t, f, 40, c.settings...).Notes(); len(got) != c.notes {
			t.Errorf("%s with %v: %q, want %d", c.classes, c.settings, got, c.notes)
		}
		f.Task = "localmim"
		if got := recipeFor(t, f, 40, c.settings...).Notes(); got != nil {
			t.Errorf("%s for a pre-training: %q", c.classes, got)
		}
	}
}

// The number of images of each class is one number if all classes have as many.
func TestWordsOfClasses(t *testing.T) {
	f := photos(200, time.Minute)
	for _, c := range []struct {
		counts []int
		want   string
	}{
		{[]int{20, 20}, "2 classes of 20 training images"},
		{[]int{20, 7, 0}, "2 classes of 7 to 20 training images"},
	} {
		if f.Counts = c.counts; !strings.HasSuffix(f.words(), c.want) {
			t.Errorf("%v: %q, want %q at the end", c.counts, f.words(), c.want)
		}
	}
}

func ExampleDocument() {
	fmt.Println(strings.SplitN(Document(), "\n", 2)[0])
	// Output: # The defaults of a run without a preset
}
