package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// asScheme makes a command and all below it follow the scheme of the command line: output goes where --json and
// --quiet say, and wrong flags and arguments are usage errors that propose a correction.
func asScheme(c *cobra.Command) {
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w%s; see %s --help", err, meantFlag(c, err), c.CommandPath())}
	})
	before, simple := c.PreRunE, c.PreRun
	c.PreRunE = func(c *cobra.Command, args []string) error {
		// Check before cobra, whose error says no more.
		if err := c.ValidateFlagGroups(); err != nil {
			return usageError{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
		}
		if err := beginOutput(c); err != nil {
			return err
		}
		switch { // as in cobra
		case before != nil:
			return before(c, args)
		case simple != nil:
			simple(c, args)
		}
		return nil
	}
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{fmt.Errorf("%w; see %s --help", wrongArguments(c, args, err), c.CommandPath())}
			}
			return nil
		}
	}
	completes(c)
	for _, sub := range c.Commands() {
		asScheme(sub)
	}
}

// meantFlag proposes a flag for one that does not exist.
func meantFlag(c *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return ""
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Deprecated == "" {
			names = append(names, f.Name)
		}
	})
	name := unknown.GetSpecifiedName()
	if best := configs.Closest(name, names); best != "" {
		return ", did you mean --" + best + "?"
	}
	if key := configs.KeyFor(strings.ReplaceAll(name, "-", "_")); key != "" && c.Flags().Lookup("set") != nil {
		return fmt.Sprintf(", did you mean --set %s=VALUE?", key)
	}
	return ""
}

// wrongArguments says what is wrong with the arguments of a command.
func wrongArguments(c *cobra.Command, args []string, err error) error {
	if len(args) > 0 && c.HasAvailableSubCommands() && argumentsOf(c) == "" {
		return fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), meantCommand(c, args[0]))
	}
	text := err.Error()
	if !strings.HasPrefix(text, "accepts ") &&
		!strings.HasPrefix(text, "requires at least ") &&
		!strings.HasPrefix(text, "unknown command ") {
		return err
	}
	want := "no argument"
	if a := argumentsOf(c); a != "" {
		want = a
	}
	got := "nothing"
	if len(args) > 0 {
		got = fmt.Sprintf("%d: %s", len(args), strings.Join(args, " "))
	}
	meant := ""
	if len(args) > 0 && c.HasAvailableSubCommands() {
		meant = meantCommand(c, args[0])
	}
	return fmt.Errorf("want %s, got %s%s", want, got, meant)
}

// meantCommand proposes a command for one that does not exist.
func meantCommand(c *cobra.Command, name string) string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(append(names, sub.Name()), sub.Aliases...)
		}
	}
	if best := configs.Closest(name, names); best != "" {
		return ", did you mean " + best + "?"
	}
	// A command of another group, such as browse for data browse.
	for _, group := range c.Root().Commands() {
		if slices.ContainsFunc(group.Commands(), func(sub *cobra.Command) bool {
			return sub.Name() == name && sub.IsAvailableCommand()
		}) {
			return fmt.Sprintf(", did you mean %s %s?", group.Name(), name)
		}
	}
	return ""
}

// argumentsOf returns the arguments of a command as named in its usage, e.g. "MODEL INPUT...".
func argumentsOf(c *cobra.Command) string {
	var words []string
	for _, word := range strings.Fields(c.Use)[1:] {
		if strings.HasPrefix(strings.TrimLeft(word, "["), "-") {
			break
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}
