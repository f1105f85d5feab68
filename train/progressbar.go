package train

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/rivo/uniseg"
	"github.com/schollz/progressbar/v3"
)

// bar is a progress bar on one line of a terminal.
type bar struct {
	total int
	bytes bool      // total counts bytes, and the details give them
	shown time.Time // time of the last drawing
	drawn int       // width in columns
}

// barWidth is the number of columns between the ends of a bar, and leastBar the smallest number worth drawing.
const barWidth, leastBar = 20, 5

// line returns the bar with its text in at most this many columns. If there is no room it leaves out details after the
// second, then the bar, the count, and the first two details. It cuts a name that is too long.
func (b *bar) line(columns, done int, name string, details []string) string {
	const percent = len(" 100%")
	if columns < percent {
		return ""
	}
	text := cut(name, columns-percent)
	left := columns - percent - uniseg.StringWidth(text)
	count := 0
	if !b.bytes {
		count = len(fmt.Sprintf(" (%d/%d)", b.total, b.total))
	}
	for i, d := range details {
		reserved := 0
		if i > 1 {
			reserved = count + len(" ||") + barWidth/2
		}
		if w := 1 + uniseg.StringWidth(d); w <= left-reserved {
			text, left = text+" "+d, left-w
		}
	}
	width := min(left-count-len(" ||"), barWidth)
	if width < leastBar {
		width = 0
	}
	return b.render(done, text, width, !b.bytes && count <= left)
}

// render draws the bar. The library would draw it once per step and measure the terminal itself, but it lets a long
// text wrap. So the library draws a single picture of a known size.
func (b *bar) render(done int, text string, width int, count bool) string {
	total := max(b.total, 1)
	options := []progressbar.Option{
		progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetDescription(text),
		progressbar.OptionSetWidth(width),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
	}
	if width == 0 {
		options = append(options, progressbar.OptionSetTheme(progressbar.Theme{}))
	}
	if count {
		options = append(options, progressbar.OptionShowCount())
	}
	p := progressbar.NewOptions(total, options...)
	_ = p.Set(min(max(done, 0), total)) // drawn into nothing
	if p.String() == "" {
		_ = p.RenderBlank()
	}
	line := strings.Trim(p.String(), "\r ")
	if width == 0 { // two spaces replace it
		line = strings.Join(strings.Fields(line), " ")
	}
	return line
}

// cut shortens a text to this many columns. A character may be two columns wide.
func cut(text string, columns int) string {
	if uniseg.StringWidth(text) <= columns {
		return text
	}
	var out strings.Builder
	left := columns - 1 // for the ellipsis
	for g := uniseg.NewGraphemes(text); g.Next() && g.Width() <= left; {
		out.WriteString(g.Str())
		left -= g.Width()
	}
	if columns > 0 {
		out.WriteString("…")
	}
	return out.String()
}

// rest erases the rest of the last line after a new text.
func (b *bar) rest(text string) string {
	width := uniseg.StringWidth(text)
	before := b.drawn
	b.drawn = width
	if runtime.GOOS == "windows" { // older consoles have no control sequences
		return strings.Repeat(" ", max(before-width, 0))
	}
	return "\x1b[K"
}
