package cases

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// in makes another folder, in which the program starts.
func (f folder) in(name string) folder {
	f.t.Helper()
	if err := os.MkdirAll(f.file(name), 0o755); err != nil {
		f.t.Fatal(err)
	}
	return folder{f.t, f.file(name)}
}

// ultralytics/yolov5#9519: a model is evaluated in a different folder than it was trained in, and the
// relative path of its data leads nowhere, or to other images.
func TestEvalFromAnyFolder(t *testing.T) {
	f := newFolder(t)
	home := f.in("home")
	home.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	home.config("t.yaml", tinyFasterNet)
	home.run("train", "t.yaml", "--run", "run", "--set", "train.epochs=1").exits(0)
	other := f.in("other")
	run := "../home/run"
	other.run("eval", "--model", run).exits(0).says("12 images of " + home.file("base"))
	for _, command := range [][]string{
		{"knn", "--k", "3"},
		{"linprobe", "--epochs", "2", "--opt", "sgd"},
		{"features", "--dataset", "--out", "f.npy"},
	} {
		other.run(append(command, "--model", run)...).exits(0)
	}
	// Another data set of that name is not used, unless the user asks for it.
	other.imageFolders("base", []string{"cat", "dog", "fox"}, 2, 1)
	other.run("eval", "--model", run).exits(0).says("12 images of " + home.file("base"))
	other.run("eval", "--model", run, "--data", "base").exits(0).says("3 images of base")
	other.run("eval", "--model", run, "--set", "data.dir=base").exits(0).says("3 images of base")
	other.run("report", run).exits(0)
	other.run("train", "--resume", "--run", run, "--set", "train.epochs=2").exits(0).hides("have changed")

	// The data set is gone, but a folder of that name is here: it is used, with a note.
	if err := os.Rename(home.file("base"), home.file("moved")); err != nil {
		t.Fatal(err)
	}
	other.run("eval", "--model", run).exits(0).
		says("note: "+home.file("base")+" no longer exists: using base in this folder", "3 images of base")
	if err := os.RemoveAll(other.file("base")); err != nil {
		t.Fatal(err)
	}
	hint := "data.dir: " + home.file("base") +
		": no such folder; if the data set has moved, say where it is now: --data FOLDER"
	for _, command := range [][]string{
		{"eval", "--model", run},
		{"knn", "--model", run},
		{"features", "--dataset", "--out", "g.npy", "--model", run},
		{"train", "--resume", "--run", run, "--set", "train.epochs=3"},
	} {
		other.run(command...).exits(1).says(hint)
	}
	other.run("eval", "--model", run, "--data", home.file("moved")).exits(0).says("12 images")
	other.run("train", "--resume", "--run", run, "--data", home.file("moved"), "--set", "train.epochs=3").exits(0).
		hides("have changed")
}

// An export may go to others: it does not contain the path of the images.
func TestExportsKeepNoPaths(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	f.run("train", "t.yaml", "--run", "run", "--set", "train.epochs=1").exits(0)
	if !bytes.Contains(f.read("run/checkpoints/best.safetensors"), []byte(f.path)) {
		t.Error("the checkpoint does not know where its data are")
	}
	f.run("export", "--model", "run", "--out", "x.safetensors").exits(0)
	f.run("export", "--model", "run", "--out", "x.onnx").exits(0)
	f.run("convert", "run", "y.safetensors").exits(0)
	f.run("convert", "run", "z.safetensors", "--naming", "timm").exits(0)
	for _, name := range []string{"x.safetensors", "x.onnx", "y.safetensors", "z.safetensors"} {
		if bytes.Contains(f.read(name), []byte(f.path)) {
			t.Errorf("%s has the folder of the data", name)
		}
	}
	f.run("eval", "--model", "x.onnx").exits(0).says("8 images of base")
}

// A whole project is copied to another machine, where the old paths do not exist.
func TestProjectCopied(t *testing.T) {
	f := newFolder(t)
	home := f.in("home")
	home.imageFolders("base", []string{"cat", "dog"}, 8, 4)
	home.config("t.yaml", tinyFasterNet)
	home.run("train", "t.yaml", "--run", "runs/large", "--set", "train.epochs=1").exits(0)
	home.run("train", "t.yaml", "--run", "runs/small", "--set", "distill.type=soft",
		"--set", "distill.teacher=runs/large", "--set", "train.epochs=1").exits(0)
	other := f.in("other")
	// The teacher is found from any folder, too.
	other.run("train", "--resume", "--run", "../home/runs/small", "--set", "train.epochs=2").exits(0).
		says(filepath.Join(home.path, "runs/large"))
	if out, err := exec.Command("cp", "-r", home.path+"/.", other.path).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	if err := os.RemoveAll(home.path); err != nil {
		t.Fatal(err)
	}
	other.run("eval", "--model", "runs/small").exits(0).says("base in this folder", "8 images of base")
	other.run("train", "--resume", "--run", "runs/large", "--set", "train.epochs=2").exits(0).
		says("base in this folder").
		hides("have changed")
}
