package cli

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"fasternet/configs"
	"fasternet/internal/bench"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

// benchRanks times training steps on all ranks, and prints the result.
func benchRanks(
	cmd *cobra.Command,
	r *ranks,
	name string,
	config *configs.Config,
	o bench.Options,
	overlap bool,
) error {
	result, err := bench.RunRanks(cmd.Context(), name, config, o, r.Group, overlap)
	if err != nil || !r.first() {
		return err
	}
	if wantsJSON() {
		return printJSON(result)
	}
	how := "sums during the backward pass"
	if !result.Overlap {
		how = "sums after the backward pass"
	}
	_, err = printable.Printf("%s train, %d×%d px, %d ranks on %d hosts, batch %d and %d threads each, %s kernels, "+
		"%s, %s\n"+
		"%.1f img/s; %.2f ms per step, %.2f ms without sums: efficiency %.1f %%\n"+
		"communication: %.2f ms of waiting (%.1f %% of a step), %.2f ms in transfer, %.1f %% of it hidden; "+
		"each rank sent %.1f MiB\n"+
		"medians of %d steps of each kind, in %d rounds\n",
		result.Model, result.Size, result.Size, result.Ranks, result.Hosts,
		result.Batch, result.Threads, result.Kernels, result.Precision, how,
		result.ImgPerS, result.StepMS, result.AloneMS, 100*result.Efficiency,
		result.WaitMS, 100*result.Share, result.TransferMS, 100*result.Hidden, result.SentMiB,
		result.Steps, result.Rounds)
	return err
}

func benchSumsCommand() *cobra.Command {
	var r ranks
	var seconds float64
	var profiles profiles
	c := &cobra.Command{
		Use:   "sums",
		Short: "Time sums over the ranks that mpirun has started",
		Long: `Time sums of 256 bytes to 64 MiB over the ranks that mpirun has started: the latency and the
bandwidth for gradients.`,
		Example: `  mpirun -n 4 fasternet-train bench sums
  mpirun -n 2 --host node1,node2 fasternet-train bench sums --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if !(seconds > 0) {
				return usageError{fmt.Errorf("--seconds: want more than 0, got %v", seconds)}
			}
			if err := r.open(); err != nil {
				return err
			}
			defer r.fall()
			defer func() { err = r.leave(err) }()
			if r.Size() == 1 {
				return usageError{errors.New("want several ranks: " +
					"run mpirun -n 2 fasternet-train bench sums with the " +
					"MPI build (make build-mpi)")}
			}
			stop, err := profiles.start(&r)
			if err != nil {
				return err
			}
			defer stop(&err)
			times, err := bench.RunSums(cmd.Context(), r.Group, seconds)
			if err != nil || !r.first() {
				return err
			}
			if wantsJSON() {
				return printJSON(map[string]any{"ranks": r.Size(), "sums": times})
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
			printable.Fprintf(w, "KiB\tms\tbest\tGbit/s sent per rank\t\n")
			for _, t := range times {
				printable.Fprintf(w, "%.2f\t%.3f\t%.3f\t%.2f\t\n", float64(t.Bytes)/1024, t.MS, t.Best, t.GbpsUp)
			}
			return w.Flush()
		},
	}
	c.Flags().Float64Var(&seconds, "seconds", 10, "approximate seconds to time")
	profiles.register(c)
	r.register(c)
	return c
}
