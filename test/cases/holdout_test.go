package cases

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// heldOut returns the images that "data info" lists as held out.
func (f folder) heldOut(args ...string) map[string]bool {
	f.t.Helper()
	out := f.run(append([]string{"data", "info", "t.yaml", "--split", "val"}, args...)...).exits(0).stdout
	_, list, ok := strings.Cut(out, "held out (")
	if !ok {
		f.t.Fatalf("nothing is listed as held out:\n%s", out)
	}
	held := map[string]bool{}
	for line := range strings.Lines(list) {
		words := strings.Fields(line)
		if strings.HasPrefix(line, "  ") && len(words) == 2 && strings.HasSuffix(words[1], ".png") {
			held[words[1]] = true
		}
	}
	return held
}

// huggingface/pytorch-image-models#211: a class has no images in one part. With data.val_fraction, the
// only image of a class was missing in training.
func TestHoldOutKeepsTheOnlyImage(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 8, 0)
	f.imageFolders("base", []string{"fox"}, 1, 0)
	f.config("t.yaml", tinyFasterNet)
	for _, seed := range []string{"0", "1", "2", "3"} {
		held := f.heldOut("--set", "data.val_fraction=0.5", "--set", "data.val_seed="+seed)
		if len(held) == 0 || held["fox/000.png"] {
			t.Errorf("seed %s: held out %v", seed, held)
		}
	}
	f.run("data", "info", "t.yaml", "--split", "train", "--set", "data.val_fraction=0.99").exits(0).
		says("fox  1 image")
	f.run("train", "t.yaml", "--set", "data.val_fraction=0.5", "--set", "train.batch_size=2", "--run", "run").exits(0)
}

// A run of an older version is evaluated on the images of its own rule.
func TestOlderRunHoldsOutTheSame(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 10, 0)
	f.config("t.yaml", tinyFasterNet)
	f.run("train", "t.yaml", "--set", "data.val_fraction=0.3", "--set", "data.val_split=shuffle",
		"--run", "run").exits(0)
	note := "data.val_split is shuffle, the rule of older versions"
	f.run("eval", "--model", "run").exits(0).says("on 6 images", note)
	f.run("train", "t.yaml", "--set", "data.val_fraction=0.3", "--run", "run", "--resume").exits(1).
		says("data.val_split is grouped, but the run has shuffle", "continue with --set data.val_split=shuffle")
	f.write("base/train/cat/new.png", f.read("base/train/cat/000.png"))
	f.run("train", "--run", "run", "--resume", "--set", "train.epochs=3").exits(1).
		says("the data set has changed from 14 training and 6 validation images to 15 and 6")
}

// Copies of an image under other names were in the training part and in the validation part.
func TestHoldOutKeepsCopiesInOnePart(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 12, 0)
	for i := range 10 {
		name := fmt.Sprintf("%03d.png", i)
		f.write("base/train/cat/copy of "+name, f.read("base/train/cat/"+name))
		f.write("base/train/dog/copied_"+name, f.read("base/train/cat/"+name)) // of another class
	}
	f.config("t.yaml", tinyFasterNet)
	const leak = "the same image in training and validation"
	verify := []string{"data", "verify", "t.yaml", "--duplicates", "note", "--set", "data.val_fraction=0.4"}
	f.run(verify...).exits(0).says("the same image in two classes").hides(leak)
	f.run(append(verify, "--set", "data.val_split=hash")...).exits(0).says(leak)
	f.run("train", "t.yaml", "--set", "data.val_fraction=0.4", "--set", "train.batch_size=2", "--run", "run").exits(0).
		says("30 images have the content of others under another name: such copies stay in one part")
}

// Removing one image moved 23 of 40 held-out images into the training set.
func TestHoldOutMovesNoOtherImage(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 16, 0)
	f.config("t.yaml", tinyFasterNet)
	set := []string{"--set", "data.val_fraction=0.25"}
	before := f.heldOut(set...)
	if n := len(before); n < 5 || n > 20 {
		t.Fatalf("%d of 48 are held out", n)
	}
	same := func(what string, after map[string]bool, gone ...string) {
		t.Helper()
		want := map[string]bool{}
		for name := range before {
			want[name] = true
		}
		for _, name := range gone {
			delete(want, name)
		}
		for name := range want {
			if !after[name] {
				t.Errorf("%s: %s has gone to training", what, name)
			}
		}
		for name := range after {
			if !want[name] && !strings.Contains(name, "new") {
				t.Errorf("%s: %s has come from training", what, name)
			}
		}
	}
	f.write("base/train/dog/new.png", f.read("base/train/cat/000.png"))
	f.write("base/train/ant/new1.png", f.read("base/train/cat/001.png")) // sorted before the other classes
	same("more images", f.heldOut(set...))
	if err := os.Remove(f.file("base/train/cat/003.png")); err != nil {
		t.Fatal(err)
	}
	same("fewer images", f.heldOut(set...), "cat/003.png")
	if err := os.Rename(f.file("base"), f.file("elsewhere")); err != nil {
		t.Fatal(err)
	}
	same("another folder", f.heldOut(append(set, "--data", f.file("elsewhere"))...), "cat/003.png")
	f.run("data", "pack", "elsewhere", "--split", "train", "--out", "packed").exits(0)
	same("packed", f.heldOut(append(set, "--data", "packed", "--set", "data.name=packed")...), "cat/003.png")
	f.run("data", "shard", "elsewhere", "--split", "train", "--out", "shards").exits(0)
	same("shards", f.heldOut(append(set, "--data", "shards", "--set", "data.name=shards")...), "cat/003.png")
}

// Evaluating images that a model was trained on gives a note, because the accuracy looks too good.
func TestMeasuredImagesThatWereTrainedOn(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 10, 2)
	f.config("t.yaml", tinyFasterNet)
	unused, known := "base/val is not used",
		"these weights were trained on the same data set, with data.val_fraction 0.3 (here 0.6)"
	f.run("train", "t.yaml", "--set", "data.val_fraction=0.3", "--run", "run").exits(0).says(unused)
	f.run("eval", "--model", "run").exits(0).hides("these weights were trained")
	f.run("eval", "--model", "run", "--set", "data.val_fraction=0.2").exits(0).hides("these weights were trained")
	f.run("eval", "--model", "run", "--set", "data.val_fraction=0.6").exits(0).
		says(known, "--set data.val_fraction=0.3 holds out the same images")
	f.run("knn", "--model", "run", "--k", "2", "--set", "data.val_fraction=0.6").exits(0).says(known)

	if err := os.Symlink("train", f.file("base/linked")); err != nil {
		t.Skip(err)
	}
	both := "validation images that are training images too: 20 of 20, such as base/linked/cat/000.png"
	f.run("train", "t.yaml", "--set", "data.val=linked", "--run", "linked").exits(0).says(both)
	f.run("config", "check", "t.yaml", "--set", "data.val=linked").exits(0).says(both)
}
