package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/internal/printable"
	"fasternet/train"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "List, show and check configurations, preview schedules, print a schema for editors",
		Example: `  fasternet-train config list
  fasternet-train config show fasternet_t0 --set train.epochs=100
  fasternet-train config check my.yaml
  fasternet-train config schedule my.yaml --out schedule.svg
  fasternet-train config schema --out schema.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var settings []string
	load := func(name string) (*configs.Config, error) { return loadConfig(name, settings) }
	list := &cobra.Command{
		Use: "list", Short: "List the presets", Example: "  fasternet-train config list", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			type preset struct {
				Name  string `json:"name"`
				About string `json:"about"`
			}
			var all []preset
			for _, name := range configs.Presets() {
				about, err := configs.PresetAbout(name)
				if err != nil {
					return err
				}
				all = append(all, preset{name, about})
				if !wantsJSON() {
					printable.Printf("%-24s %s\n", name, about)
				}
			}
			if wantsJSON() {
				return printJSON(struct {
					Presets []preset `json:"presets"`
				}{all})
			}
			return nil
		},
	}
	var source, plain bool
	show := &cobra.Command{
		Use:     "show CONFIG",
		Short:   "Show every key of a configuration with its value and meaning",
		Args:    cobra.ExactArgs(1),
		Example: "  fasternet-train config show quickstart\n  fasternet-train config show quickstart --source",
		RunE: func(_ *cobra.Command, args []string) error {
			if source {
				text, err := configs.PresetText(args[0])
				if err != nil {
					return usageError{err}
				}
				if wantsJSON() {
					return printJSON(struct {
						Name   string `json:"name"`
						Source string `json:"source"`
					}{args[0], text})
				}
				_, err = os.Stdout.WriteString(text) // ours
				return err
			}
			config, err := load(args[0])
			if err != nil {
				return err
			}
			text, err := config.Commented()
			if plain || wantsJSON() {
				text, err = config.YAML()
			}
			if wantsJSON() && err == nil {
				var values map[string]any
				if err := yaml.Unmarshal(text, &values); err != nil {
					return err
				}
				return printJSON(values)
			}
			if err != nil {
				return err
			}
			_, err = printable.NewWriter(os.Stdout).Write(text)
			return err
		},
	}
	show.Flags().BoolVar(&source, "source", false, "show the file of a preset, with its comments")
	show.Flags().BoolVar(&plain, "plain", false, "leave out the comments")
	var dataDir string
	check := &cobra.Command{
		Use: "check CONFIG", Short: "Check a configuration against its data set", Args: cobra.ExactArgs(1),
		Long: `Check a configuration and list all of its problems, each with the place where the key was
set, and the values of a preset that do not fit the rest.

If the data set exists, its classes, sizes and number of images are compared with the
settings, and up to 64 images of each part are decoded. "data verify" checks all of them.
--set data.dir= leaves the data set out.

The exit code is 2 if a setting is wrong, 1 if the data set does not fit, and 0 if there
are only notes.`,
		Example: `  fasternet-train config check my.yaml
  fasternet-train config check fasternet_t0 --data /data/flowers --set model.num_classes=0`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dataDir != "" {
				settings = append(settings, "data.dir="+quoted(dataDir))
			}
			return checkConfig(cmd.Context(), args[0], settings)
		},
	}
	check.Flags().StringVar(&dataDir, "data", "", "`folder` of the data set (data.dir)")
	var steps, every int
	var out string
	schedule := &cobra.Command{
		Use:   "schedule CONFIG",
		Short: "Preview the learning rate and the image size of every epoch",
		Args:  cobra.ExactArgs(1),
		Long: `Print a table of every epoch: the learning rate of its first and last step, and the image
size. --out draws the curve. The data set is not read: --steps gives the number of steps per
epoch, for schedules that change within an epoch.`,
		Example: "  fasternet-train config schedule fasternet_t0 --every 10\n" +
			"  fasternet-train config schedule vit_base --set sched.form=poly --set sched.power=2 --out poly.svg",
		RunE: func(_ *cobra.Command, args []string) error {
			if steps < 1 || every < 1 {
				return usageError{fmt.Errorf("--steps and --every: want 1 or more, got %d and %d", steps, every)}
			}
			config, err := load(args[0])
			if err != nil {
				return err
			}
			type epoch struct {
				Epoch     int     `json:"epoch"` // from 1
				First     float64 `json:"first_lr"`
				Last      float64 `json:"last_lr"`
				ImageSize int     `json:"image_size"`
			}
			var epochs []epoch
			if !wantsJSON() {
				printable.Printf("epoch  first step   last step    pixels\n")
			}
			for _, p := range train.Plan(config, steps) {
				if p.Epoch%every == 0 || p.Epoch+1 == config.Train.Epochs {
					epochs = append(epochs, epoch{p.Epoch + 1, p.First, p.Last, p.ImageSize})
					if wantsJSON() {
						continue
					}
					printable.Printf("%5d  %-11.5g  %-11.5g  %6d\n", p.Epoch+1, p.First, p.Last, p.ImageSize)
				}
			}
			if out != "" {
				if err := train.DrawSchedule(out, config, steps); err != nil {
					return err
				}
			}
			if !wantsJSON() {
				return nil
			}
			return printJSON(struct {
				Epochs []epoch `json:"epochs"`
				Out    string  `json:"out,omitempty"`
			}{epochs, out})
		},
	}
	schedule.Flags().IntVar(&steps, "steps", 100, "optimizer steps per epoch")
	schedule.Flags().IntVar(&every, "every", 1, "print only one in `N` epochs")
	schedule.Flags().StringVar(&out, "out", "", "draw the curve to `FILE`.svg")
	var schemaFile string
	schema := &cobra.Command{
		Use: "schema", Short: "Print a JSON Schema of the YAML, for editors", Args: cobra.NoArgs,
		Long: `Print a JSON Schema (draft 2020-12) of the YAML: all keys with their explanations and possible
values. It comes from the checks themselves. It lacks rules about several keys: "config check"
checks those.

An editor with a language server for YAML takes it from a line at the top of the file:
  # yaml-language-server: $schema=schema.json`,
		Example: "  fasternet-train config schema --out schema.json",
		RunE: func(*cobra.Command, []string) error {
			text, err := configs.Schema()
			if err != nil {
				return err
			}
			if schemaFile != "" {
				err := checkpoints.WriteAtomic(schemaFile, func(w io.Writer) error {
					_, err := w.Write(append(text, '\n'))
					return err
				})
				if err != nil || !wantsJSON() {
					return err
				}
				return printJSON(map[string]string{"out": schemaFile})
			}
			if wantsJSON() {
				return printJSON(json.RawMessage(text))
			}
			_, err = os.Stdout.Write(append(text, '\n')) // ours
			return err
		},
	}
	schema.Flags().StringVar(&schemaFile, "out", "", "write it to `FILE`")
	for _, sub := range []*cobra.Command{show, check, schedule} {
		sub.Flags().StringArrayVar(&settings, "set", nil, "change a setting, `key=value`; repeatable")
	}
	c.AddCommand(list, show, check, schedule, schema)
	return c
}
