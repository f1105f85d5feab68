package train

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"io"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	plotdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// WriteReport draws the curves of a run to report.html, one page that needs
// nothing else.
func (f *Folder) WriteReport(c *configs.Config) error {
	records, err := f.Records()
	if err != nil {
		return err
	}
	scores, err := f.Scores()
	if err != nil {
		return err
	}
	page := reportPage{Title: f.Dir, Scores: scores}
	text, err := c.YAML()
	if err != nil {
		return err
	}
	page.Config = string(text)
	perEpoch := 1
	for _, r := range records {
		perEpoch = max(perEpoch, r.Step)
	}
	var loss, rate, evalLoss, top1, top5 plotter.XYs
	for _, r := range records {
		if r.Kind == stepRecord {
			x := float64(r.Epoch) + float64(r.Step)/float64(perEpoch)
			loss = append(loss, plotter.XY{X: x, Y: r.Loss})
			rate = append(rate, plotter.XY{X: x, Y: r.LR})
		}
	}
	for _, s := range scores {
		x := float64(s.Epoch + 1)
		evalLoss = append(evalLoss, plotter.XY{X: x, Y: s.Loss})
		top1 = append(top1, plotter.XY{X: x, Y: s.Top1})
		top5 = append(top5, plotter.XY{X: x, Y: s.Top5})
	}
	for _, chart := range []struct {
		title, unit string
		curves      []curve
	}{
		{"Accuracy on the validation images", "percent", []curve{{"top-1", top1}, {"top-5", top5}}},
		{"Loss", lossUnit(c), []curve{{trainingCurve(c), loss}, {"validation", evalLoss}}},
		{"Learning rate", "", []curve{{"", rate}}},
	} {
		if len(chart.curves[0].points) == 0 || c.Task != "classify" && chart.unit == "percent" {
			continue
		}
		svg, err := draw(chart.title, chart.unit, chart.curves)
		if err != nil {
			return fmt.Errorf("%s: %w", ReportFile, err)
		}
		page.Charts = append(page.Charts, svg)
	}
	return checkpoints.WriteAtomic(f.path(ReportFile), func(w io.Writer) error { return reportTemplate.Execute(w, page) })
}

func trainingCurve(c *configs.Config) string {
	if c.Task == "classify" {
		return "training, with augmentation and smoothed labels"
	}
	return "training, with augmentation"
}

func lossUnit(c *configs.Config) string {
	if c.Task == "classify" {
		return "nats"
	}
	return "mean squared difference, summed over the scales"
}

type curve struct {
	name   string
	points plotter.XYs
}

var colors = []color.Color{color.RGBA{31, 119, 180, 255}, color.RGBA{214, 39, 40, 255}}

// draw makes a chart over epochs as an SVG element.
func draw(title, unit string, curves []curve) (template.HTML, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "epoch", unit
	p.Add(plotter.NewGrid())
	p.Legend.Top = true
	for i, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		line, err := plotter.NewLine(c.points)
		if err != nil {
			return "", err
		}
		line.Color, line.Width = colors[i], vg.Points(1.5)
		p.Add(line)
		if c.name != "" {
			p.Legend.Add(c.name, line)
		}
	}
	canvas := vgsvg.New(18*vg.Centimeter, 9*vg.Centimeter)
	p.Draw(plotdraw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	_, svg, _ := strings.Cut(b.String(), "<svg") // without the XML declaration
	return template.HTML("<svg" + svg), nil      //nolint:gosec // made by the plot library
}

type reportPage struct {
	Title  string
	Charts []template.HTML
	Scores []Score
	Config string
}

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"inc": func(i int) int { return i + 1 },
}).Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{{.Title}}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222 }
svg { max-width: 100%; height: auto; display: block; margin: 1.5em 0 }
table { border-collapse: collapse } td, th { padding: .15em .8em; text-align: right; border-bottom: 1px solid #ddd }
pre { background: #f6f6f6; padding: 1em; overflow: auto }
</style>
<h1>{{.Title}}</h1>
{{range .Charts}}{{.}}
{{end}}
<h2>Epochs</h2>
<table>
<tr><th>epoch</th><th>training loss</th><th>validation loss</th><th>top-1 %</th><th>top-5 %</th><th>learning rate</th></tr>
{{range .Scores}}<tr><td>{{inc .Epoch}}</td><td>{{printf "%.4f" .TrainLoss}}</td><td>{{printf "%.4f" .Loss}}</td><td>{{printf "%.2f" .Top1}}</td><td>{{printf "%.2f" .Top5}}</td><td>{{printf "%.3g" .LR}}</td></tr>
{{end}}</table>
<h2>Configuration</h2>
<pre>{{.Config}}</pre>
</html>
`))
