package report_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fasternet/configs"
	"fasternet/eval"
	"fasternet/report"
	"fasternet/train"
)

// Compares two runs in one page.
func Example() {
	var runs []*report.Run
	for _, dir := range []string{"runs/first", "runs/second"} {
		r, err := report.Load(dir)
		if err != nil {
			fmt.Println(err)
			return
		}
		runs = append(runs, r)
	}
	if err := report.Write("compared.html", runs...); err != nil {
		fmt.Println(err)
	}
	// Output: runs/first: want the folder of a run: it has no config.yaml
}

// folder writes the folder of a run of 4 epochs of 10 batches. It ends after the last of the
// given validation losses.
func folder(t *testing.T, name string, losses []float64, more map[string]string, settings ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	settings = append([]string{"train.epochs=4", "train.batch_size=10", "data.dir=none"}, settings...)
	c, err := configs.Load("quickstart", settings...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	var log, summary strings.Builder
	for e, l := range losses {
		for step := 5; step <= 10; step += 5 {
			fmt.Fprintf(&log, `{"kind":"step","epoch":%d,"step":%d,"batches":%d,"loss":%v,"lr":0.1,`+
				`"grad_norm":2,"img_per_s":100,"data_s":0.05,"seconds":%v}`+"\n",
				e, step, 10*e+step, l, float64(10*e+step)/10)
		}
		fmt.Fprintf(&log, `{"kind":"epoch","epoch":%d,"batches":%d,"loss":%v,"lr":0.1,"top1":%v,`+
			`"top5":90,"eval_loss":%v,"seconds":%v}`+"\n",
			e, 10*e+10, 2.0-float64(e)/4, 50.0+float64(e), l, e+1)
		fmt.Fprintf(&summary, "%d,%v,%v,%v,90,0.1\n", e, 2-float64(e)/4, l, 50+e)
	}
	files := map[string]string{
		train.ConfigFile:  string(text),
		train.LogFile:     log.String(),
		train.SummaryFile: summary.String(),
	}
	for name, content := range more {
		files[name] = content
	}
	if err := os.MkdirAll(filepath.Join(dir, "checkpoints"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const began = `{"kind":"begin","time":"2026-01-02T03:04:05Z","batches":0,"steps":10,"val_images":1000,` +
	`"processor":"<CPU>","threads":2,"ranks":3}` + "\n"

func ended(state, message string) string {
	return began + fmt.Sprintf(`{"kind":"end","state":%q,"message":%q,"time":"2026-01-02T03:05:05Z","batches":40}`+"\n",
		state, message)
}

func load(t *testing.T, dir string) *report.Run {
	t.Helper()
	r, err := report.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerdicts(t *testing.T) {
	now := time.Now()
	later := now.Add(time.Hour)
	for _, c := range []struct {
		name     string
		losses   []float64
		launches string
		at       time.Time
		state    string
		want     []string
		without  string
	}{
		{"improving", []float64{2, 1.5, 1.2, 1}, ended("finished", ""), now, "finished",
			[]string{"best of 4 evaluated epochs is the 4th", "still falling", "took 4\u00a0s"}, "Overfitting"},
		{"patience", []float64{2, 2, 2}, ended("finished", ""), now, "finished",
			[]string{"ended after 3 of 4 epochs"}, "All"},
		{"overfitting", []float64{2, 1, 1.2, 1.5}, ended("finished", ""), now, "finished",
			[]string{"Overfitting", "lowest after epoch 2"}, "still falling"},
		{"diverged", []float64{2, 3}, ended("diverged", "the loss is NaN"), now, "diverged",
			[]string{"the loss is NaN", "came to 2 of 4 epochs"}, "resume"},
		{"stopped", []float64{2}, ended("interrupted", ""), now, "interrupted",
			[]string{"--resume", "Only epoch 1 has been evaluated"}, "killed"},
		{"running", []float64{2, 1, 0.5}, began, now, "running", []string{"epoch 4 of 4", "1\u00a0s to go"},
			"more epochs"},
		{"killed", []float64{2, 1}, began, later, "unfinished", []string{"killed", "--resume"}, "to go"},
		{"empty", nil, began, now, "running", []string{"no evaluation yet"}, "best"},
		// a version that recorded no launches
		{"old", []float64{2, 1, 1, 1}, "", later, "finished", []string{"All 4 epochs"}, "killed"},
		{"waiting", []float64{2}, ended("finished", "") + began + ended("finished", ""), now, "finished",
			[]string{"resumed twice"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := load(t, folder(t, c.name, c.losses, map[string]string{train.LaunchesFile: c.launches}))
			v := r.Judge(c.at)
			text := v.Headline
			for _, n := range v.Notes {
				text += "\n" + n.Text
			}
			if v.State != c.state {
				t.Errorf("state %s, want %s", v.State, c.state)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in %q", want, text)
				}
			}
			if c.without != "" && strings.Contains(text, c.without) {
				t.Errorf("%q is in %q", c.without, text)
			}
		})
	}
}

func evaluation(t *testing.T, classes int, epoch int) string {
	t.Helper()
	dir := t.TempDir()
	e := train.Evaluation{
		Epoch:  epoch,
		Report: eval.Report{Result: eval.Result{Top1: 53, Count: 100}, Confusion: eval.NewConfusion(classes)},
	}
	for k := range classes {
		e.Classes = append(e.Classes, fmt.Sprintf("<i>%d</i>", k))
		for range 9 {
			e.Confusion.Add(k, k)
		}
	}
	e.Confusion.Add(1, 0)
	e.Mistakes = []eval.Mistake{{Index: 3, Name: "x", Label: 1, Answer: 0, Confidence: 0.9}}
	if err := (&train.Folder{Dir: dir}).WriteEvaluation(e); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, train.EvaluationFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func page(t *testing.T, runs ...*report.Run) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	if err := report.Write(path, runs...); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A page has all parts, loads nothing, and escapes names.
func TestPage(t *testing.T) {
	losses := []float64{2, 1.5, 1.2, 1}
	files := map[string]string{
		train.LaunchesFile:   ended("finished", ""),
		train.EvaluationFile: evaluation(t, 5, 3),
	}
	few := load(t, folder(t, "few", losses, files, "optim.lr=0.123"))
	many := load(t, folder(t, "many & <more>", losses, map[string]string{train.EvaluationFile: evaluation(t, 60, 3)}))
	stale := load(t, folder(t, "stale", losses, map[string]string{train.EvaluationFile: evaluation(t, 5, 1)}))
	if stale.Evaluation != nil {
		t.Error("an evaluation of a different epoch than the best is taken")
	}
	for _, c := range []struct {
		name  string
		text  string
		wants []string
	}{
		{"few", page(t, few),
			[]string{
				"53.00\u00a0%", "Confusion matrix", "weakest class is &lt;i&gt;1&lt;/i&gt;", "optim.lr",
				"0.123", "&lt;CPU&gt;, 2 threads on each of 3 ranks", "Learning rate", "No pictures: ",
			}},
		{"many", page(t, many), []string{"60 classes", "Most frequent mistakes", "many &amp; &lt;more&gt;"}},
		{"compared", page(t, few, many), []string{"2 runs", "What is set differently", "optim.lr", `href="#run2"`}},
	} {
		for _, want := range c.wants {
			if !strings.Contains(c.text, want) {
				t.Errorf("%s: %q is missing", c.name, want)
			}
		}
		bad := regexp.MustCompile(`(src|href)="[^d#]|<i>\d|https?:|url\(|@import|ZgotmplZ`).FindString(c.text)
		if bad != "" {
			t.Errorf("%s: there is %q in the page", c.name, bad)
		}
	}
}

// If the images of a run are gone, its page says why it shows none, and has everything else.
func TestExamineWithoutImages(t *testing.T) {
	r := load(t, folder(t, "gone", []float64{2, 1.5, 1.2, 1},
		map[string]string{train.EvaluationFile: evaluation(t, 5, 3)},
		"data.name=imagefolder", "data.dir=/none/here"))
	if err := r.Examine(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	text := page(t, r)
	for _, want := range []string{"No Grad-CAM: ", "No pictures: ", "/none/here", "Confusion matrix"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

func TestBadFolders(t *testing.T) {
	if _, err := report.Load(t.TempDir()); err == nil {
		t.Error("an empty folder is a run")
	}
	for _, c := range []struct{ name, content string }{
		{train.EvaluationFile, "{"},
		{train.SummaryFile, "0,a,b,c,d,e\n"},
		{train.ConfigFile, "train: {epochs: x}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := report.Load(folder(t, "bad", []float64{1}, map[string]string{c.name: c.content}))
			if err == nil || !strings.Contains(err.Error(), c.name) {
				t.Errorf("bad %s: %v", c.name, err)
			}
		})
	}
	for _, text := range []string{`{"classes":[],"confusion":{"classes":2,"counts":[[0,5,1]]}}`, `{"epoch":0}`} {
		files := map[string]string{train.EvaluationFile: text}
		if _, err := report.Load(folder(t, "bad", []float64{1}, files)); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
	// A line that a crash has cut off is ignored.
	r := load(t, folder(t, "cut", []float64{1}, map[string]string{train.LaunchesFile: began + `{"kind":"en`}))
	if len(r.Launches) != 1 || r.Launches[0].End != nil {
		t.Errorf("launches %+v", r.Launches)
	}
	// Values that are not numbers are in no chart.
	summary := "0,NaN,NaN,NaN,NaN,0.1\n1,2,2,50,90,0.1\n"
	r = load(t, folder(t, "nan", nil, map[string]string{train.SummaryFile: summary}))
	if text := page(t, r); strings.Contains(text, "NaN 1000") {
		t.Error("a curve goes to NaN")
	}
}

// The served page changes only when the folder changes.
func TestHandler(t *testing.T) { synctest.Test(t, served) }

// served tests the page in a time of its own, because how often the page is made depends on the time.
func served(t *testing.T) {
	dir := folder(t, "live", []float64{2, 1}, map[string]string{train.LaunchesFile: began})
	h := report.NewHandler("", dir)
	get := func(path, tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	whole := get("/", "")
	if whole.Code != 200 ||
		!strings.Contains(whole.Body.String(), "fetch(") ||
		!strings.Contains(whole.Header().Get("Content-Security-Policy"), "connect-src 'self'; frame-ancestors 'none'") {
		t.Fatalf("%d, %v", whole.Code, whole.Header())
	}
	part := get("/content", "")
	tag := part.Header().Get("ETag")
	if part.Code != 200 ||
		tag == "" ||
		strings.Contains(part.Body.String(), "<script") ||
		!strings.Contains(part.Body.String(), "2 of 4") {
		t.Errorf("%d, %v", part.Code, part.Header())
	}
	if w := get("/content", tag); w.Code != 304 || w.Body.Len() > 0 {
		t.Errorf("unchanged: %d with %d bytes", w.Code, w.Body.Len())
	}
	for _, path := range []string{"/config.yaml", "/../x", "/checkpoints/", "/content/x"} {
		if w := get(path, ""); w.Code == 200 {
			t.Errorf("%s is served", path)
		}
	}
	began := time.Now()
	h.Finish() // the browser has everything
	if took := time.Since(began); took > 0 {
		t.Errorf("Finish waits for nothing, for %v", took)
	}
	log, err := os.OpenFile(filepath.Join(dir, train.LogFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	fmt.Fprintln(log, `{"kind":"step","epoch":2,"step":5,"batches":25,"loss":1,"lr":0.1,"seconds":3}`)
	time.Sleep(15 * time.Second) // the longest time from one page to the next
	if w := get("/content", tag); w.Code != 200 || !strings.Contains(w.Body.String(), "2.5 of 4") {
		t.Errorf("a new record is not shown: %d", w.Code)
	}
	none := report.NewHandler("", filepath.Join(t.TempDir(), "none"))
	w := httptest.NewRecorder()
	none.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != 503 || w.Header().Get("Refresh") == "" {
		t.Errorf("before there is a run: %d", w.Code)
	}
}
