package eval

import (
	"cmp"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"fasternet/internal/printable"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Up to these numbers of classes, the picture has counts, has names, and has a cell of
// its own for each class and answer.
const (
	countedClasses = 25
	namedClasses   = 65
	drawnClasses   = 4000
)

// The measures of the picture, in points.
const (
	pictureMargin = 18
	pictureDPI    = 144 // 2 pixels a point
	fontSize      = 10
	lineHeight    = 16
	pairsWidth    = 330
	listedPairs   = 25
	longestName   = 22 // letters
	leastWidth    = 500
	leastDot      = 5 // pixels of a mistake among many classes
)

// CellColour returns the colour of a share of a class, from 0 to 1, on white: blue if the answer is
// right, red if it is wrong. Its strength is the root of the share, so that rare mistakes can be seen.
func CellColour(share float64, right bool) color.NRGBA {
	c := color.NRGBA{R: 210, G: 69, B: 44, A: 255}
	if right {
		c = color.NRGBA{R: 47, G: 111, B: 216, A: 255}
	}
	depth := math.Sqrt(min(max(share, 0), 1))
	mix := func(v uint8) uint8 { return uint8(math.Round(255 - (255-float64(v))*depth)) }
	return color.NRGBA{R: mix(c.R), G: mix(c.G), B: mix(c.B), A: 255}
}

// matrixPicture draws a matrix: a row for each class, as shares of its samples.
type matrixPicture struct {
	c      *Confusion
	names  []string
	order  []int
	place  []int // the place of each class in the order
	totals map[int]int
	side   vg.Length // of a cell
	left   vg.Length // of the matrix
	top    vg.Length // from the top of the picture to the matrix
	canvas draw.Canvas
}

// writePicture writes the matrix as PNG or SVG.
func (c *Confusion) writePicture(w io.Writer, title string, names []string, svg bool) error {
	if c.Classes > drawnClasses {
		return fmt.Errorf("a picture of %d classes: want at most %d; write a .csv", c.Classes, drawnClasses)
	}
	m := &matrixPicture{c: c, names: names, order: c.Order(), place: make([]int, c.Classes), totals: c.Totals()}
	for i, k := range m.order {
		m.place[k] = i
	}
	width, height := m.layout()
	if svg {
		canvas := vgsvg.New(width, height)
		m.draw(draw.New(canvas), title, width, height)
		_, err := canvas.WriteTo(w)
		return err
	}
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(pictureDPI))
	m.draw(draw.New(canvas), title, width, height)
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
	return err
}

// named reports whether the names of the classes are at the sides of the picture. If they are not,
// the picture has a table of pairs.
func (m *matrixPicture) named() bool { return m.c.Classes <= namedClasses }

// layout places the matrix, and returns the size of the picture.
func (m *matrixPicture) layout() (width, height vg.Length) {
	n := vg.Length(m.c.Classes)
	m.left, m.top = pictureMargin, pictureMargin+4*lineHeight
	if m.named() {
		m.side = min(28, max(700/n, 11))
		names := vg.Length(0)
		for k := range m.c.Classes {
			names = max(names, m.style(0).Width(m.name(k)))
		}
		m.left += names + 8
		m.top += names + 8
	} else { // a cell has whole pixels
		m.side = vg.Length(max(math.Round(1500/float64(n)), 1)) * 72 / pictureDPI
	}
	width, height = m.left+n*m.side+pictureMargin, m.top+n*m.side+pictureMargin
	if !m.named() {
		width += pairsWidth
		height = max(height, m.top+(listedPairs+3)*lineHeight)
	}
	return max(width, leastWidth), height
}

func (m *matrixPicture) name(class int) string {
	return shortened(printable.Line(ClassName(m.names, class)), longestName)
}

// style returns the style of text, larger than usual by some points.
func (m *matrixPicture) style(more vg.Length) text.Style {
	return text.Style{
		Color:   color.Gray{40},
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, fontSize+more),
		Handler: plot.DefaultTextHandler,
		XAlign:  text.XLeft,
		YAlign:  text.YCenter,
	}
}

func (m *matrixPicture) draw(canvas draw.Canvas, title string, width, height vg.Length) {
	m.canvas = canvas
	m.box(0, 0, width, height, color.White)
	m.text(m.style(4), pictureMargin, pictureMargin+lineHeight/2, printable.Line(title))
	soft := m.style(0)
	soft.Color = color.Gray{100}
	const legend = "A row for each class, a column for each answer, as shares of the class; " +
		"blue is right, red is wrong."
	m.text(soft, pictureMargin, pictureMargin+3*lineHeight/2+2, legend)
	m.text(soft, pictureMargin, pictureMargin+5*lineHeight/2+2,
		"Classes that the model confuses are next to each other.")
	n := vg.Length(m.c.Classes)
	if m.named() {
		m.box(m.left, m.top, n*m.side, n*m.side, color.Gray{247})
		m.cells()
		m.sides()
		return
	}
	place := vg.Rectangle{
		Min: vg.Point{X: m.left, Y: height - m.top - n*m.side},
		Max: vg.Point{X: m.left + n*m.side, Y: height - m.top},
	}
	m.canvas.DrawImage(place, m.raster())
	m.frame(m.left, m.top, n*m.side)
	m.pairs(m.left + n*m.side + pictureMargin)
}

