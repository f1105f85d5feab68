package cases

import (
	"strings"
	"testing"
)

// open-mmlab/mmpretrain#507: the head had a different number of classes than the folder, without a
// message.
func TestWideHead(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	wide := []string{"t.yaml", "--set", "model.num_classes=1000"}
	note := "note: the model has 1000 classes (model.num_classes), the data set 3: " +
		"the outputs of the other 997 have no images to learn from; 0 takes the number of the data set"
	f.run(append([]string{"config", "check"}, wide...)...).exits(0).says(note, "no problem found")
	f.run(append([]string{"train"}, append(wide, "--run", "run")...)...).exits(0).says(note)
	f.run("config", "check", "t.yaml").exits(0).hides("note:")
	f.run("train", "t.yaml", "--run", "right").exits(0).hides("note:")
	f.run("config", "check", "t.yaml", "--set", "model.num_classes=2").exits(1).
		says("the data set has 3 classes, the model only 2")
	f.run("config", "check", "t.yaml", "--set", "model.num_classes=1000", "--set", "data.dir=").exits(0).
		says("no data set was looked at").
		hides("the model has")
}

// config check stopped at the first fault, and never opened the data set.
func TestConfigCheckReportsAll(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 6, 4)
	f.write("base/train/cat/007.png", []byte("x"))
	f.write("base/train/cat/notes.txt", []byte("x"))
	f.write("bad.yaml", []byte(`model:
  name: fasternet
  act_layer: tanh
  num_classes: 1
  dephts: [1, 1]
data:
  dir: base
  image_size: 32
  interpolation: cubic
optim: {lr: -1, weight_decay: none}
sched: {warmup_epochs: 300}
train: {batch_size: 16}
`))
	check := f.run("config", "check", "bad.yaml").exits(2).says(
		`error: bad.yaml:3: model.act_layer: want gelu or relu, got "tanh"`,
		"error: bad.yaml:5: model.dephts: unknown key, did you mean depths?",
		`error: bad.yaml:9: data.interpolation: want bilinear or bicubic or lanczos, got "cubic"`,
		"error: bad.yaml:10: optim.lr: want a number above 0, got -1",
		`error: bad.yaml:10: optim.weight_decay: want a number, got "none"`,
		"error: bad.yaml:11: sched.warmup_epochs: want no more than train.epochs (100), got 300",
		"error: model.num_classes: the data set has 2 classes, the model only 1",
		"error: train.batch_size 16 with 13 training images",
		"base/train/cat/007.png: ",
		"note: training part: 1 file with another ending is left out: .txt 1",
	)
	lines := strings.Split(strings.TrimSpace(check.stderr), "\n")
	if len(lines) != 1 || !strings.Contains(lines[0], "bad.yaml: 9 errors; the first: ") {
		t.Errorf("the standard error is %q", check.stderr)
	}
	train := f.run("train", "bad.yaml", "--run", "run").exits(2).
		says("bad.yaml:5: model.dephts: unknown key, did you mean depths? (and 5 more; config check lists all)")
	if n := strings.Count(train.stderr, "\n"); n != 1 {
		t.Errorf("%d lines of errors: %q", n, train.stderr)
	}
	f.config("t.yaml", tinyFasterNet)
	f.run("config", "check", "t.yaml", "--set", "train.batch_size=16").exits(1).
		says("t.yaml: 2 errors; the first: ", "no batch of 16 can be made of 13 samples")
	f.run("config", "check", "t.yaml", "--data", "elsewhere").exits(0).
		says("there is no elsewhere here: the data set was not looked at", "t.yaml: no problem found")
	f.run("config", "check", "t.yaml", "--set", "data.on_bad_image=skip").exits(0).says("other images are used instead")
}
