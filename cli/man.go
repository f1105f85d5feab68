package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fasternet/checkpoints"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

func manCommand() *cobra.Command {
	var out string
	var markdown bool
	c := &cobra.Command{
		Use:   "man [COMMAND...]",
		Short: "Print or write the manual pages",
		Long: `Print the manual page of a command as troff; by default the program's page. --out writes the
pages of all commands to a folder, as NAME.1. --markdown prints docs/reference/commands.md.`,
		Example: `  fasternet-train man eval | man -l -
  fasternet-train man data pack | man -l -
  fasternet-train man --out /usr/local/share/man/man1`,
		RunE: func(_ *cobra.Command, args []string) error {
			root := newRoot()
			switch {
			case markdown && (out != "" || len(args) > 0):
				return usageError{errors.New("--markdown prints all commands on standard output: " +
					"leave out COMMAND and --out")}
			case out != "" && len(args) > 0:
				return usageError{errors.New("--out writes the pages of all commands: leave out COMMAND")}
			case markdown:
				page := commandsPage(root)
				if wantsJSON() {
					return printJSON(map[string]string{"page": page})
				}
				_, err := os.Stdout.WriteString(page) // ours
				return err
			case out != "":
				return writeManual(root, out)
			}
			c, left, err := root.Find(args)
			if err != nil || len(left) > 0 {
				return usageError{fmt.Errorf("unknown command %q%s",
					strings.Join(args, " "), meantCommand(root, args[len(args)-len(left)]))}
			}
			page, err := manPage(c)
			if err != nil {
				return err
			}
			if wantsJSON() {
				return printJSON(map[string]string{"name": manName(c), "page": string(page)})
			}
			_, err = os.Stdout.Write(page)
			return err
		},
	}
	c.Flags().StringVar(&out, "out", "", "write the pages of all commands to this `folder`")
	c.Flags().BoolVar(&markdown, "markdown", false, "print the table of all commands")
	return c
}

// manName returns the name of a command's page, e.g. fasternet-train-data-pack.
func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// writeManual writes the pages of a command and of all below it.
func writeManual(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	var pages []string
	for _, c := range everyCommand(root) {
		page, err := manPage(c)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, manName(c)+".1")
		if err := checkpoints.WriteAtomic(path, func(w io.Writer) error {
			_, err := w.Write(page)
			return err
		}); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
		pages = append(pages, path)
	}
	if wantsJSON() {
		return printJSON(map[string]any{"out": dir, "pages": pages})
	}
	display().Line("%d pages are in %s", len(pages), dir)
	return nil
}

// everyCommand lists a command and all runnable commands below it, in the order of help.
func everyCommand(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && !sub.IsAdditionalHelpTopicCommand() {
			all = append(all, everyCommand(sub)...)
		}
	}
	return all
}

// manPage returns the manual page of a command. The library reads the texts as Markdown: indented lines become
// code, so tables keep their columns.
func manPage(c *cobra.Command) ([]byte, error) {
	c.DisableAutoGenTag = true
	c.Short, c.Long = escapeMarkdown(c.Short), asMarkdown(c.Long)
	c.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = escapeMarkdown(f.Usage) })
	var b bytes.Buffer
	// One date for all builds: equal programs make equal pages.
	err := doc.GenMan(
		c,
		&doc.GenManHeader{
			Section: "1",
			Source:  "fasternet-train " + version,
			Manual:  "fasternet-train",
			Date:    &time.Time{},
		},
		&b,
	)
	return b.Bytes(), err
}

// asMarkdown turns indented lines into code.
func asMarkdown(text string) string {
	var out []string
	code := false
	for _, line := range strings.Split(text, "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != code && line != "" {
			code = indented
			out = append(out, "")
		}
		if code && line != "" {
			line = "    " + line
		} else {
			line = escapeMarkdown(line)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "<", `\<`, ">", `\>`, "*", `\*`, "_", `\_`, "[", `\[`, "]",
	`\]`, "`", "")

func escapeMarkdown(text string) string { return markdownEscapes.Replace(text) }
