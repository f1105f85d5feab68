package cli

import (
	"errors"
	"fmt"

	"fasternet/checkpoints"
	"fasternet/train"

	"github.com/spf13/cobra"
)

func lrFindCommand() *cobra.Command {
	o := train.DefaultFind()
	var settings []string
	var dataDir, from, out string
	var start startFlags
	var dry dryRun
	c := &cobra.Command{
		Use: "lr-find CONFIG", Aliases: []string{"lr_find"},
		Short: "Find a learning rate",
		Long: `Train the model of CONFIG, a preset or a YAML file, for some steps with a learning rate that
rises exponentially from --min to --max. Suggest for optim.lr the rate where the smoothed loss
falls most steeply, never above the rate of the lowest loss. The search uses the optimizer,
batches and augmentation of the run, ends where the loss explodes, and throws the weights
away. If the loss does not fall by more than its noise and 1 %, the search ends with an error.

The last line on standard output is a JSON object: suggestion, lowest (the rate of the lowest
loss), steps, fall (of the smoothed loss) and noise (the standard deviation of a step's loss
around the curve).`,
		Example: `  fasternet-train lr-find quickstart --out lr.svg
  fasternet-train lr-find fasternet_t0 --data /data/imagenet --steps 200 --max 0.1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dataDir != "" {
				settings = append(settings, "data.dir="+quoted(dataDir))
			}
			if from != "" {
				settings = append(settings, "from="+quoted(from))
			}
			more, err := start.settings(cmd)
			if err != nil {
				return err
			}
			settings = append(settings, more...)
			config, err := loadConfig(args[0], settings)
			if err != nil {
				return err
			}
			if err := o.Validate(); err != nil {
				return usageError{fmt.Errorf("--min, --max, --steps: %w", err)}
			}
			if out != "" {
				if err := checkpoints.Writable(out); err != nil {
					return err
				}
			}
			if dry.asked {
				return dry.say(
					fmt.Sprintf("train for %d steps with learning rates from %g to %g", o.Steps, o.Min, o.Max),
					out,
				)
			}
			o.Log = messages()
			found, err := train.FindLR(cmd.Context(), config, o)
			if out != "" && len(found.Points) > 0 { // also after an error: the curve shows why
				err = errors.Join(err, found.Draw(out))
			}
			if err != nil {
				return err
			}
			return printJSON(found)
		},
	}
	c.Flags().StringArrayVar(&settings, "set", nil, "change a setting, `key=value`; repeatable")
	c.Flags().StringVar(&dataDir, "data", "", "`folder` of the data set (data.dir)")
	c.Flags().StringVar(&from, "from", "", "`weights` to start from (from)")
	start.register(c)
	dry.register(c)
	c.Flags().StringVar(&out, "out", "", "draw the loss over the learning rates to `FILE`.svg")
	c.Flags().Float64Var(&o.Min, "min", o.Min, "learning rate of the first step")
	c.Flags().Float64Var(&o.Max, "max", o.Max, "learning rate of the last step")
	c.Flags().IntVar(&o.Steps, "steps", o.Steps, "steps of the optimizer")
	return c
}
