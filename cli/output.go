package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"fasternet/internal/printable"
	"fasternet/train"

	"github.com/spf13/cobra"
)

// Flags of every command.
const (
	jsonFlag  = "json"
	quietFlag = "quiet"
)

// jsonOut receives the JSON result of a command. It is the standard output of the process, even if text goes
// elsewhere.
var jsonOut io.Writer = os.Stdout

// asked holds the output flags of the command in progress.
var asked struct{ json, quiet bool }

// registerOutput adds the flags of every command.
func registerOutput(root *cobra.Command) {
	root.PersistentFlags().Bool(jsonFlag, false,
		"print the result as one JSON object, alone on standard output; everything else goes to standard error")
	root.PersistentFlags().Bool(quietFlag, false, "print only warnings and errors on standard error")
}

// beginOutput redirects the output of a command as its flags say. With --json, all text that the program prints
// to standard output goes to standard error, so that no command can forget it.
func beginOutput(c *cobra.Command) error {
	asked.json, _ = c.Flags().GetBool(jsonFlag)
	asked.quiet, _ = c.Flags().GetBool(quietFlag)
	if !asked.json {
		return nil
	}
	jsonOut = os.Stdout
	os.Stdout = os.Stderr
	if asked.quiet { // text counts as notes next to the JSON
		nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("--quiet: %w", err)
		}
		os.Stdout = nowhere
	}
	return nil
}

// wantsJSON reports whether only the JSON result is printed.
func wantsJSON() bool { return asked.json }

// messages returns the writer for progress, notes and warnings.
func messages() io.Writer {
	if asked.quiet {
		return &warnings{out: os.Stderr}
	}
	return os.Stderr
}

// display shows progress and notes.
func display() *train.Display { return train.NewDisplay(messages()) }

// warnings passes the lines on that begin with "warning:".
type warnings struct {
	mu   sync.Mutex
	out  io.Writer
	rest []byte // unfinished line
}

func (w *warnings) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, b...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 {
			return len(b), nil
		}
		line := w.rest[:end+1]
		text := line
		if after, ok := bytes.CutPrefix(line, []byte("[rank ")); ok { // with --log-all-ranks
			_, text, _ = bytes.Cut(after, []byte("] "))
		}
		if bytes.HasPrefix(text, []byte("warning:")) {
			if _, err := w.out.Write(line); err != nil {
				return 0, err
			}
		}
		w.rest = w.rest[end+1:]
	}
}

// printJSON prints the result of a command as one JSON object on a line.
func printJSON(v any) error {
	b, err := printable.Marshal(v)
	if err != nil {
		return err
	}
	_, err = jsonOut.Write(append(b, '\n'))
	return err
}

// PrintJSON prints the result of a command that [Add] adds as one JSON object on a line of standard output.
// With --json nothing else is printed there.
func PrintJSON(v any) error { return printJSON(v) }

// WantsJSON reports whether a command that [Add] adds was called with --json. What it prints to os.Stdout then
// goes to standard error.
func WantsJSON() bool { return wantsJSON() }
