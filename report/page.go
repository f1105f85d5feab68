package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"strings"
	"time"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/internal/printable"
)

//go:embed page.html
var pageText string

//go:embed page.css
var style string

//go:embed chart.js
var chartScript string

//go:embed live.js
var liveScript string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": count, "short": short, "size": size, "moment": moment, "duration": duration, "plural": plural,
	"inc": func(i int) int { return i + 1 },
}).Parse(pageText))

// page is what the template shows.
type page struct {
	Heading  string // of the window
	Policy   string
	Style    template.CSS
	Scripts  []template.JS
	Live     bool
	Made     string
	Runs     []*view
	Compared *comparison // of several runs
}

// view is a run in the form for the page.
type view struct {
	*Run
	Anchor      string
	Verdict     Verdict
	Tiles       []tile
	Charts      []*Chart
	Classes     *Classes
	LabelTable  *labelTable
	Mistakes    []Picture
	Missing     string // why there are no pictures of mistakes
	Issues      *issues
	Looks       *looks
	Measured    *measured
	Rebuilt     *reconstructions
	Pictures    []Picture // samples
	Preset      string
	Differences []configs.Difference
	Settings    string
	Table       []row
	EveryEpoch  int // the table has one of so many epochs
}

// tile is a figure in large letters.
type tile struct{ Value, Name string }

// row is an epoch of the table.
type row struct {
	Epoch                               int
	Train, Loss, Top1, Top5, LR         string
	Speed, Waited, Norm, Memory, Elapse string
	Best                                bool
}

// Write writes the page of runs to a file, which appears when it is complete.
func Write(path string, runs ...*Run) error {
	return checkpoints.WriteAtomic(path, func(w io.Writer) error {
		p, err := newPage(albums{}, time.Now(), false, runs)
		if err != nil {
			return err
		}
		return p.write(w)
	})
}

func (p *page) write(w io.Writer) error {
	return p.execute(w, "page")
}

