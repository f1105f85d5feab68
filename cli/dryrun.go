package cli

import (
	"context"
	"fmt"
	"strings"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/internal/printable"
	"fasternet/train"

	"github.com/spf13/cobra"
)

// dryRun is --dry-run: a command checks its settings, opens models and data, and says what it would compute and
// write.
type dryRun struct{ asked bool }

func (d *dryRun) register(c *cobra.Command) {
	c.Flags().BoolVar(&d.asked, "dry-run", false,
		"check settings, model and data, say what would be computed and written, and stop")
}

// say prints what would be done, and which files or folders would be written. It skips empty names.
func (d *dryRun) say(does string, writes ...string) error {
	files := []string{}
	for _, w := range writes {
		if w != "" {
			files = append(files, w)
		}
	}
	if wantsJSON() {
		return printJSON(struct {
			DryRun bool     `json:"dry_run"`
			Does   string   `json:"does"`
			Writes []string `json:"writes"`
		}{true, does, files})
	}
	where := "would write nothing"
	if len(files) > 0 {
		where = "would write " + strings.Join(files, ", ")
	}
	_, err := printable.Printf("would %s; %s\n", does, where)
	return err
}

// train describes what train would do.
func (d *dryRun) train(ctx context.Context, c *configs.Config, dir string, resume bool) error {
	training, val, err := sets.OpenBoth(ctx, c.Data)
	if err != nil {
		return err
	}
	if n := c.Data.MaxPerClass; n > 0 {
		training = data.Few(training, n, c.Seed)
	}
	if c.Classifies() {
		if _, _, err := eval.WithClassesOf(training, val); err != nil {
			return err
		}
	}
	verb := "train"
	switch holds := train.Holds(dir); {
	case holds && !resume:
		return fmt.Errorf("%s already has a run: continue it with --resume, or make another with --run DIR", dir)
	case holds:
		verb = "go on to train"
	}
	return d.say(
		fmt.Sprintf("%s a %s for %s on %s, evaluated on %d",
			verb, c.Model.Name, printable.Count(c.Train.Epochs, "epoch"),
			printable.Count(training.Len(), "image"), val.Len()),
		dir,
	)
}

// parts describes what would happen to the parts of a data set.
func (d *dryRun) parts(verb string, parts []dataPart, file func(dataPart) string) error {
	var does, writes []string
	for _, p := range parts {
		does, writes = append(does, printable.Count(p.Len(), p.name+" image")), append(writes, file(p))
	}
	return d.say(verb+" "+strings.Join(does, " and "), writes...)
}

// sayDry describes what eval would do.
func (e *evaluation) sayDry(ctx context.Context) error {
	m := e.models[0]
	ds, err := sets.Open(ctx, m.config.Data, e.split == string(data.Train))
	if err != nil {
		return err
	}
	return e.dry.say(
		fmt.Sprintf("evaluate %s on %s", strings.Join(e.paths, ", "), printable.Count(ds.Len(), "image")),
		e.confusion,
		e.results,
		e.csv,
	)
}
