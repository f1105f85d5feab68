package cli

import (
	"github.com/spf13/cobra"
)

func debugCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "debug",
		Short: "Find out what is wrong with a run",
		Long: `Tools for a run whose loss is NaN, or whose values differ from another framework.
docs/reference/debugging.md shows how to use them.`,
		Example: `  fasternet-train debug step runs/t0
  fasternet-train debug step runs/t0 --batch runs/t0/debug/epoch-003-step-00017.batch.safetensors
  fasternet-train debug compare runs/t0 stages.npz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(debugStepCommand(), debugCompareCommand())
	return c
}