// box fills a rectangle. Its upper left corner is x points from the left and y from the top.
func (m *matrixPicture) box(x, y, width, height vg.Length, c color.Color) {
	top := m.canvas.Max.Y - y
	m.canvas.FillPolygon(c, []vg.Point{
		{X: x, Y: top},
		{X: x + width, Y: top},
		{X: x + width, Y: top - height},
		{X: x, Y: top - height},
	})
}

func (m *matrixPicture) frame(x, y, side vg.Length) {
	top := m.canvas.Max.Y - y
	m.canvas.StrokeLines(draw.LineStyle{Color: color.Gray{200}, Width: 0.5}, []vg.Point{
		{X: x, Y: top}, {X: x + side, Y: top}, {X: x + side, Y: top - side}, {X: x, Y: top - side}, {X: x, Y: top},
	})
}

func (m *matrixPicture) text(s text.Style, x, y vg.Length, words string) {
	m.canvas.FillText(s, vg.Point{X: x, Y: m.canvas.Max.Y - y}, words)
}

func (m *matrixPicture) share(x Cell) float64 { return float64(x.Count) / float64(m.totals[x.Class]) }

// cells draws the cells that are not zero.
func (m *matrixPicture) cells() {
	const gap = 0.5
	for _, x := range m.c.Cells() {
		if x.Answer < 0 {
			continue
		}
		share, right := m.share(x), x.Class == x.Answer
		left, top := m.left+vg.Length(m.place[x.Answer])*m.side, m.top+vg.Length(m.place[x.Class])*m.side
		m.box(left+gap, top+gap, m.side-2*gap, m.side-2*gap, CellColour(share, right))
		if m.c.Classes > countedClasses {
			continue
		}
		s := m.style(0)
		s.XAlign = text.XCenter
		if share > 0.35 {
			s.Color = color.White
		}
		words := strconv.Itoa(x.Count)
		for s.Width(words) > m.side-2 && s.Font.Size > 5 {
			s.Font.Size--
		}
		m.text(s, left+m.side/2, top+m.side/2, words)
	}
}

// sides writes the names of the classes.
func (m *matrixPicture) sides() {
	size := min(0, m.side-3-fontSize)
	row, column := m.style(size), m.style(size)
	row.XAlign, column.Rotation = text.XRight, math.Pi/2
	for i, k := range m.order {
		at := (vg.Length(i) + 0.5) * m.side
		m.text(row, m.left-6, m.top+at, m.name(k))
		m.text(column, m.left+at, m.top-6, m.name(k))
	}
}

// raster draws the matrix of many classes as pixels.
func (m *matrixPicture) raster() image.Image {
	return m.c.Raster(m.order, int(math.Round(float64(m.side)*pictureDPI/72)), CellColour)
}

// Raster draws the matrix on a transparent image, with its classes in an order, and a square of some
// pixels for each cell. It draws mistakes large and strong enough to be seen.
func (c *Confusion) Raster(order []int, pixels int, colour func(share float64, right bool) color.NRGBA) *image.NRGBA {
	place, totals := make([]int, c.Classes), c.Totals()
	for i, k := range order {
		place[k] = i
	}
	side := c.Classes * pixels
	r := image.NewNRGBA(image.Rect(0, 0, side, side))
	cells, share := c.Cells(), func(x Cell) float64 { return float64(x.Count) / float64(totals[x.Class]) }
	// right answers and larger shares come last, on top of the others
	slices.SortStableFunc(cells, func(a, b Cell) int {
		return cmp.Or(
			cmp.Compare(btoi(a.Class == a.Answer), btoi(b.Class == b.Answer)),
			cmp.Compare(share(a), share(b)))
	})
	for _, x := range cells {
		if x.Answer < 0 {
			continue
		}
		right, dot, strength := x.Class == x.Answer, pixels, share(x)
		if !right {
			dot, strength = max(pixels, min(leastDot, side/200)), max(strength, leastShare)
		}
		left, top := place[x.Answer]*pixels-(dot-pixels)/2, place[x.Class]*pixels-(dot-pixels)/2
		at := image.Rect(left, top, left+dot, top+dot).Intersect(r.Bounds())
		value := colour(strength, right)
		for i := at.Min.Y; i < at.Max.Y; i++ {
			for j := at.Min.X; j < at.Max.X; j++ {
				r.SetNRGBA(j, i, value)
			}
		}
	}
	return r
}

// pairs draws a table of the most frequent mistakes.
func (m *matrixPicture) pairs(x vg.Length) {
	head, line, end := m.style(0), m.style(0), m.style(0)
	head.Color, end.XAlign = color.Gray{100}, text.XRight
	y := m.top + vg.Length(lineHeight)/2
	m.text(head, x, y, "class → taken for")
	right := head
	right.XAlign = text.XRight
	m.text(right, x+pairsWidth-pictureMargin, y, "images, of the class")
	for i, p := range m.c.Pairs() {
		if i == listedPairs {
			break
		}
		y += lineHeight
		m.text(line, x, y, m.name(p.Class)+" → "+m.name(p.Answer))
		share := 100 * float64(p.Count) / float64(m.totals[p.Class])
		m.text(end, x+pairsWidth-pictureMargin, y, fmt.Sprintf("%d, %.1f %%", p.Count, share))
	}
}

// leastShare is the share of the weakest colour of a mistake among many classes.
const leastShare = 0.1

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// shortened cuts a text to n letters.
func shortened(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
