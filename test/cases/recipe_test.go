package cases

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// One command turns a folder of images into a model, a report and an export within its time. Reported: a
// preset on a few hundred images makes one step per epoch, and its learning rate is for other batches.
func TestTrainWithoutPreset(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	for c, class := range []string{"ant", "bee", "cat"} { // without a validation part, and uneven
		for i := range []int{20, 60, 120}[c] {
			f.write(fmt.Sprintf("photos/%s/%03d.png", class, i), pngBytes(t, noise(36, 40, c, i)))
		}
	}
	var out outcome
	var budget string
	for _, budget = range []string{"12s", "1m", "5m"} { // a slow or busy machine needs more time
		if err := os.RemoveAll(f.file("runs")); err != nil {
			t.Fatal(err)
		}
		limit, err := time.ParseDuration(budget)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		out = f.run("train", "--data", "photos", "--budget", budget, "--set", "threads=1",
			"--set", "augment.hflip=0")
		took := time.Since(began)
		if out.code == 2 {
			out.says("too short")
			continue
		}
		top1, _ := out.exits(0).json()["top1"].(float64)
		if top1 >= 60 && took <= 2*limit {
			break
		}
		t.Logf("a budget of %s took %v, and three colours are told apart in %v %% of the images", budget, took, top1)
		out.code = -1
	}
	out.exits(0)
	out.says("recipe: FasterNet", "held out", "report: runs/photos/report.html")
	text := string(f.read("runs/photos/config.yaml"))
	for _, w := range []string{
		"# A recipe for photos", "val_fraction: 0.2", "# given\n  hflip: 0\n", "budget: " + budget, "warmup_epochs",
	} {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
	f.run("eval", "--model", "runs/photos/model.safetensors", "--data", "photos",
		"--set", "data.val_fraction=0.2").exits(0)
	f.run("config", "check", "runs/photos/config.yaml").exits(0).says("no problem found")
	// The recipe is finished, and keeps its comments. Like any configuration, it can make another run.
	f.run("train", "--data", "photos", "--resume").exits(0)
	if string(f.read("runs/photos/config.yaml")) != text {
		t.Error("a resumed run has lost the comments of its configuration")
	}
	f.run("train", "--data", "photos", "--budget", "10s").exits(1).says("already has a run")
	f.run("train", "runs/photos/config.yaml", "--run", "second", "--set", "train.budget=",
		"--set", "train.epochs=1", "--set", "sched.warmup_epochs=0").exits(0)
}

// If no recipe can be made, there is one line, and no file is left.
func TestTrainWithoutPresetRefuses(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.write("empty/readme.txt", []byte("nothing"))
	f.write("bare/a/readme.txt", []byte("nothing"))
	f.write("one/cat/1.png", pngBytes(t, noise(40, 40, 0, 1)))
	f.write("one/cat/2.png", pngBytes(t, noise(40, 40, 0, 2)))
	for i := range 20 {
		f.write(fmt.Sprintf("broken/cat/%d.png", i), []byte("no image"))
		f.write(fmt.Sprintf("broken/dog/%d.png", i), []byte("no image"))
	}
	f.write("file.png", pngBytes(t, noise(40, 40, 0, 1)))
	for _, class := range []string{"a", "b"} {
		f.write("phone/"+class+"/1.heic", []byte("\x00\x00\x00\x1cftypheic"))
	}
	f.write("photos.zip", []byte("PK\x03\x04"))
	f.imageFolders("packed/photos", []string{"a", "b"}, 4, 2)
	f.imageFolders("good", []string{"a", "b"}, 20, 4)
	f.imageFolders("untrained", []string{"a", "b"}, 20, 4)
	f.write("untrained/val/c/1.png", pngBytes(t, noise(40, 40, 2, 1)))
	for c, class := range []string{"a", "b", "c"} {
		f.write("single/"+class+"/1.png", pngBytes(t, noise(40, 40, c, 1)))
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no folder", []string{"--data", "nowhere"}, 1, "folder nowhere does not exist"},
		{"a file", []string{"--data", "file.png"}, 1, "is a file"},
		{
			"pictures of a phone", []string{"--data", "phone"}, 1,
			"in this class folder (the .heic file is an image in a format that is not supported; convert it",
		},
		{"an archive", []string{"--data", "photos.zip"}, 1, "unpack the archive first"},
		{
			"a folder in a folder", []string{"--data", "packed"}, 1,
			`perhaps you mean the folder packed/photos, which has the folders "train", "val"`,
		},
		{"no classes", []string{"--data", "empty"}, 1, "empty"},
		{"no images", []string{"--data", "bare"}, 1, "bare/a: no images"},
		{"one class", []string{"--data", "one"}, 1, "one class"},
		{"a class in the validation part alone", []string{"--data", "untrained"}, 1, `"c"`},
		{
			"one image per class", []string{"--data", "single"}, 1,
			"single: no image can be held out for validation: each class has only one image",
		},
		{"broken images", []string{"--data", "broken"}, 1, "broken"},
		{"no time", []string{"--data", "good", "--budget", "1ms"}, 2, "too short"},
		{"little time", []string{"--data", "good", "--budget", "1501ms"}, 2, "too short"},
		{"no budget", []string{"--data", "good", "--budget", "30"}, 2, "want a time such as"},
		{"no such task", []string{"--data", "good", "--task", "detect"}, 2, "classify or localmim"},
		{"several labels", []string{"--data", "good", "--task", "multilabel"}, 2, "names the list of labels"},
		{"no such setting", []string{"--data", "good", "--set", "train.epoch=3"}, 2, "did you mean epochs"},
		{"neither", nil, 2, "--data FOLDER"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := folder{t, f.path}
			out := g.run(append([]string{"train"}, c.args...)...).exits(c.code).says(c.says)
			if lines := strings.Count(strings.TrimSpace(out.stderr), "\n"); lines > 2 {
				t.Errorf("%d lines:\n%s", lines, out.stderr)
			}
			if _, err := os.Stat(g.file("runs")); err == nil {
				t.Error("it has left runs")
			}
		})
	}
}

// A preset warns if it gets too few images, and says what to set.
func TestPresetMeetsFewImages(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.imageFolders("good", []string{"a", "b"}, 70, 4)
	f.write("small.yaml",
		[]byte("base: fasternet_t0\nmodel: {embed_dim: 8, depths: [1, 1], feature_dim: 32, num_classes: 0}\ndata: "+
			"{dir: good, image_size: 32, multi_scale: \"\"}\ntrain: {epochs: 1}\nsched: {warmup_epochs: 0}\nlog: "+
			"{tensorboard: false}\n"))
	f.run("train", "small.yaml", "--run", "one").exits(0).
		says("make only 1 step per epoch", "train.batch_size=64 train.accum_steps=1", "optim.lr=0.0005",
			"train --data FOLDER")
	f.run("train", "small.yaml", "--run", "two", "--set", "train.batch_size=64").exits(0).says("steps of 2048 images").
		hides("to optim.lr=0.0028")
	f.run("train", "small.yaml", "--run", "three", "--set", "train.batch_size=8",
		"--set", "train.accum_steps=1").exits(0).
		hides("with steps of")
}
