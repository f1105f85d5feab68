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

// The flags that every command has.
const (
	jsonFlag  = "json"
	quietFlag = "quiet"
)

// jsonOut is where the result of a command goes as JSON. It is the standard output of the
// process, also while text goes elsewhere.
var jsonOut io.Writer = os.Stdout

// asked are the flags of the command in progress that say what it prints.
var asked struct{ json, quiet bool }

// registerOutput adds the flags that every command has.
func registerOutput(root *cobra.Command) {
	root.PersistentFlags().Bool(jsonFlag, false, "print the result as one JSON object, alone on standard output; everything else goes to standard error")
	root.PersistentFlags().Bool(quietFlag, false, "print no progress and no notes on standard error: warnings and errors only")
}

// beginOutput sends what a command prints to where its flags say. With --json all text that
// anything in the program prints to the standard output goes to the standard error, so that no
// command can forget it.
func beginOutput(c *cobra.Command) error {
	asked.json, _ = c.Flags().GetBool(jsonFlag)
	asked.quiet, _ = c.Flags().GetBool(quietFlag)
	if !asked.json {
		return nil
	}
	jsonOut = os.Stdout
	os.Stdout = os.Stderr
	if asked.quiet { // text is a note next to the JSON
		nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("--quiet: %w", err)
		}
		os.Stdout = nowhere
	}
	return nil
}

// wantsJSON says whether the result is to be JSON alone.
func wantsJSON() bool { return asked.json }

// messages is where progress, notes and warnings go.
func messages() io.Writer {
	if asked.quiet {
		return &warnings{out: os.Stderr}
	}
	return os.Stderr
}

// display shows progress and notes.
func display() *train.Display { return train.NewDisplay(messages()) }

// warnings lets the lines through that begin with "warning:".
type warnings struct {
	mu   sync.Mutex
	out  io.Writer
	rest []byte // of a line that has not ended
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

// PrintJSON prints the result of a command that [Add] adds, as one JSON object on a line of
// the standard output. With --json it is the only thing there.
func PrintJSON(v any) error { return printJSON(v) }

// WantsJSON says whether a command that [Add] adds was called with --json. What it prints to
// os.Stdout goes to the standard error then.
func WantsJSON() bool { return wantsJSON() }
