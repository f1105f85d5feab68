package viz

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// The measures of a contact sheet, in pixels.
const (
	margin   = 16
	gap      = 6
	groupGap = 20
	line     = 18 // of text
	textSize = 13
)

// WritePNG writes one picture: a row for every image, a column for every panel.
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

// Contact draws the sheet as one picture. Names that are longer than their place
// are cut.
func (s *Sheet) Contact() (*image.RGBA, error) {
	if len(s.Entries) == 0 || len(s.Entries[0].Groups) == 0 {
		return nil, fmt.Errorf("there is nothing to draw")
	}
	face, err := newFace()
	if err != nil {
		return nil, err
	}
	width, _ := s.contactSize()
	var notes []string
	for _, n := range s.Notes {
		notes = append(notes, wrap(face, n, width-2*margin)...)
	}
	_, height := s.contactSize()
	c := contact{image.NewRGBA(image.Rect(0, 0, width, height+len(notes)*line)), face}
	draw.Draw(c.image, c.image.Bounds(), image.White, image.Point{}, draw.Src)
	y := margin
	for _, text := range append([]string{s.Title}, notes...) {
		c.text(text, margin, y, width-2*margin)
		y += line
	}
	y += line / 2
	for i, e := range s.Entries {
		x := margin
		for _, g := range e.Groups {
			panel := g.Panels[0].Image.Bounds()
			if i == 0 { // the heads of the columns
				c.text(g.Title, x, y, len(g.Panels)*(panel.Dx()+gap))
				for j, p := range g.Panels {
					c.text(p.Title, x+j*(panel.Dx()+gap), y+line, panel.Dx())
				}
			}
			top := y + line // of the name
			if i == 0 {
				top += 2 * line
			}
			for _, p := range g.Panels {
				b := p.Image.Bounds()
				draw.Draw(c.image, image.Rect(x, top, x+b.Dx(), top+b.Dy()), p.Image, b.Min, draw.Src)
				c.text(p.Caption, x, top+b.Dy()+2, b.Dx())
				x += b.Dx() + gap
			}
			x += groupGap - gap
		}
		if i == 0 {
			y += 2 * line
		}
		c.text(e.Name, margin, y, width-2*margin)
		y += s.rowHeight()
	}
	return c.image, nil
}

// contactSize is the size of the picture without notes.
func (s *Sheet) contactSize() (width, height int) {
	width = 2*margin - groupGap
	for _, g := range s.Entries[0].Groups {
		for _, p := range g.Panels {
			width += p.Image.Bounds().Dx() + gap
		}
		width += groupGap - gap
	}
	return width, 2*margin + line + line/2 + 2*line + len(s.Entries)*s.rowHeight()
}

// rowHeight is the height of an image's name, panels and captions.
func (s *Sheet) rowHeight() int {
	return line + s.Entries[0].Groups[0].Panels[0].Image.Bounds().Dy() + line + groupGap/2
}

type contact struct {
	image *image.RGBA
	face  font.Face
}

// text writes a line below y, cut to the width.
func (c *contact) text(text string, x, y, width int) {
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
