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
	"time"

	"fasternet/configs"
	"fasternet/internal/localhttp"
	"fasternet/report"
	"fasternet/train"
)

// stripes writes a data set in the format of Fashion-MNIST, of stripes that are not
// all easy to tell.
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
mim: {taps: [1, 2], scales: [2, 1], decoder_dim: 16, decoder_heads: 2, target: hog, nbins: 9, mask_ratio: 0.75, picture_interval: 1}
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
	if _, err := train.Run(context.Background(), c, train.Options{Dir: dir, Log: io.Discard, Program: "test"}); err != nil {
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
	}{{"classifier", []*report.Run{first}}, {"pretraining", []*report.Run{masked}}, {"compared", []*report.Run{first, second, masked}}} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name+".html")
			if err := report.Write(path, c.runs...); err != nil {
				t.Fatal(err)
			}
			checkPage(t, path, c.name)
		})
	}
}

// Pages that the user names.
func TestPages(t *testing.T) {
	if *pages == "" {
		t.Skip("no -pages")
	}
	for i, path := range strings.Split(*pages, ",") {
		checkPage(t, path, fmt.Sprintf("page%d", i+1))
	}
}

// The live page grows with a run, without being loaded again, and says when it is not
// served any more.
func TestLive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "live")
	c := config(t, classifier, stripes(t), "train.epochs=400")
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
	for range 600 { // until there is something to see
		if r, err := report.Load(dir); err == nil && len(r.Scores) > 1 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	ctx, w := tab(t, server.URL())
	epoch := `+document.querySelector(".tiles").textContent.match(/([0-9.]+) of 400/)[1]`
	before := eval[float64](t, ctx, epoch)
	eval[bool](t, ctx, `window.same = document.querySelector("details").open = true`)
	wait(t, ctx, fmt.Sprintf(`%s > %v && document.getElementById("live").textContent === "live"`, epoch, before))
	look(t, ctx, "live")
	if !eval[bool](t, ctx, `window.same === true`) {
		t.Error("the page was loaded again")
	}
	if !eval[bool](t, ctx, `document.querySelector("details").open`) {
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
