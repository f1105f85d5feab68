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
		Long: `Print the manual page of a command, by default the program's, as troff. --out writes
the pages of all commands into a folder, as NAME.1; --markdown prints the table of all
commands that docs/reference/commands.md has.`,
		Example: `  fasternet-train man eval | man -l -
  fasternet-train man data pack | man -l -
  fasternet-train man --out /usr/local/share/man/man1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := newRoot()
			switch {
			case markdown && (out != "" || len(args) > 0):
				return usageError{errors.New("--markdown: it is about all commands, and goes to the standard output")}
			case out != "" && len(args) > 0:
				return usageError{errors.New("--out: it is for the pages of all commands; leave the command out")}
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
				return usageError{fmt.Errorf("unknown command %q%s", strings.Join(args, " "), meantCommand(root, args[len(args)-len(left)]))}
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
	c.Flags().StringVar(&out, "out", "", "write the pages of all commands into this `folder`")
	c.Flags().BoolVar(&markdown, "markdown", false, "print the table of all commands")
	return c
}

// manName is the name of a command's page, e.g. fasternet-train-data-pack.
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

// everyCommand lists a command and all below it that can be called, in the order of help.
func everyCommand(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && !sub.IsAdditionalHelpTopicCommand() {
			all = append(all, everyCommand(sub)...)
		}
	}
	return all
}

// manPage is the manual page of a command. The library reads the texts as Markdown: what is
// indented becomes code, so that tables keep their columns.
func manPage(c *cobra.Command) ([]byte, error) {
	c.DisableAutoGenTag = true
	c.Short, c.Long = escapeMarkdown(c.Short), asMarkdown(c.Long)
	c.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = escapeMarkdown(f.Usage) })
	var b bytes.Buffer
	// One date for all builds: equal programs make equal pages.
	err := doc.GenMan(c, &doc.GenManHeader{Section: "1", Source: "fasternet-train " + version, Manual: "fasternet-train", Date: &time.Time{}}, &b)
	return b.Bytes(), err
}

// asMarkdown makes code of the lines that are indented.
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

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "<", `\<`, ">", `\>`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "`", "")

func escapeMarkdown(text string) string { return markdownEscapes.Replace(text) }
