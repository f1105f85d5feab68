package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fasternet/collective"
	"fasternet/configs"
	"fasternet/export"
	"fasternet/formats/torch"
	"fasternet/internal/hub"
	"fasternet/kernels"
	"fasternet/model"
	"fasternet/train"
	"fasternet/train/recipe"

	"github.com/spf13/cobra"
)

// budgetFlags are the flags of a run with a time limit, and of a run without CONFIG.
type budgetFlags struct {
	budget, task string
	began        time.Time
}

func (b *budgetFlags) register(c *cobra.Command) {
	b.began = time.Now()
	c.Flags().StringVar(
		&b.budget,
		"budget",
		"",
		"`time` for everything, e.g. 12m or 2h30m (train.budget); default without CONFIG: "+
			recipe.BudgetText(recipe.DefaultBudget),
	)
	c.Flags().StringVar(&b.task, "task", "", "`task`: classify or localmim (task)")
}

// exportFile is the export in the folder of a run with a budget.
const exportFile = "model.safetensors"

// after returns the part of a budget for the report and the export.
func (b *budgetFlags) after(budget time.Duration) time.Duration {
	return min(max(budget/100, 1500*time.Millisecond), 10*time.Second)
}

// settings returns the settings for the flags, for a run with CONFIG.
func (b *budgetFlags) settings() (all []string, err error) {
	if b.budget != "" {
		if _, err := (configs.Train{Budget: b.budget}).BudgetTime(); err != nil {
			return nil, usageError{fmt.Errorf("--budget: %w", err)}
		}
		all = append(all, "train.budget="+quoted(b.budget))
	}
	if b.task != "" {
		if b.task == configs.MultiLabelTask {
			return nil, usageError{errors.New("--task multilabel: " +
				"write a configuration that names the list of labels: " +
				"see docs/guides/uneven-and-multilabel.md")}
		}
		if !slices.Contains(recipe.Tasks, b.task) {
			return nil, usageError{fmt.Errorf("--task: want %s, got %q", strings.Join(recipe.Tasks, " or "), b.task)}
		}
		all = append(all, "task="+b.task)
	}
	return all, nil
}

// recipeDir returns the folder of a run without CONFIG.
func recipeDir(dir, dataDir string) string {
	if dir != "" {
		return dir
	}
	name := filepath.Base(filepath.Clean(dataDir))
	if abs, err := filepath.Abs(dataDir); err == nil {
		name = filepath.Base(abs)
	}
	return filepath.Join("runs", name)
}

// recipe makes the configuration of a run without CONFIG on rank 0. The other ranks receive it.
func (b *budgetFlags) recipe(
	ctx context.Context,
	ranks *ranks,
	dir, dataDir, from string,
	settings []string,
) (*recipe.Recipe, error) {
	var r *recipe.Recipe
	var err error
	if ranks.first() {
		r, err = b.make(ctx, dir, dataDir, from, settings)
	}
	if err := collective.Agree(ranks, err); err != nil || ranks.Size() == 1 {
		return r, err
	}
	var text []byte
	if ranks.first() {
		text = r.Text
	}
	all, err := ranks.Gather(text)
	if err != nil || ranks.first() {
		return r, err
	}
	c, err := configs.Parse("recipe", string(all[0]))
	return &recipe.Recipe{Config: c, Text: all[0]}, err
}

func (b *budgetFlags) make(ctx context.Context, dir, dataDir, from string, settings []string) (*recipe.Recipe, error) {
	if train.Holds(dir) {
		return nil, fmt.Errorf("%s already has a run: continue it with --resume, or make another with --run DIR", dir)
	}
	if err := train.Usable(dir, dataDir); err != nil {
		return nil, err
	}
	show := display()
	o := recipe.Options{
		Data: dataDir, Task: "classify", From: from, Budget: recipe.DefaultBudget, Began: b.began,
		Say: func(format string, args ...any) { show.Line(format, args...) },
	}
	// Read the user's settings by themselves first, to find what is wrong with them.
	own, err := configs.Parse("--set", "", settings...)
	if err != nil {
		return nil, usageError{err}
	}
	switch o.Task = own.Task; o.Task {
	case "classify", "localmim":
	default:
		return nil, usageError{fmt.Errorf("task: recipes exist only for classify and localmim: "+
			"for %s write a YAML file that starts from a preset, with task: %[1]s",
			o.Task)}
	}
	if d, err := own.Train.BudgetTime(); err == nil && d > 0 {
		o.Budget = d
	} else {
		show.Line("no --budget given: using %s", recipe.BudgetText(o.Budget))
	}
	o.After = b.after(o.Budget)
	for _, s := range settings {
		if !strings.HasPrefix(s, "data.dir=") &&
			!strings.HasPrefix(s, "task=") &&
			!strings.HasPrefix(s, "train.budget=") {
			o.Settings = append(o.Settings, s)
		}
	}
	o.Cached, o.Fetch = cachedWeights, photoWeights[0].Reference()
	o.Adopt = func(from string) ([]string, error) {
		given := configs.Given{}
		for _, s := range o.Settings {
			key, _, _ := strings.Cut(s, "=")
			given[key] = true
		}
		c := *own
		c.From = from
		adopted, err := model.Adopt(&c, given, model.LoadOptions{
			Weights:      torch.Choice(c.FromWeights),
			StateKey:     c.FromStateKey,
			AllowMissing: c.FromAllowMissing,
			AllowNaN:     c.FromAllowNaN,
		})
		if err != nil {
			return nil, weightsError{fmt.Errorf("from: %w", err)}
		}
		return adopted, nil
	}
	r, err := recipe.Make(ctx, o)
	var short *recipe.BudgetError
	var late *train.LateError
	switch {
	case errors.As(err, &short), errors.As(err, &late):
		return nil, usageError{fmt.Errorf("--budget: %w", err)}
	case err != nil:
		return nil, err
	}
	show.Line("%s", r.Summary())
	for _, note := range r.Notes() {
		show.Line("note: %s", note)
	}
	return r, nil
}

// photoWeights are the weights of small FasterNets on the hub, the smallest first.
var photoWeights = func() (all []hub.Model) {
	for _, m := range hub.Known {
		switch m.Preset {
		case "fasternet_t0", "fasternet_t1", "fasternet_t2":
			all = append(all, m)
		}
	}
	return all
}()

// cachedWeights returns the first of photoWeights in the cache of the hub; "" if there are none. A recipe
// contacts no host.
func cachedWeights() string {
	for _, m := range photoWeights {
		if hub.InCache(m.Reference()) {
			return m.Reference()
		}
	}
	return ""
}

// exportRun writes the best model of a run with a budget to its folder; of a pre-training, the encoder.
func exportRun(dir string, c *configs.Config) (string, error) {
	m, err := model.Open(dir, model.LoadOptions{Encoder: true, Headless: true})
	if err != nil {
		return "", err
	}
	pool := kernels.NewPool(c.Threads)
	defer pool.Close()
	r, err := export.Write(m, filepath.Join(dir, exportFile), pool, export.Options{Version: version})
	return r.Path, err
}
