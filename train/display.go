package train

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"fasternet/internal/printable"

	"golang.org/x/term"
)

// Display shows the progress of a run: a bar on a terminal, plain lines elsewhere. A failure to show anything
// is not an error of the run.
type Display struct {
	out     io.Writer
	bar     *bar // in use, or nil
	tty     bool
	columns func() int // current width of the terminal
	log     io.Writer  // gets the plain lines too; may be nil

	early []string // lines shown before there was a log
}

// mostEarly limits Display.early, because there may never be a log.
const mostEarly = 100

// NewDisplay writes to out, usually standard error.
func NewDisplay(out io.Writer) *Display {
	d := &Display{out: out}
	if f, ok := out.(*os.File); ok && os.Getenv("TERM") != "dumb" {
		d.tty = term.IsTerminal(int(f.Fd()))
		d.columns = func() int {
			const usual = 80
			if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
				return n
			}
			return usual
		}
	}
	return d
}

// Line shows a line of text. The operands may come from files: they cannot end the line or move the cursor
// (package printable).
func (d *Display) Line(format string, args ...any) {
	line := strings.TrimRight(printable.Sprintf(format, args...), "\n") + "\n"
	d.clear()
	io.WriteString(d.out, line)
	d.logLine(line)
}

func (d *Display) logLine(line string) {
	line = clock().Format("2006-01-02 15:04:05 ") + line
	if d.log != nil {
		io.WriteString(d.log, line)
	} else if len(d.early) < mostEarly {
		d.early = append(d.early, line)
	}
}

// note writes a line to the log only.
func (d *Display) note(line string) { d.logLine(printable.Line(line) + "\n") }

// logTo sends all lines to the log from now on, and the earlier ones too.
func (d *Display) logTo(log io.Writer) {
	d.log = log
	for _, line := range d.early {
		io.WriteString(d.log, line)
	}
	d.early = nil
}

// Begin starts a bar of total steps, of which done are finished.
func (d *Display) Begin(name string, done, total int) {
	if !d.tty {
		return
	}
	d.bar = &bar{total: total}
	d.Step(done, name)
}

// BeginBytes is Begin for a transfer of bytes. The details of each step give the amounts; the bar shows the part.
func (d *Display) BeginBytes(name string, done, total int) {
	if !d.tty {
		return
	}
	d.bar = &bar{total: total, bytes: true}
	d.Step(done, name)
}

// Step moves the bar to done. If the terminal is too narrow for all details, the first ones stay.
func (d *Display) Step(done int, name string, details ...string) {
	const pause = 100 * time.Millisecond
	b := d.bar
	if b == nil || !b.shown.IsZero() && since(b.shown) < pause {
		return
	}
	b.shown = clock()
	name = printable.Line(name)
	details = slices.Clone(details)
	for i, text := range details {
		details[i] = printable.Line(text)
	}
	text := b.line(d.columns()-1, done, name, details) // some terminals wrap after the last column
	io.WriteString(d.out, "\r"+text+b.rest(text))
}

// Plain shows a line if there is no bar. The log always gets it.
func (d *Display) Plain(line string) {
	line = printable.Line(line)
	if d.bar == nil {
		io.WriteString(d.out, line+"\n")
	}
	d.logLine(line + "\n")
}

// End removes the bar.
func (d *Display) End() {
	d.clear()
	d.bar = nil
}

func (d *Display) clear() {
	if d.bar != nil {
		io.WriteString(d.out, "\r"+d.bar.rest("")+"\r")
	}
}

// remaining formats the remaining time, more coarsely the longer it is.
func remaining(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = d.Round(time.Second); {
	case d >= 1000*day:
		return "1000d+"
	case d >= day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.String()
}
