package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// drawing is an SVG picture with a white background, so that it is readable in dark mode too.
type drawing struct {
	width, height float64
	body          strings.Builder
}

const (
	ink    = "#1f2937"
	faint  = "#6b7280"
	blue   = "#dbeafe"
	green  = "#dcfce7"
	yellow = "#fef9c3"
	red    = "#fee2e2"
	grey   = "#f3f4f6"
)

func (d *drawing) add(format string, values ...any) { fmt.Fprintf(&d.body, format+"\n", values...) }

// box draws a box around (x, y) with lines of text, the first one in bold.
func (d *drawing) box(x, y, w, h float64, fill string, lines ...string) {
	d.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="6" fill="%s" stroke="%s"/>`,
		x-w/2, y-h/2, w, h, fill, ink)
	const line = 16
	top := y - line*float64(len(lines)-1)/2 + 4
	for i, text := range lines {
		weight := "normal"
		if i == 0 {
			weight = "bold"
		}
		d.add(`<text x="%.1f" y="%.1f" text-anchor="middle" font-weight="%s" fill="%s">%s</text>`,
			x, top+line*float64(i), weight, ink, html.EscapeString(text))
	}
}

func (d *drawing) text(x, y float64, anchor, fill, text string) {
	d.add(`<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`,
		x, y, anchor, fill, html.EscapeString(text))
}

// arrow draws a line through points, with an arrowhead at the end.
func (d *drawing) arrow(points ...float64) {
	var path strings.Builder
	for i := 0; i+1 < len(points); i += 2 {
		fmt.Fprintf(&path, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], points[i], points[i+1])
	}
	n := len(points)
	angle := math.Atan2(points[n-1]-points[n-3], points[n-2]-points[n-4])
	for _, side := range []float64{2.6, -2.6} {
		endX, endY := points[n-2], points[n-1]
		fmt.Fprintf(&path, "M%.1f %.1fL%.1f %.1f",
			endX, endY, endX+8*math.Cos(angle+side), endY+8*math.Sin(angle+side))
	}
	d.add(`<path d="%s" fill="none" stroke="%s" stroke-width="1.5"/>`, path.String(), ink)
}

func (d *drawing) bar(x, y, w, h float64, fill string) {
	d.add(`<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"/>`, x, y, w, h, fill)
}

func (d *drawing) line(x1, y1, x2, y2 float64, stroke, dash string) {
	d.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-dasharray="%s"/>`,
		x1, y1, x2, y2, stroke, dash)
}

// svg returns the picture. Screen readers say the title.
func (d *drawing) svg(title string) string {
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" `+
		`font-family="sans-serif" font-size="12" role="img">`, d.width, d.height)
	ground := fmt.Sprintf(`<rect width="%.0f" height="%.0f" fill="#ffffff"/>`, d.width, d.height)
	return head + "<title>" + html.EscapeString(title) + "</title>\n" +
		ground + "\n" +
		d.body.String() + "</svg>\n"
}
