package cases

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"fasternet/kernels"
)

// experiencor/keras-yolo3#82, GreatV/labelme2yolo#18: the classes have a different order, or other names, at
// the second launch, and the labels change their meaning.
func TestResumeRenamedClass(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.imageFolders("renamed", []string{"dog", "fox", "zebra"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	f.run("train", "t.yaml", "--run", "run").exits(0)
	checkpoint, log := f.read("run/checkpoints/last.safetensors"), f.read("run/train.log")
	o := f.run("train", "t.yaml", "--set", "train.epochs=4", "--set", "data.dir=renamed", "--run", "run",
		"--resume").exits(1).
		says(`run/checkpoints/last.safetensors: the data set has different classes from the checkpoint: ` +
			`class 0 is "cat" in the checkpoint and "dog" in the data set (3 of 3 differ); ` +
			`only in the checkpoint: "cat"; only in the data set: "zebra"; --resume needs the same classes`)
	if strings.Count(strings.TrimSpace(o.stderr), "\n") > 0 {
		t.Errorf("more than a line:\n%s", o.stderr)
	}
	if string(f.read("run/checkpoints/last.safetensors")) != string(checkpoint) ||
		string(f.read("run/train.log")) != string(log) {
		t.Error("the run has been changed")
	}
	// What the message proposes.
	f.run("train", "t.yaml", "--set", "data.dir=renamed", "--run", "other", "--from", "run").exits(0).
		says("the checkpoint has 2 of the ")
}

// AlexeyAB/darknet#1850, TheLastBen/fast-stable-diffusion#1249: images are added and removed between two
// launches. The run goes on, and says how many.
func TestResumeOtherImages(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	f.run("train", "t.yaml", "--run", "run").exits(0)
	f.write("base/train/cat/new.png", pngBytes(t, noise(50, 50, 0, 99)))
	for _, name := range []string{"base/train/dog/000.png", "base/train/dog/001.png"} {
		if err := os.Remove(f.file(name)); err != nil {
			t.Fatal(err)
		}
	}
	f.run("train", "t.yaml", "--set", "train.epochs=3", "--run", "run", "--resume").exits(0).
		says(`note: the training images have changed since the checkpoint: 1 added, 2 removed; ` +
			`23 now, 24 before (6 of "dog" instead of 8, 9 of "cat" instead of 8)`)
	f.run("train", "t.yaml", "--set", "train.epochs=4", "--run", "run", "--resume").exits(0).hides("have changed")
}

// A run that moves to a machine with other kernels goes on, and says that its bits differ from there on;
// a run that stays says nothing.
func TestResumeOtherKernels(t *testing.T) {
	all := kernels.Available()
	if len(all) < 2 {
		t.Skip("this processor has one variant of the kernels")
	}
	first, second := string(all[0]), string(all[len(all)-1])
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	on := func(variant, epochs string, more ...string) outcome {
		t.Setenv(kernels.EnvVariable, variant)
		return f.run(append([]string{
			"train", "t.yaml", "--set", "precision=fp32", "--set", "train.epochs=" + epochs, "--run", "run",
		},
			more...)...).exits(0)
	}
	const note = "note: the checkpoint was trained with %s kernels on %s, " +
		"the run continues with %s kernels on %[2]s: they round differently"
	platform := runtime.GOOS + "/" + runtime.GOARCH
	on(first, "1").hides("round differently")
	on(first, "2", "--resume").hides("round differently")
	on(second, "3", "--resume").says(fmt.Sprintf(note, first, platform, second))
	if log := string(f.read("run/train.log")); !strings.Contains(log, fmt.Sprintf(note, first, platform, second)) {
		t.Errorf("not in train.log:\n%s", log)
	}
	on(second, "4", "--resume").hides("round differently")
	on(first, "5", "--resume").says(fmt.Sprintf(note, second, platform, first))
}
