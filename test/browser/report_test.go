package browser_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/configs"
	evaluation "fasternet/eval"
	"fasternet/internal/localhttp"
	"fasternet/internal/patience"
	"fasternet/report"
	"fasternet/train"
)

// stripes writes a data set in the format of Fashion-MNIST. Some of its stripes are hard to tell
// apart.
func stripes(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		n    int
	}{{"train", 240}, {"t10k", 80}} {
		images, labels := make([]byte, c.n*28*28), make([]byte, c.n)
		for i := range c.n {
			class := i * 7 % 10
			labels[i] = byte(class)
			for p := range 784 {
				at := p % 28
				if class >= 5 {
					at = p / 28
				}
				if (at+i)%4 < 2 {
					images[i*784+p] = byte(50 + 30*(class%5) + (p*i)%60)
				}
			}
		}
		for _, test := range []struct {
			file    string
			content []byte
		}{{"images-idx3", idx(images, c.n, 28, 28)}, {"labels-idx1", idx(labels, c.n)}} {
			if err := os.WriteFile(filepath.Join(dir, c.name+"-"+test.file+"-ubyte"), test.content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func idx(values []byte, shape ...int) []byte {
	b := []byte{0, 0, 8, byte(len(shape))}
	for _, n := range shape {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	return append(b, values...)
}

const classifier = `
model: {embed_dim: 8, depths: [1, 1], feature_dim: 16, patch_size: 2, patch_stride: 2, in_chans: 1, init_std: 0.1}
data: {name: fashion-mnist, image_size: 32, mean: [0.3], std: [0.3], workers: 1}
augment: {padding: 1, hflip: 0}
optim: {lr: 0.01}
sched: {form: localmim, warmup_epochs: 1, min_lr: 0}
train: {epochs: 6, batch_size: 8, val_batch_size: 40, log_interval: 4}
`

const pretraining = `
task: localmim
model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, mlp_ratio: 2, patch_size: 4, in_chans: 1}
mim:
  {taps: [1, 2], scales: [2, 1], decoder_dim: 16, decoder_heads: 2, target: hog, nbins: 9, mask_ratio: 0.75,
   picture_interval: 1}
data: {name: fashion-mnist, image_size: 32, mean: [0.3], std: [0.3], workers: 1}
sched: {form: localmim, warmup_epochs: 1}
train: {epochs: 3, batch_size: 24, val_batch_size: 40, log_interval: 2}
`

func config(t *testing.T, text, data string, settings ...string) *configs.Config {
	t.Helper()
	c, err := configs.Parse("test.yaml", text, append(settings, "data.dir="+data)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func trained(t *testing.T, c *configs.Config, dir string) *report.Run {
	t.Helper()
	options := train.Options{Dir: dir, Log: io.Discard, Program: "test"}
	if _, err := train.Run(context.Background(), c, options); err != nil {
		t.Fatal(err)
	}
	r, err := report.Load(dir)
	if err == nil {
		err = r.Examine(context.Background(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReports(t *testing.T) {
	data, dir := stripes(t), t.TempDir()
	first := trained(t, config(t, classifier, data), filepath.Join(dir, "first"))
	second := trained(t, config(t, classifier, data, "optim.lr=1e-3"), filepath.Join(dir, "second"))
	masked := trained(t, config(t, pretraining, data), filepath.Join(dir, "masked"))
	for _, c := range []struct {
		name string
		runs []*report.Run
	}{
		{"classifier", []*report.Run{first}},
		{"pretraining", []*report.Run{masked}},
		{"compared", []*report.Run{first, second, masked}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name+".html")
			if err := report.Write(path, c.runs...); err != nil {
				t.Fatal(err)
			}
			checkPage(t, path, c.name)
		})
	}
}

// A reader can use charts and runs by pointer and by keyboard.
func TestCharts(t *testing.T) {
	data, dir := stripes(t), t.TempDir()
	first := trained(t, config(t, classifier, data), filepath.Join(dir, "first"))
	second := trained(t, config(t, classifier, data, "optim.lr=1e-5"), filepath.Join(dir, "second"))
	path := filepath.Join(dir, "compared.html")
	if err := report.Write(path, first, second); err != nil {
		t.Fatal(err)
	}
	ctx, w := tab(t, fileURL(t, path))
	const chart = `document.querySelector('.chart[data-title="Training loss"]')`
	is := func(what, expression string) {
		t.Helper()
		if !eval[bool](t, ctx, expression) {
			t.Errorf("not so: %s", what)
		}
	}
	run := func(script string) {
		t.Helper()
		eval[bool](t, ctx, script+"; true")
	}
	ends := `[...` + chart + `.querySelectorAll(".x span")].map((e) => +e.textContent)`
	is("two curves", chart+`.querySelectorAll("path").length === 2`)
	run(`window.before = ` + chart + `.querySelector("path").getAttribute("d")`)

	run(chart + `.querySelector(".log").click()`)
	is("a logarithmic axis by choice",
		chart+`.querySelector("path").getAttribute("d") !== before && `+chart+
			`.querySelector(".log").getAttribute("aria-pressed") === "true"`)
	run(chart + `.querySelector(".log").click()`)

	run(`window.at = (type, share) => { const area = ` + chart +
		`.querySelector(".area"), box = area.getBoundingClientRect();
		area.dispatchEvent(new PointerEvent(type, {
			bubbles: true, button: 0, pointerType: "mouse",
			clientX: box.left + share * box.width, clientY: box.top + 5})); }`)
	run(`at("pointerdown", 0.5); at("pointermove", 0.9)`)
	is("a band while one drags", `!`+chart+`.querySelector(".band").hidden`)
	run(`at("pointerup", 0.9)`)
	is("zoomed to the second half",
		`!`+chart+`.querySelector(".whole").hidden && Math.min(...`+ends+`) >= 3 && Math.max(...`+ends+`) <= 5.4`)
	run(chart + `.querySelector(".area").dispatchEvent(new KeyboardEvent("keydown", {key: "Escape", bubbles: true}))`)
	is("the whole again",
		chart+`.querySelector(".whole").hidden && Math.min(...`+ends+`) === 0 && Math.max(...`+ends+`) === 6`)
	run(chart + `.querySelector(".area").` +
		`dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft", bubbles: true}))`)
	is("a value by the keyboard",
		chart+`.querySelector(".tip").textContent.startsWith("epoch ") && !`+chart+
			`.querySelector(".tip").hidden && `+chart+`.querySelector(".area").tabIndex === 0`)

	run(`const axis = document.querySelector(".axis"); axis.value = "1"; ` +
		`axis.dispatchEvent(new Event("input", {bubbles: true}))`)
	is("steps", chart+`.querySelector(".unit").textContent === "steps" && Math.max(...`+ends+`) > 100`)
	run(`axis.value = "2"; axis.dispatchEvent(new Event("input", {bubbles: true}))`)
	is("time", chart+`.querySelector(".unit").textContent === "seconds"`)
	run(`axis.value = "0"; axis.dispatchEvent(new Event("input", {bubbles: true}))`)

	run(`const smooth = document.querySelector(".smooth"); smooth.value = "0.9"; ` +
		`smooth.dispatchEvent(new Event("input", {bubbles: true}))`)
	is("smooth curves over the raw curves",
		chart+`.querySelectorAll("path.raw").length === 2 && `+chart+`.querySelectorAll("path").length === 4`)
	run(`smooth.value = "0"; smooth.dispatchEvent(new Event("input", {bubbles: true}))`)

	losses := `[...document.querySelectorAll(".compared tbody tr")].map((e) => +e.cells[2].dataset.value)`
	run(`window.column = [...document.querySelectorAll(".compared thead button")].` +
		`find((e) => e.textContent === "validation loss"); column.click()`)
	is("the smaller loss first",
		`((l) => l[0] < l[1])(`+losses+`) && column.closest("th").getAttribute("aria-sort") === "ascending"`)
	run(`column.click()`)
	is("the larger loss first",
		`((l) => l[0] > l[1])(`+losses+`) && column.closest("th").getAttribute("aria-sort") === "descending"`)
	run(`document.querySelector('.pick input[data-run="2"]').click()`)
	is("a run that is hidden",
		chart+`.querySelectorAll("path").length === 1 && document.querySelector('.settings [data-of="2"]').hidden `+
			`&& !document.querySelector('.settings [data-of="1"]').hidden`)
	run(`document.querySelector('.every[data-show="no"]').click()`)
	is("no run", chart+`.querySelectorAll("path").length === 0`)
	run(`document.querySelector('.every[data-show="yes"]').click()`)
	is("all runs", chart+`.querySelectorAll("path").length === 2`)

	is("heat maps over images of ten classes, right and wrong",
		`document.querySelectorAll("#run1 .looks figure").length >= 10 && `+
			`document.querySelectorAll("#run1 .looks .heat").length >= 10`)
	is("every picture has a text",
		`[...document.images].every((e) => e.alt) && `+
			`[...document.querySelectorAll("svg")].every((e) => e.getAttribute("aria-label"))`)
	is("file names next to mistakes",
		`[...document.querySelectorAll("#run1 .mistakes .file")].every((e) => /t10k/.test(e.textContent))`)
	w.check(t)
}

// Matrices of few, of more and of many classes, with hostile names.
func TestMatrices(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	trained(t, config(t, classifier, stripes(t), "train.epochs=1", "sched.warmup_epochs=0"), dir)
	for _, classes := range []int{2, 65, 1000} {
		t.Run(fmt.Sprint(classes), func(t *testing.T) {
			e := train.Evaluation{Epoch: 0, Report: evaluation.Report{Confusion: evaluation.NewConfusion(classes)}}
			for k := range classes {
				e.Classes = append(e.Classes, fmt.Sprintf("<script>alert(%d)</script>'\"&`, class %d", k, k))
				for i := range 20 {
					switch {
					case i < 15:
						e.Confusion.Add(k, k)
					case i < 19:
						e.Confusion.Add(k, (k+classes/2)%classes)
					default:
						e.Confusion.Add(k, (k*7+3)%classes)
					}
				}
			}
			e.Count, e.Top1 = 20*classes, 75
			e.LabelIssues = &evaluation.LabelIssues{
				Count:  1,
				Listed: []evaluation.LabelIssue{{Name: `<img src=x onerror=alert(1)>"'.png`, Label: 0, Suggested: 1}},
			}
			if err := (&train.Folder{Dir: dir}).WriteEvaluation(e); err != nil {
				t.Fatal(err)
			}
			r, err := report.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "page.html")
			if err := report.Write(path, r); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); err != nil || info.Size() > 2e6 {
				t.Errorf("a page of %d bytes, %v", info.Size(), err)
			}
			ctx, w := tab(t, fileURL(t, path))
			look(t, ctx, fmt.Sprint("classes", classes))
			want := `document.querySelectorAll(".confusion td.hit").length === 2`
			switch classes {
			case 65:
				want = `document.querySelectorAll(".map rect.hit").length === 65 && ` +
					`document.querySelectorAll(".map text").length === 130`
			case 1000:
				want = `(() => { const m = document.querySelector(".matrix"), box = m.getBoundingClientRect();
					m.dispatchEvent(new PointerEvent("pointermove", {
						bubbles: true,
						clientX: box.left + 0.25 / 1000 * box.width, clientY: box.top + 0.25 / 1000 * box.height}));
					return /, recognised: 15 of 20$/.test(document.querySelector(".told").textContent); })()`
			}
			if !eval[bool](t, ctx, want) {
				t.Errorf("not so: %s", want)
			}
			w.check(t)
		})
	}
}

// Checks the pages that the user names.
func TestPages(t *testing.T) {
	if *pages == "" {
		t.Skip("no -pages")
	}
	for i, path := range strings.Split(*pages, ",") {
		checkPage(t, path, fmt.Sprintf("page%d", i+1))
	}
}

// The live page grows with a run without being loaded again, and says when it is no longer served.
func TestLive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "live")
	c := config(t, classifier, stripes(t), "train.epochs=100000") // more than can end before it is stopped
	handler := report.NewHandler("", dir)
	server, err := localhttp.Start("127.0.0.1:0", handler)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := train.Run(running, c, train.Options{Dir: dir, Log: io.Discard})
		ended <- err
	}()
	defer stop()
	patience.Until(t, "there is something to see", func() bool {
		r, err := report.Load(dir)
		return err == nil && len(r.Scores) > 1
	})
	ctx, w := tab(t, server.URL())
	epoch := `+document.querySelector(".tiles").textContent.match(/([0-9.,]+) of 100,000/)[1].replaceAll(",", "")`
	before := eval[float64](t, ctx, epoch)
	eval[bool](t, ctx, `window.same = document.querySelector("details[id$=settings]").open = true`)
	wait(t, ctx, fmt.Sprintf(`%s > %v && document.getElementById("live").textContent === "live"`, epoch, before))
	look(t, ctx, "live")
	if !eval[bool](t, ctx, `window.same === true`) {
		t.Error("the page was loaded again")
	}
	if !eval[bool](t, ctx, `document.querySelector("details[id$=settings]").open`) {
		t.Error("what was open is closed")
	}
	w.check(t)
	stop()
	if err := <-ended; err == nil {
		t.Error("the run was not interrupted")
	}
	handler.Finish()
	wait(t, ctx, `document.querySelector(".state").textContent === "interrupted"`)
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	wait(t, ctx, `document.getElementById("live").className === "lost"`)
}
