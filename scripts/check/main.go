// Command check vets and tests the packages that have changed. Start it in the root of the
// repository; scripts/check.sh builds and runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: scripts/check.sh [--base COMMIT] [--limit TIME]\n\n"+
			"Vets and tests the packages that have changed, and the packages that import them.")
		flags.PrintDefaults()
	}
	base := flags.String("base", "",
		"the `commit` to compare with; by default the one at which the work left the main branch")
	limit := flags.Duration("limit", 55*time.Second, "the `time` after which to start no more tests")
	switch err := flags.Parse(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	case flags.NArg() > 0:
		fmt.Fprintf(os.Stderr, "check: want no arguments, got %q\n", flags.Arg(0))
		os.Exit(2)
	case *limit <= 0:
		fmt.Fprintf(os.Stderr, "check: --limit: want a time above 0, got %v\n", *limit)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := check(ctx, os.Stdout, *base, *limit)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "check: %v\n", err)
		os.Exit(1)
	}
}

// check writes to w what it does and the results. It returns an error if something failed.
func check(ctx context.Context, w io.Writer, base string, limit time.Duration) error {
	start := time.Now()
	what, err := changes(base)
	if err != nil {
		return err
	}
	packages, err := list()
	if err != nil {
		return err
	}
	p := plan(packages, what.files)
	fmt.Fprintf(w, "compared with %s: %s\n", what.since, counted(len(what.files), "changed file"))
	if len(p.outside) > 0 {
		fmt.Fprintf(w, "  in no package, not checked here: %s\n", some(p.outside))
	}
	if p.all {
		fmt.Fprintln(w, "  go.mod, go.sum or a deleted package: builds everything")
	}
	if len(p.changed) == 0 && !p.all {
		fmt.Fprintln(w, "no package has changed: nothing to check")
		return nil
	}
	fmt.Fprintf(w, "  packages that changed: %s\n", some(names(p.changed)))
	fmt.Fprintf(w, "  packages that import them: %s\n", some(names(p.importers)))

	ctx, cancel := context.WithDeadlineCause(ctx, start.Add(limit), errLimit)
	defer cancel()
	if p.all {
		if err := run(ctx, w, "build", "./..."); err != nil {
			return ended(ctx, err, "go build")
		}
	}
	both := append(paths(p.changed), paths(p.importers)...)
	if len(both) == 0 {
		fmt.Fprintf(w, "passed in %.0f s\n", time.Since(start).Seconds())
		return nil
	}
	// Test the changed packages first, so that they get the time.
	done := results{ctx: ctx}
	var failed error
	for i, group := range [][]string{paths(p.changed), paths(p.importers)} {
		if len(group) == 0 || ctx.Err() != nil {
			continue
		}
		vet := append([]string{"vet"}, group...)
		if err := run(ctx, w, vet...); err != nil && (ctx.Err() == nil || i == 0) {
			return ended(ctx, err, "go vet")
		}
		test := append([]string{"test", "-short", "-vet=off"}, group...) // vet has just run
		if err := run(ctx, io.MultiWriter(w, &done), test...); err != nil && ctx.Err() == nil {
			failed = errors.Join(failed, err)
		}
	}
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errLimit) {
		return errors.New("interrupted")
	}
	switch left := done.without(both); {
	case len(done.failed) > 0:
		return fmt.Errorf("tests failed: %s", strings.Join(done.failed, " "))
	case failed != nil:
		return fmt.Errorf("go test: %w", failed)
	case len(left) > 0:
		fmt.Fprintf(w, "NOT FINISHED within %v: go test -short %s\n", limit, strings.Join(left, " "))
		fmt.Fprintln(w, "Nothing else failed. make test runs everything.")
	default:
		fmt.Fprintf(w, "passed in %.0f s: the short tests of these packages; make test runs everything\n",
			time.Since(start).Seconds())
	}
	return nil
}

var errLimit = errors.New("the time is over")

// ended says why a step before the tests did not succeed.
func ended(ctx context.Context, err error, step string) error {
	switch {
	case ctx.Err() == nil:
		return fmt.Errorf("%s: %w", step, err)
	case errors.Is(context.Cause(ctx), errLimit):
		return fmt.Errorf("%s was not done in time, so nothing was tested; "+
			"give it more with --limit, what was compiled is kept", step)
	}
	return errors.New("interrupted")
}

// run runs the go command with its output to w. When ctx ends, it ends the command and everything
// that the command started.
func run(ctx context.Context, w io.Writer, args ...string) error {
	fmt.Fprintf(w, "go %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, goProgram(), args...)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.WaitDelay = 2 * time.Second
	ownGroup(cmd)
	return cmd.Run()
}

// goProgram returns the go command, as in the Makefile.
func goProgram() string {
	if program := os.Getenv("GO"); program != "" {
		return program
	}
	return "go"
}
