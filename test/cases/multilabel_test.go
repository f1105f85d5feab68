package cases

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// labelled writes images whose labels are the colours in them, and a table for each part with ; between
// the labels. An image shows none, one or two of three colours.
func (f folder) labelled(root string, train, val int) {
	f.t.Helper()
	shows := [][]int{{0}, {0, 1}, {}, {1}, {0, 2}, {0}, {1}, {0, 1}}
	names := []string{"red", "green", "blue"}
	for part, n := range map[string]int{"train": train, "val": val} {
		var table strings.Builder
		table.WriteString("filename,labels\n")
		for i := range n {
			seed := i + 1000*len(part)
			img := noise(32, 32, 4, seed)
			var labels []string
			for k, c := range shows[i%len(shows)] {
				patch := noise(12, 12, c, seed)
				for y := range 12 {
					for x := range 12 {
						img.Set(2+16*k+x, 4+y, patch.At(x, y))
					}
				}
				labels = append(labels, names[c])
			}
			name := fmt.Sprintf("img/%s%03d.png", part, i)
			f.write(root+"/"+name, pngBytes(f.t, img))
			fmt.Fprintf(&table, "%s,%s\n", name, strings.Join(labels, ";"))
		}
		f.write(root+"/"+part+".csv", []byte(table.String()))
	}
}

// several writes the configuration of a small model for such images.
func (f folder) several(name, more string) {
	f.t.Helper()
	f.write(name, []byte("task: multilabel\nmodel: "+tinyFasterNet+`
data: {name: annotations, dir: base, image_size: 32, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], sampling: balanced}
augment: {scale: [0.8, 1], mixup: 0.2}
optim: {lr: 3e-3}
sched: {warmup_epochs: 0}
train: {epochs: 4, batch_size: 8}
checkpoint: {every_steps: 3}
log: {tensorboard: false}
`+more))
}

// Images with several labels are trained, measured, exported and named, with a threshold for each
// label; a stopped run resumes to the same bits.
func TestMultiLabelJourney(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.labelled("base", 64, 24)
	f.several("mine.yaml", "loss: {name: asl, class_weights: sqrt}\n")
	out := f.run("train", "mine.yaml", "--run", "a").exits(0).
		says("labels per training image", "balanced sampling, 64 draws an epoch", "class weights from", "mAP",
			"macro F1").json()
	if m, ok := out["map"].(float64); !ok || m < 50 || m > 100 || out["top1"] != nil {
		t.Errorf("map is %v, top1 %v", out["map"], out["top1"])
	}

	f.run("train", "mine.yaml", "--run", "b", "--max-hours", "1e-9").exits(143)
	f.run("train", "mine.yaml", "--run", "b", "--resume", "--set", "data.workers=1", "--max-hours", "1e-9").exits(143)
	f.run("train", "mine.yaml", "--run", "b", "--resume").exits(0)
	if !bytes.Equal(f.read("a/checkpoints/last.safetensors"), f.read("b/checkpoints/last.safetensors")) {
		t.Error("a run that was stopped twice ends with other bits")
	}

	want := f.run("eval", "--model", "a", "--confusion", "labels.csv", "--results-file", "results.json").exits(0).
		says("average precision", "best F1 of each label").json()
	if want["map"] != out["map"] || want["count"] != 24.0 || want["task"] != "multilabel" {
		t.Errorf("eval: %v, train: %v", want, out)
	}
	if text := string(f.read("labels.csv")); !strings.HasPrefix(text, "label,true_positives,") ||
		strings.Count(text, "\n") != 4 {
		t.Errorf("tables of the labels:\n%s", text)
	}
	if text := string(f.read("results.json")); !strings.Contains(text, `"average_precision"`) ||
		strings.Contains(text, "top1") {
		t.Errorf("results:\n%s", text)
	}
	guesses := f.run("predict", "base/img/val000.png", "base/img/val001.png", "--model", "a",
		"--format", "csv").exits(0).stdout
	for _, file := range []string{"a.onnx", "a.safetensors"} {
		f.run("export", "--model", "a", "--out", file).exits(0)
		if text := string(f.read(file)); !strings.Contains(text, "thresholds") ||
			!strings.Contains(text, "multilabel") {
			t.Errorf("%s has no task or thresholds", file)
		}
		got := f.run("eval", "--model", file, "--data", "base").exits(0).json()
		if got["map"] != want["map"] || got["f1_macro"] != want["f1_macro"] {
			t.Errorf("%s: %v, want %v", file, got, want)
		}
		if text := f.run("predict", "base/img/val000.png", "base/img/val001.png", "--model", file,
			"--format", "csv").exits(0).stdout; strings.Count(text,
			"\n") != strings.Count(guesses, "\n") {
			t.Errorf("%s predicts\n%swant\n%s", file, text, guesses)
		}
	}
	eight := f.run("export", "--model", "a", "--out", "a8.onnx", "--int8", "--max-loss", "5").exits(0).
		says("mAP on 24 validation images").json()
	got := f.run("eval", "--model", "a8.onnx", "--data", "base").exits(0).json()
	if eight["map_float32"] != want["map"] || eight["map_int8"] != got["map"] || eight["top1_int8"] != nil {
		t.Errorf("int8: %v; eval of the file: %v, of the run: %v", eight, got, want)
	}
	all := f.run("predict", "base/img/val000.png", "--model", "a", "--threshold", "0",
		"--format", "csv").exits(0).stdout
	if strings.Count(all, "\n") != 4 || !strings.Contains(all, "green") {
		t.Errorf("of a threshold of 0:\n%s", all)
	}
	f.run("predict", "base/img/val000.png", "--model", "a", "--threshold", "1", "--format", "table").exits(0).
		says("(no label)")
	f.run("predict", "base/img/val000.png", "--model", "a", "--threshold", "rod=0.2").exits(2).
		says(`no label "rod", did you mean "red"?`)
	f.run("predict", "base/img/val000.png", "--model", "a", "--threshold", "1.5").exits(2).
		says("want a probability from 0 to 1, got 1.5")
	f.run("predict", "base/img/val000.png", "--model", "a", "--topk", "2").exits(2).
		says("lists the labels that reach their thresholds")

	// Checks another task with the same encoder, and options that are only for one label.
	f.several("next.yaml", "from: a\n")
	f.run("train", "next.yaml", "--run", "c", "--set", "train.epochs=1").exits(0).says("mAP")
	f.run("knn", "--model", "a").exits(2).says("knn needs one label per image")
	f.run("linprobe", "--model", "a").exits(2).says("linprobe needs one label per image")
	f.run("features", "base/img/val000.png", "--model", "a", "--out", "features.safetensors").exits(0)
	f.run("eval", "--model", "a", "--confusion", "matrix.png").exits(2).says("each label has its own table")
	f.run("convert", "a", "folder", "--naming", "timm").exits(1).says("its task is multilabel")
	f.run("data", "info", "mine.yaml").exits(0).says("any number of labels", "have none")
	f.run("data", "verify", "mine.yaml").exits(0)
	f.run("data", "browse", "mine.yaml", "--out", "samples.html").exits(0)
	f.run("data", "pack", "mine.yaml", "--out", "packed").exits(1).
		says("a packed data set has one label for each image")
	f.run("data", "shard", "mine.yaml", "--out", "shards").exits(0)
	f.run("eval", "--model", "a", "--data", "shards", "--set", "data.name=shards").exits(0).
		says(fmt.Sprintf(`"map":%v`, want["map"]))
	f.run("verify", "a", "a.onnx").exits(0)
	f.run("report", "a", "--out", "report.html").exits(0)
	if text := string(f.read("report.html")); !strings.Contains(text, "mean average precision") {
		t.Error("the report has no mean average precision")
	}
}

