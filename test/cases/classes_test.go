package cases

import (
	"os"
	"testing"
)

// rename renames a class of both parts.
func (f folder) rename(root, from, to string) {
	f.t.Helper()
	for _, part := range []string{"train", "val"} {
		if err := os.Rename(f.file(root+"/"+part+"/"+from), f.file(root+"/"+part+"/"+to)); err != nil {
			f.t.Fatal(err)
		}
	}
}

// huggingface/pytorch-image-models#957, pytorch/vision#484: a validation folder lacks a class, or has
// its classes in a different order than the model, and the accuracy is as low as chance. Here labels are
// matched by name.
func TestEvalByName(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	f.run("train", "t.yaml", "--run", "run", "--set", "train.epochs=6", "--set", "optim.lr=5e-3").exits(0)
	whole := f.run("eval", "--model", "run").exits(0).hides("by name").says("12 images")

	// A list of the same images with the classes in another order.
	var list []byte
	for _, c := range []string{"cat", "dog", "fox"} {
		for _, i := range []string{"0", "1", "2", "3"} {
			list = append(list, ("val/" + c + "/00" + i + ".png " + c + "\n")...)
		}
	}
	f.write("base/val.txt", list)
	f.write("base/train.txt", list)
	f.write("base/classes.txt", []byte("fox\ncat\ndog\n"))
	annotations := []string{"--set", "data.name=annotations", "--set", "data.classes=classes.txt"}
	other := f.run(append([]string{"eval", "--model", "run"}, annotations...)...).exits(0).
		says(`note: the classes of the data set are in a different order than in the model: ` +
			`class 0 is "cat" in the model and "fox" in the data set (3 of 3 differ); they are matched by name`)
	if a, b := whole.json(), other.json(); a["top1"] != b["top1"] || a["loss"] != b["loss"] {
		t.Errorf("another order of the classes: %v, want %v", b, a)
	}

	// One class is missing.
	if err := os.RemoveAll(f.file("base/val/cat")); err != nil {
		t.Fatal(err)
	}
	f.run("eval", "--model", "run").exits(0).
		says(`note: the data set has 2 of the 3 classes of the model, without "cat"; they are matched by name`,
			"evaluating")
	for _, command := range [][]string{{"knn", "--k", "3"}, {"linprobe", "--epochs", "2", "--opt", "sgd"}} {
		f.run(append(command, "--model", "run")...).exits(0).
			says(`note: the validation part has no images of 1 of the 3 classes: "cat"`)
	}

	// With a renamed class, the labels would mean something else.
	f.rename("base", "dog", "wolf")
	f.run("eval", "--model", "run").exits(1).
		says(`the data set has different classes from the model: `+
			`class 0 is "cat" in the model and "fox" in the data set`,
			`only in the data set: "wolf"`).
		hides("top-1")
}

// Teachers and weights to start from are matched by the names of their classes.
func TestTrainFromByName(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	f.write("order.txt", []byte("fox\ncat\ndog\n"))
	f.run("train", "t.yaml", "--run", "run").exits(0)
	reordered := []string{"--set", "data.classes=../order.txt", "--set", "train.epochs=1"}
	f.run(append([]string{"train", "t.yaml", "--run", "a", "--from", "run"}, reordered...)...).exits(0).
		says("note: classifier: the classes of the data set are in a different order than in the checkpoint").
		hides("fresh values")
	distill := []string{"--set", "distill.type=soft", "--set", "distill.teacher=run"}
	f.run(append(append([]string{"train", "t.yaml", "--run", "b"}, distill...), reordered...)...).exits(0).
		says("note: distill.teacher: the classes of the data set are in a different order than in the teacher")

	f.rename("base", "cat", "zebra")
	f.run("train", "t.yaml", "--run", "c", "--from", "run", "--set", "train.epochs=1").exits(0).
		says("2 fresh (head.weight, head.bias)",
			"note: the classifier is for other classes: it is replaced by a fresh one; "+
				"the checkpoint has 2 of the 3 classes of the data set by name")
	f.run(append([]string{"train", "t.yaml", "--run", "d"}, distill...)...).exits(1).
		says(`distill.teacher: run/checkpoints/best.safetensors: ` +
			`the data set has different classes from the teacher: ` +
			`class 0 is "cat" in the teacher and "dog" in the data set`)
	if _, err := os.Stat(f.file("d")); err == nil {
		t.Error("a run that could not start has a folder")
	}
}

// pytorch/vision#484, #713: weights of other programs have no names of classes, but a file may have
// them. It is compared with the names of a model that has some.
func TestPredictNames(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	f.run("train", "t.yaml", "--run", "run", "--set", "train.epochs=1").exits(0)
	f.run("convert", "run", "bare.safetensors", "--naming", "timm").exits(0)
	f.write("base/names.txt", []byte("Felis\nCanis\nVulpes\n"))
	f.write("base/order.txt", []byte("fox\ncat\ndog\n"))
	f.write("base/two.txt", []byte("cat\ndog\n"))
	predict := func(model, names string) outcome {
		args := []string{"predict", "base/val/fox/000.png", "--model", model, "--set", "data.classes=" + names}
		if model == "bare.safetensors" {
			args = append(args, "--config", "t.yaml")
		}
		return f.run(args...)
	}
	predict("bare.safetensors", "names.txt").exits(0).says("Felis", "Canis", "Vulpes")
	predict("bare.safetensors", "two.txt").exits(2).says("data.classes: two.txt has 2 names, the model 3 classes")
	predict("run", "order.txt").exits(0).
		says("note: the classes of data.classes are in a different order than in the model", "cat", "fox")
	predict("run", "names.txt").exits(2).
		says(`data.classes has different classes from the model: ` +
			`class 0 is "cat" in the model and "Felis" in data.classes`)
}
