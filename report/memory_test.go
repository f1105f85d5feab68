package report

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fasternet/configs"
	"fasternet/eval"
	"fasternet/internal/flat"
	"fasternet/internal/ramdisk"
	"fasternet/train"
)

// growing is the folder of a run that goes on, with the data set of its mistakes.
type growing struct {
	t      *testing.T
	dir    string
	epochs int
}

const growingImages = 400

func newGrowing(t *testing.T, epochs int) *growing {
	t.Helper()
	g := &growing{t: t, dir: filepath.Join(ramdisk.Dir(t), "run")}
	data := t.TempDir()
	idx := func(name string, values []byte, dims ...uint32) {
		head := []byte{0, 0, 8, byte(len(dims))}
		for _, d := range dims {
			head = binary.BigEndian.AppendUint32(head, d)
		}
		if err := os.WriteFile(filepath.Join(data, name), append(head, values...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	labels, pixels := make([]byte, growingImages), make([]byte, growingImages*28*28)
	for i := range labels {
		labels[i] = byte(i % 10)
	}
	for i := range pixels {
		pixels[i] = byte(i * (i/784 + 3))
	}
	for _, part := range []string{"train", "t10k"} {
		idx(part+"-labels-idx1-ubyte", labels, growingImages)
		idx(part+"-images-idx3-ubyte", pixels, growingImages, 28, 28)
	}
	c, err := configs.Load("quickstart", "data.dir="+data, "train.epochs=100000")
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	g.append(train.ConfigFile, string(text))
	g.log(epochs)
	return g
}

func (g *growing) append(name, text string) {
	g.t.Helper()
	f, err := os.OpenFile(filepath.Join(g.dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		g.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		g.t.Fatal(err)
	}
}

// epoch adds an epoch with four records and an evaluation. Its mistakes differ every time.
func (g *growing) epoch() {
	g.t.Helper()
	g.log(1)
	e := train.Evaluation{
		Epoch:  g.epochs - 1,
		Report: eval.Report{Result: eval.Result{Top1: 50, Count: growingImages}, Confusion: eval.NewConfusion(10)},
	}
	for k := range 10 {
		e.Classes = append(e.Classes, fmt.Sprint("class ", k))
		e.Confusion.Add(k, (k+1)%10)
	}
	for k := range train.Mistakes {
		i := (g.epochs*train.Mistakes + k) % growingImages
		e.Mistakes = append(e.Mistakes, eval.Mistake{
			Index:      i,
			Name:       fmt.Sprintf("t10k-images-idx3-ubyte[%d]", i),
			Label:      1,
			Answer:     2,
			Confidence: 0.9,
		})
	}
	if err := (&train.Folder{Dir: g.dir}).WriteEvaluation(e); err != nil {
		g.t.Fatal(err)
	}
}

// log adds the log of some epochs, each better than the one before it.
func (g *growing) log(epochs int) {
	g.t.Helper()
	var log, summary strings.Builder
	for range epochs {
		for step := 10; step <= 40; step += 10 {
			at := 40*g.epochs + step
			fmt.Fprintf(&log, `{"kind":"step","epoch":%d,"step":%d,"batches":%d,"loss":%.4f,"lr":0.1,`+
				`"grad_norm":%.3f,"img_per_s":100,"data_s":0.05,"memory_mb":%d,"seconds":%d}`+"\n",
				g.epochs, step, at, 1+1/float64(at), 2+float64(at%7), 100+at/10%5, at)
		}
		at, top1 := 40*g.epochs+40, 50+float64(g.epochs)/1e4
		fmt.Fprintf(&log, `{"kind":"epoch","epoch":%d,"batches":%d,"loss":1.5,"lr":0.1,"top1":%.4f,`+
			`"top5":90,"eval_loss":1.25,"seconds":%d}`+"\n",
			g.epochs, at, top1, at)
		fmt.Fprintf(&summary, "%d,1.5,1.25,%.4f,90,0.1\n", g.epochs, top1)
		g.epochs++
	}
	g.append(train.LogFile, log.String())
	g.append(train.SummaryFile, summary.String())
}

// A live page that is read in every epoch of a long run holds only the page, and nothing
// that grows.
func TestMemoryOfLivePage(t *testing.T) {
	g := newGrowing(t, 600)
	h := NewHandler("", g.dir)
	now := time.Now()
	h.now = func() time.Time { return now }
	const rounds = 50
	watch := flat.New(t, rounds)
	before := ""
	for range rounds {
		g.epoch()
		now = now.Add(time.Minute)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/content", nil))
		if tag := w.Header().Get("ETag"); w.Code != http.StatusOK || tag == before {
			t.Fatalf("status %d, tag %s as before", w.Code, tag)
		} else {
			before = tag
		}
		watch.Round()
	}
	watch.Check()
	if n := len(h.albums); n != 1 {
		t.Errorf("%d data sets are open", n)
	}
	for _, a := range h.albums {
		if n := len(a.shown); n != train.Mistakes {
			t.Errorf("%d pictures are kept, %d are shown", n, train.Mistakes)
		}
	}
}

func TestMemoryOfReports(t *testing.T) {
	g := newGrowing(t, 20)
	const rounds = 40
	watch := flat.New(t, rounds)
	for range rounds {
		r, err := Load(g.dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := Write(filepath.Join(g.dir, "report.html"), r); err != nil {
			t.Fatal(err)
		}
		watch.Round()
	}
	watch.Check()
}

// The report of a log of any length holds a limited number of records, and the figures of the
// whole run stay the same.
func TestLongLog(t *testing.T) {
	g := newGrowing(t, 3*kept/4)
	r, err := Load(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.Steps); n > kept || n < kept/2 {
		t.Errorf("%d step records of %d, want at most %d", n, 4*g.epochs, kept)
	}
	last := r.Steps[len(r.Steps)-1]
	if want := 40 * g.epochs; last.Batches != want || last.Loss > 1+1/float64(want-100) || last.Loss < 1 {
		t.Errorf("the last record is of batch %d with loss %v, want batch %d", last.Batches, last.Loss, want)
	}
	speed, waited := r.pace()
	images := float64(40 * g.epochs * r.Config.Train.BatchSize)
	waiting := 4 * float64(g.epochs) * 0.05 * 100 / images
	if speed < 99.99 || speed > 100.01 || waited < 0.99*waiting || waited > 1.01*waiting {
		t.Errorf("%v images/s, waited for %v of the time: want 100 and %v", speed, waited, waiting)
	}
	norm, memory := 0.0, 0.0
	for _, s := range r.Steps {
		norm, memory = max(norm, s.GradNorm), max(memory, s.Memory)
	}
	if norm != 8 || memory != 104 {
		t.Errorf("largest gradient norm %v and memory %v, want 8 and 104", norm, memory)
	}
	if took := r.took(); took != time.Duration(40*g.epochs)*time.Second {
		t.Errorf("took %v", took)
	}
	v, err := newView(albums{}, r, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	shown := len(v.Table)
	if shown > rows+2 || shown < rows/2 ||
		!v.Table[shown-1].Best ||
		v.Table[shown-1].Epoch != g.epochs ||
		v.EveryEpoch != 3 {
		t.Errorf("%d of %d epochs are listed, every %d", shown, g.epochs, v.EveryEpoch)
	}
}

// Records of two processes are not merged: the times of both count.
func TestMergingKeepsProcessesApart(t *testing.T) {
	var h history
	for i := range 3 * kept {
		h.add(train.Record{Kind: train.StepRecord, Batches: i + 1, Seconds: float64(i % 2000), Loss: 1})
	}
	r := Run{Steps: h.steps}
	if got, want := r.took(), 3*1999*time.Second; got != want {
		t.Errorf("took %v, want %v", got, want)
	}
}
