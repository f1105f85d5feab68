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

// Display shows how a run goes: a progress bar on a terminal, plain lines
// elsewhere. That nobody can be shown anything is no error of the run.
type Display struct {
	out     io.Writer
	bar     *bar // in use, or nil
	tty     bool
	columns func() int // of the terminal now
	log     io.Writer  // gets the plain lines too; may be nil

	early []string // lines from before there was a log
}

// mostEarly bounds Display.early, as there may never be a log.
const mostEarly = 100

// NewDisplay writes to out, which usually is the standard error.
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

// Line shows a line of text. What comes from files, its operands, cannot end the line or
// move the cursor (package printable).
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

// note has a line in the log alone.
func (d *Display) note(line string) { d.logLine(printable.Line(line) + "\n") }

// logTo has the log from now on, and what was shown before.
func (d *Display) logTo(log io.Writer) {
	d.log = log
	for _, line := range d.early {
		io.WriteString(d.log, line)
	}
	d.early = nil
}

// Begin starts a bar of total steps; done of them have been made before.
func (d *Display) Begin(name string, done, total int) {
	if !d.tty {
		return
	}
	d.bar = &bar{total: total}
	d.Step(done, name)
}

// BeginBytes is Begin of a transfer of so many bytes. The details of each step say how many there
// are: the bar shows their part only.
func (d *Display) BeginBytes(name string, done, total int) {
	if !d.tty {
		return
	}
	d.bar = &bar{total: total, bytes: true}
	d.Step(done, name)
}

// Step moves the bar to done. Where the terminal is too narrow for all details, those in
// front stay.
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
	text := b.line(d.columns()-1, done, name, details) // in the last column some terminals go to the next line
	io.WriteString(d.out, "\r"+text+b.rest(text))
}

// Plain shows a line where there is no bar; the log gets it in any case.
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

// remaining formats the time that is left: the larger it is, the coarser.
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
