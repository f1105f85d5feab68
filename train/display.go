package train

import (
	"io"
	"os"
	"strings"
	"time"

	"fasternet/internal/printable"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Display shows how a run goes: a progress bar on a terminal, plain lines
// elsewhere. That nobody can be shown anything is no error of the run.
type Display struct {
	out io.Writer
	bar *progressbar.ProgressBar // in use, or nil
	tty bool
	log io.Writer // gets the plain lines too; may be nil
}

// NewDisplay writes to out, which usually is the standard error.
func NewDisplay(out io.Writer) *Display {
	f, ok := out.(*os.File)
	return &Display{out: out, tty: ok && term.IsTerminal(int(f.Fd()))}
}

// Line shows a line of text. What comes from files, its operands, cannot end the line or
// move the cursor (package printable).
func (d *Display) Line(format string, args ...any) {
	line := strings.TrimRight(printable.Sprintf(format, args...), "\n") + "\n"
	if d.bar != nil {
		_ = d.bar.Clear()
	}
	io.WriteString(d.out, line)
	d.logLine(line)
}

func (d *Display) logLine(line string) {
	if d.log != nil {
		io.WriteString(d.log, clock().Format("2006-01-02 15:04:05 ")+line)
	}
}

// Begin starts a bar of total steps; done of them have been made before.
func (d *Display) Begin(name string, done, total int) {
	if !d.tty {
		return
	}
	name = printable.Line(name)
	d.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(d.out),
		progressbar.OptionSetDescription(name),
		progressbar.OptionSetWidth(20),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	_ = d.bar.Set(done)
}

// Step moves the bar to done and describes it.
func (d *Display) Step(done int, description string) {
	if d.bar != nil {
		d.bar.Describe(printable.Line(description))
		_ = d.bar.Set(done)
	}
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
	if d.bar != nil {
		_ = d.bar.Finish()
		_ = d.bar.Clear()
		d.bar = nil
	}
}

// remaining formats the time that is left.
func remaining(d time.Duration) string { return d.Round(time.Second).String() }
