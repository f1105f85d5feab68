// Package cli is the command line: it trains, resumes and evaluates vision backbones. Other programs can add
// commands to it.
//
// Exit codes: 0 success; 1 the work failed; 2 wrong usage or configuration; 130 and 143 stopped by SIGINT or SIGTERM,
// 129 by SIGHUP, 141 by a broken pipe.
package cli

import (
	"errors"
	"fmt"
	"os"
	"time"

	"fasternet/internal/hub"
	"fasternet/internal/printable"
	"fasternet/internal/progress"
	"fasternet/kernels"
	"fasternet/ops"

	"github.com/spf13/cobra"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

// usageError is an error in the user's request, found before any work.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Main runs the program with the arguments of the process and ends it with an exit code: 0 success; 1 the work
// failed; 2 wrong usage or configuration; 130 and 143 stopped by SIGINT or SIGTERM, 129 by SIGHUP, 141 by a
// broken pipe.
func Main() { os.Exit(run(os.Args[1:])) }

func run(args []string) (code int) {
	defer func() {
		if v := recover(); v != nil {
			printable.Fprintf(os.Stderr, "fasternet-train: internal error: %v; please report it\n", v)
			code = exitFailure
		}
	}()
	if err := kernels.DefaultError(); err != nil {
		return complain(usageError{err})
	}
	stops := interruptible()
	hub.Use(stops.ctx, newHubClient)
	root := newRoot()
	root.SetArgs(args)
	return stops.code(root.ExecuteContext(progress.With(stops.ctx, (&preparations{now: time.Now}).report)))
}

// complain prints an error on one line and returns the exit code.
func complain(err error) int {
	if err == nil {
		return 0
	}
	var usage usageError
	var bug *ops.PanicError
	code := exitFailure
	if errors.As(err, &usage) {
		code = exitUsage
	}
	if errors.As(err, &told{}) {
		return code
	}
	if errors.As(err, &bug) {
		printable.Fprintf(os.Stderr, "fasternet-train: internal error in %v; please report it\n", err)
	} else {
		printable.Fprintf(os.Stderr, "fasternet-train: %v\n", err)
	}
	return code
}

// added holds the commands of other packages.
var added []func() *cobra.Command

// Usage marks an error as wrong usage, for RunE of commands that [Add] adds.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// Add adds a command of another program. Call it before [Main], which calls command once. Wrong flags, wrong
// arguments and errors of [Usage] end the program with exit code 2, all other errors of RunE with 1. A signal
// ends the command's context. Add panics if the name is taken.
func Add(command func() *cobra.Command) {
	name := command().Name()
	for _, c := range newRoot().Commands() {
		if c.Name() == name || c.HasAlias(name) {
			panic(fmt.Sprintf("cli: Add: command %q exists already", name))
		}
	}
	added = append(added, command)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "fasternet-train",
		Short: "Train vision backbones on a CPU, in pure Go",
		Long: `fasternet-train trains, resumes and evaluates vision backbones on a CPU.

A run is described by a YAML file or by the name of a preset ("config list").

Exit codes: 0 success; 1 the work failed; 2 wrong usage or configuration;
130 and 143 stopped by SIGINT or SIGTERM, 129 by SIGHUP (a terminal that was closed),
141 by a broken pipe (a reader of the output that has ended). A run stops after the
batch in progress, with a checkpoint.
The environment variable ` + kernels.EnvVariable + ` (avx512, avx2, neon or go) forces
a variant of the kernels.`,
		Example: `  fasternet-train train quickstart
  fasternet-train eval runs/quickstart
  fasternet-train predict runs/t0 photos/
  fasternet-train bench fasternet_t0 --train --batch 32`,
		Version: version + revision(), SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("fasternet-train {{.Version}}\n")
	registerOutput(root)
	root.AddCommand(
		trainCommand(), sweepCommand(), kfoldCommand(), lrFindCommand(),
		evalCommand(), soupCommand(), predictCommand(), serveCommand(),
		featuresCommand(), knnCommand(), linprobeCommand(), vizCommand(), reportCommand(),
		convertCommand(), exportCommand(), weightsCommand(), verifyCommand(), summaryCommand(),
		benchCommand(), configCommand(), dataCommand(), debugCommand(), versionCommand(), manCommand(),
	)
	for _, command := range added {
		root.AddCommand(command())
	}
	root.InitDefaultHelpCmd()
	scriptCommands(root)
	root.InitDefaultVersionFlag()
	asScheme(root)
	return root
}