// Faults of images with several labels give one line, before anything is written.
func TestMultiLabelBadInput(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.labelled("base", 8, 8)
	f.several("mine.yaml", "")
	table := string(f.read("base/train.csv"))
	for _, c := range []struct{ name, from, to, want string }{
		{"an unknown file", "train001.png", "train901.png", "base/train.csv:3: there is no file"},
		{"a real number", "train001.png,red;green", "train001.png,0.25",
			"regression (predicting numbers) is not supported"},
		{"listed twice", "train001.png", "train000.png", "is listed twice, with labels"},
		{"only numbers of classes that do not exist", "red", "7", ""},
	} {
		if c.want == "" {
			continue
		}
		f.write("base/train.csv", []byte(strings.Replace(table, c.from, c.to, 1)))
		out := f.run("train", "mine.yaml", "--run", "bad").exits(1).says(c.want)
		if n := strings.Count(strings.TrimSpace(out.stderr), "\n"); n != 0 {
			t.Errorf("%s: %d lines\n%s", c.name, n+1, out.stderr)
		}
		f.run("config", "check", "mine.yaml").says(c.want)
	}
	f.write("base/train.csv", []byte(table))
	f.write("base/val.csv", []byte("filename,labels\nimg/val000.png,zebra\n"))
	f.run("train", "mine.yaml", "--run", "bad").exits(1).says("base/val.csv:2", `label "zebra"`, "the training part")
	f.write("base/val.csv", []byte("filename,labels\nimg/val000.png,\n"))
	f.run("train", "mine.yaml", "--run", "bad").exits(1).says("none of the 1 validation images has a label")
	f.write("base/val.csv", []byte("filename,labels\nimg/val000.png,red\nimg/val001.png,\n"))
	f.run("train", "mine.yaml", "--run", "bad", "--set", "loss.class_weights.rod=2").exits(1).
		says(`loss.class_weights: there is no class "rod", did you mean "red"?`)
	f.run("config", "check", "mine.yaml", "--set", "loss.class_weights.rod=2").says(`there is no class "rod"`)
	f.run("train", "mine.yaml", "--run", "bad", "--set", "loss.class_weights={red: -1}").exits(2).
		says("want a number from 0 to 1e+06")
	f.run("train", "mine.yaml", "--run", "bad", "--set", "task=classify").exits(1).
		says("labels by name need data.classes")
	f.run("train", "mine.yaml", "--run", "good", "--set", "train.epochs=1").exits(0).
		says("the validation part has no images of 2 of the 3 classes")
}
