package viz

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"strings"

	"fasternet/internal/printable"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// The sizes of a contact sheet, in pixels.
const (
	margin   = 16
	gap      = 6
	groupGap = 20
	line     = 18 // height of a line of text
	textSize = 13
	widest   = 4000 // widest picture with several groups in a line
)

// WritePNG writes one picture with a row for every image, or several rows if it has many panels.
func (s *Sheet) WritePNG(w io.Writer) error {
	m, err := s.Contact()
	if err != nil {
		return fmt.Errorf("viz: %w", err)
	}
	if err := png.Encode(w, m); err != nil {
		return fmt.Errorf("viz: picture: %w", err)
	}
	return nil
}

// Contact draws the sheet as one picture. Groups that would make it too wide go to the next
// line. It cuts names that are too long.
func (s *Sheet) Contact() (*image.RGBA, error) {
	if len(s.Entries) == 0 || len(s.Entries[0].Groups) == 0 {
		return nil, fmt.Errorf("there is nothing to draw")
	}
	face, err := newFace()
	if err != nil {
		return nil, err
	}
	lines, width := s.lines()
	var notes []string
	for _, n := range s.Notes {
		notes = append(notes, wrap(face, n, width-2*margin)...)
	}
	once := len(lines) == 1 // write the heads of the columns once: they are the same for all images
	heads := len(s.Entries) * len(lines)
	if once {
		heads = 1
	}
	panel := s.panel()
	lineHeight := panel.Y + s.captionLines(face, panel.X)*line + groupGap/2
	height := 2*margin + (1+len(notes)+2*heads)*line + line/2 + len(s.Entries)*(line+len(lines)*lineHeight)
	c := contact{image.NewRGBA(image.Rect(0, 0, width, height)), face}
	draw.Draw(c.image, c.image.Bounds(), image.White, image.Point{}, draw.Src)
	y := margin
	for _, text := range append([]string{s.Title}, notes...) {
		c.text(text, margin, y, width-2*margin)
		y += line
	}
	y += line / 2
	if once {
		c.heads(s.Entries[0].Groups, y)
		y += 2 * line
	}
	for _, e := range s.Entries {
		c.text(e.Name, margin, y, width-2*margin)
		y += line
		for _, l := range lines {
			groups := e.Groups[l[0]:l[1]]
			if !once {
				c.heads(groups, y)
				y += 2 * line
			}
			columns(groups, func(p Panel, x int) {
				place := image.Rectangle{image.Pt(x, y), image.Pt(x, y).Add(panel)}
				draw.Draw(c.image, place, p.Image, p.Image.Bounds().Min, draw.Src)
				for i, text := range p.caption(face, panel.X) {
					c.text(text, x, y+panel.Y+2+i*line, panel.X)
				}
			})
			y += lineHeight
		}
	}
	return c.image, nil
}

// captionLines returns the number of lines of the longest caption.
func (s *Sheet) captionLines(face font.Face, width int) int {
	most := 1
	for _, e := range s.Entries {
		for _, g := range e.Groups {
			for _, p := range g.Panels {
				most = max(most, len(p.caption(face, width)))
			}
		}
	}
	return most
}

// mostFolded is the largest number of lines that a line of a caption is folded into.
const mostFolded = 3

// caption returns the caption, folded into lines of a width.
func (p Panel) caption(face font.Face, width int) []string {
	if len(p.Lines) == 0 {
		return []string{p.Caption}
	}
	var all []string
	for _, text := range append([]string{p.Caption}, p.Lines...) {
		lines := fold(face, printable.Line(text), width)
		if len(lines) > mostFolded { // drawing cuts the last line
			lines = append(lines[:mostFolded-1], strings.Join(lines[mostFolded-1:], " "))
		}
		all = append(all, lines...)
	}
	return all
}

// fold breaks a text into lines of a width, between words, and within words that are wider.
func fold(face font.Face, text string, width int) []string {
	var lines []string
	for _, l := range wrap(face, text, width) {
		runes := []rune(l)
		for font.MeasureString(face, string(runes)).Ceil() > width && len(runes) > 1 {
			n := len(runes) - 1
			for n > 1 && font.MeasureString(face, string(runes[:n])).Ceil() > width {
				n--
			}
			lines, runes = append(lines, string(runes[:n])), runes[n:]
		}
		lines = append(lines, string(runes))
	}
	return lines
}

// panel returns the size of the panels.
func (s *Sheet) panel() image.Point { return s.Entries[0].Groups[0].Panels[0].Image.Bounds().Size() }

// lines returns the groups, from and to, that are next to each other, and the width of the
// picture.
func (s *Sheet) lines() (lines [][2]int, width int) {
	groups := s.Entries[0].Groups
	from := 0
	for to := 1; to <= len(groups); to++ {
		if to < len(groups) && columns(groups[from:to+1], nil) <= widest {
			continue
		}
		lines, width = append(lines, [2]int{from, to}), max(width, columns(groups[from:to], nil))
		from = to
	}
	return lines, width
}

// columns gives each panel of some groups its place, and returns the width of their
// picture.
func columns(groups []Group, visit func(p Panel, x int)) int {
	x := margin
	for _, g := range groups {
		for _, p := range g.Panels {
			if visit != nil {
				visit(p, x)
			}
			x += p.Image.Bounds().Dx() + gap
		}
		x += groupGap - gap
	}
	return x - groupGap + margin
}

type contact struct {
	image *image.RGBA
	face  font.Face
}

// heads writes the titles of groups, and below them the titles of their panels.
func (c *contact) heads(groups []Group, y int) {
	group, left := 0, 0 // the next group, and how many panels are left of the one before
	columns(groups, func(p Panel, x int) {
		if left == 0 {
			g := groups[group]
			group, left = group+1, len(g.Panels)
			c.text(g.Title, x, y, left*(p.Image.Bounds().Dx()+gap))
		}
		left--
		c.text(p.Title, x, y+line, p.Image.Bounds().Dx())
	})
}

// text writes a line below y, cut to the width.
func (c *contact) text(text string, x, y, width int) {
	text = printable.Line(text)
	if font.MeasureString(c.face, text).Ceil() > width {
		runes := []rune(text)
		for len(runes) > 0 && font.MeasureString(c.face, string(runes)+"…").Ceil() > width {
			runes = runes[:len(runes)-1]
		}
		text = string(runes) + "…"
	}
	d := font.Drawer{Dst: c.image, Src: image.NewUniform(color.Gray{40}), Face: c.face, Dot: fixed.P(x, y+textSize)}
	d.DrawString(text)
}

// wrap breaks a text between words into lines of a width.
func wrap(face font.Face, text string, width int) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(text) {
		longer := word
		if current != "" {
			longer = current + " " + word
		}
		if current != "" && font.MeasureString(face, longer).Ceil() > width {
			lines, longer = append(lines, current), word
		}
		current = longer
	}
	return append(lines, current)
}

func newFace() (font.Face, error) {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, err
	}
	return opentype.NewFace(f, &opentype.FaceOptions{Size: textSize, DPI: 72, Hinting: font.HintingFull})
}