// execute writes a part of the page. The template escapes HTML; characters that change how
// others are shown are replaced here.
func (p *page) execute(w io.Writer, part string) error {
	if err := pageTemplate.ExecuteTemplate(printable.NewWriter(w), part, p); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// policy returns a policy that lets a page load nothing and run only its own scripts. A
// live page may ask its server for updates.
func policy(live bool, scripts []template.JS) string {
	p := "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; script-src"
	for _, s := range scripts {
		sum := sha256.Sum256([]byte(s))
		p += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	if live {
		p += "; connect-src 'self'"
	}
	return p
}

func newPage(a albums, now time.Time, live bool, runs []*Run) (*page, error) {
	p := &page{Live: live, Style: template.CSS(style), Made: now.Format("2 Jan 2006 15:04:05")} //nolint:gosec // ours
	p.Scripts = []template.JS{template.JS(chartScript)}                                         //nolint:gosec // ours
	if live {
		p.Scripts = append(p.Scripts, template.JS(liveScript)) //nolint:gosec // ours
	}
	p.Policy = policy(live, p.Scripts)
	var names []string
	distinguish(runs)
	for i, r := range runs {
		v, err := newView(a, r, now)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Dir, err)
		}
		v.Anchor = fmt.Sprintf("run%d", i+1)
		p.Runs, names = append(p.Runs, v), append(names, r.Name)
	}
	p.Heading = strings.Join(names, ", ")
	if figure := p.Runs[0].Verdict.Figure; len(runs) == 1 && figure != "" {
		p.Heading = figure + " · " + names[0]
	}
	if len(runs) > 1 {
		var err error
		if p.Compared, err = compare(p.Runs); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// distinguish names runs by their paths if their folders have the same name.
func distinguish(runs []*Run) {
	seen := map[string]int{}
	for _, r := range runs {
		seen[r.Name]++
	}
	for _, r := range runs {
		if seen[r.Name] > 1 {
			r.Name = filepath.Clean(r.Dir)
		}
	}
}

func newView(a albums, r *Run, now time.Time) (*view, error) {
	v := &view{Run: r, Verdict: r.Judge(now), Charts: r.charts()}
	v.Tiles = v.tiles()
	v.Table, v.EveryEpoch = v.table()
	v.LabelTable = r.labels()
	var err error
	if v.Classes, err = r.classes(); err != nil {
		return nil, err
	}
	v.Mistakes, v.Missing = a.of(r.Config).mistakes(r)
	v.Issues, v.Looks, v.Measured = a.of(r.Config).issues(r), r.looks, r.measured()
	if v.Rebuilt, err = r.reconstructions(); err != nil {
		return nil, err
	}
	if v.Pictures, err = r.samples(); err != nil {
		return nil, err
	}
	text, err := r.Config.YAML()
	if err != nil {
		return nil, err
	}
	v.Settings = string(text)
	v.Preset, v.Differences, err = r.differing()
	return v, err
}

// differing compares the settings with the preset that the run started from, or else with the
// preset nearest to it.
func (r *Run) differing() (string, []configs.Difference, error) {
	for _, s := range r.Launches {
		if c, err := configs.Load(s.Preset); s.Preset != "" && err == nil {
			d, err := configs.Differences(c, r.Config)
			return s.Preset, d, err
		}
	}
	name, d, err := r.Config.Nearest()
	if name != "" {
		name += ", the nearest preset"
	}
	return name, d, err
}

func (v *view) tiles() (all []tile) {
	add := func(value, name string) { all = append(all, tile{value, name}) }
	best := v.Best()
	if best != nil && !v.Pretraining() {
		if !v.MultiLabel() {
			add(fmt.Sprintf("%.2f %%", best.Top5), "top-5")
		}
		add(fmt.Sprintf("%.4f", best.Loss), "validation loss")
	}
	add(fmt.Sprintf("%s of %s", epochs(v.done()), count(v.Config.Train.Epochs)), "epochs")
	if speed, waited := v.pace(); speed > 0 {
		add(short(speed), "images/s")
		add(fmt.Sprintf("%.1f %%", 100*waited), "waiting for data")
	}
	add(duration(v.took()), "time")
	if s := v.last(); s != nil {
		add(count(s.Parameters), "parameters")
	}
	memory := 0.0
	for _, s := range v.Steps {
		memory = max(memory, s.Memory)
	}
	if memory > 0 {
		add(size(int64(memory*1e6)), "memory at most")
	}
	return all
}

// rows is about the largest number of epochs in the table.
const rows = 500

// table returns the epochs: if there are many, one of every so many, the best and the last.
func (v *view) table() (all []row, every int) {
	best := v.Best()
	every = (len(v.Epochs) + rows - 1) / rows
	for i, e := range v.Epochs {
		top := best != nil && best.Epoch == e.Epoch
		if (i+1)%every != 0 && !top && i+1 < len(v.Epochs) {
			continue
		}
		w := row{
			Epoch:  e.Epoch + 1,
			Train:  fmt.Sprintf("%.4f", e.Loss),
			LR:     fmt.Sprintf("%.3g", e.LR),
			Elapse: duration(time.Duration(e.Seconds * 1e9)),
		}
		if e.EvalLoss != nil {
			w.Loss = fmt.Sprintf("%.4f", *e.EvalLoss)
		}
		if e.Top1 != nil && e.Top5 != nil {
			w.Top1, w.Top5 = fmt.Sprintf("%.2f", *e.Top1), fmt.Sprintf("%.2f", *e.Top5)
		}
		if e.Speed > 0 {
			w.Speed = short(e.Speed)
			w.Waited = fmt.Sprintf("%.1f", e.Waited)
			w.Norm = short(e.GradNorm)
			w.Memory = short(e.Memory)
		}
		w.Best = top
		all = append(all, w)
	}
	return all, every
}
