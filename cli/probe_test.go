package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
)

// Features are computed, stored and read back; both classifiers see the same ones.
func TestProbes(t *testing.T) {
	images, dir := fashion(t, 300, 100), t.TempDir()
	run, args := tinyRun(t, images)
	succeed(t, append(args,
		"--set", "checkpoint.every_steps=0", "--set", "train.epochs=2",
		"--set", "augment.rand_augment=''", "--set", "augment.erasing.prob=0", "--set", "augment.repeats=1",
		"--set", "augment.mixup_mode=batch", "--set", "augment.mixup_off_epoch=0")...)
	file := func(name string) string { return filepath.Join(dir, name) }
	kept := file("f.safetensors")
	r := invoke(t, "knn", "--model", run, "--dump", kept, "--threads", "1")
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if r.code != 0 || len(lines) != 6 || !strings.HasPrefix(lines[0], "k ") || !strings.HasPrefix(lines[4], "200 ") {
		t.Fatalf("%+v", r)
	}
	got := succeed(t, "knn", "--load", kept, "--threads", "3")
	if again := invoke(t, "knn", "--load", kept); again.stdout != r.stdout {
		t.Errorf("computed:\n%s\nread back:\n%s", r.stdout, again.stdout)
	}
	if got["top1"].(float64) < 40 ||
		got["count"] != 100.0 ||
		got["training_count"] != 300.0 ||
		got["features"] != "pooled" ||
		len(got["knn"].([]any)) != 4 {
		t.Errorf("%v", got)
	}
	// Fewer labels: the same images, whether they are chosen before or after.
	few := []string{"--max-per-class", "4", "--seed", "2", "--k", "1,40"}
	a, b := invoke(t, append(few, "knn", "--model", run)...), invoke(t, append(few, "knn", "--load", kept)...)
	if a.code != 0 || a.stdout != b.stdout || !strings.Contains(a.stdout, `"training_count":40`) {
		t.Errorf("%+v\n%+v", a, b)
	}

	head := file("head.safetensors")
	linear := []string{"linprobe", "--opt", "sgd", "--epochs", "10", "--train-batch", "64", "--save", head}
	a, b = invoke(t, append(linear, "--model", run)...), invoke(t, append(linear, "--load", kept, "--threads", "1")...)
	if a.code != 0 ||
		a.stdout != b.stdout ||
		strings.Count(a.stdout, "\n") != 12 ||
		!strings.Contains(a.stderr, "--augment") {
		t.Errorf("%+v\n%+v", a, b)
	}
	got = succeed(t, append(linear, "--load", kept)...)
	if got["top1"].(float64) < 40 || got["epochs"] != 10.0 || got["best_top1"].(float64) < got["top1"].(float64) {
		t.Errorf("%v", got)
	}
	if f, err := checkpoints.Read(head); err != nil || len(f.Tensors) != 4 {
		t.Errorf("%v", err)
	}
	if r := invoke(t, "linprobe", "--load", kept, "--epochs", "1"); r.code != 0 ||
		!strings.Contains(r.stderr, "--opt sgd") {
		t.Errorf("too few steps for LARS: %+v", r)
	}

	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{1, "301 neighbours, but there are only 300", []string{"knn", "--load", kept, "--k", "301"}},
		{1, "10 neighbours, but there are only", []string{"knn", "--load", weak(t, kept, file("weak.safetensors"))}},
		{2, "--k: want numbers of neighbours", []string{"knn", "--load", kept, "--k", "0"}},
		{2, "--temperature: want more than 0", []string{"knn", "--load", kept, "--temperature", "0"}},
		{2, "--max-per-class: want 0 or more", []string{"knn", "--load", kept, "--max-per-class", "-1"}},
		{2, "--threads", []string{"knn", "--load", kept, "--threads", "-1"}},
		{2, "want MODEL (a checkpoint or the folder of a run), or --load", []string{"knn"}},
		{2, "--stage: want pooled", []string{"linprobe", "--model", run, "--stage", "all"}},
		{2, "--load replaces MODEL", []string{"knn", "--model", run, "--load", kept}},
		{2, "augment", []string{"linprobe", "--augment", "--load", kept}},
		{2, "want a name that ends in .safetensors", []string{"knn", "--model", run, "--dump", file("f.npy")}},
		{
			2, "5 warm-up epochs of 5 epochs in all",
			[]string{"linprobe", "--load", kept, "--epochs", "5", "--warmup-epochs", "5"},
		},
		{2, "optimizer \"adam\"", []string{"linprobe", "--load", kept, "--opt", "adam"}},
		{1, "want a file that knn or linprobe wrote", []string{"knn", "--load", head}},
		{1, "none.safetensors: no such file", []string{"knn", "--load", file("none.safetensors")}},
		{1, "no feature \"stage5\"", []string{"knn", "--model", run, "--stage", "5"}},
	} {
		fail(t, c.code, c.want, c.args...)
	}
}

// weak copies a file of features with few training images.
func weak(t *testing.T, path, to string) string {
	t.Helper()
	f, err := checkpoints.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Tensors {
		switch s := &f.Tensors[i]; s.Name {
		case "train.labels":
			s.Shape, s.I64 = []int{3}, s.I64[:3]
		case "train.features":
			s.Shape, s.F32 = []int{3, s.Shape[1]}, s.F32[:3*s.Shape[1]]
		}
	}
	if err := checkpoints.Write(to, *f); err != nil {
		t.Fatal(err)
	}
	return to
}

// With --augment the features of an epoch come from new crops.
func TestProbeAugmented(t *testing.T) {
	run, root := folderRun(t)
	args := []string{"linprobe", "--model", run, "--augment", "--epochs", "3", "--opt", "sgd", "--train-batch", "8"}
	a := invoke(t, args...)
	b := invoke(t, append(args, "--threads", "1")...)
	c := invoke(t, append(args, "--seed", "1")...)
	plain := invoke(t, append(args[:3:3], args[4:]...)...)
	if a.code != 0 || plain.code != 0 || !strings.Contains(a.stdout, `"training_count":8`) {
		t.Fatalf("%+v\n%+v", a, plain)
	}
	if a.stdout != b.stdout {
		t.Errorf("depends on threads:\n%s\n%s", a.stdout, b.stdout)
	}
	if a.stdout == c.stdout || a.stdout == plain.stdout {
		t.Errorf("not augmented by the seed:\n%s\n%s\n%s", a.stdout, c.stdout, plain.stdout)
	}
	// The classes and their number may differ from the model's.
	for _, part := range []string{"train", "val"} {
		picture(t, filepath.Join(root, part, "eel", "a.jpg"))
	}
	for _, args := range [][]string{{"knn", "--k", "3"}, {"linprobe", "--epochs", "2"}} {
		if got := succeed(t, append(args, "--model", run)...); got["count"] != 9.0 || got["training_count"] != 9.0 {
			t.Errorf("%v: %v", args, got)
		}
	}
	// Parts whose labels have different meanings, and images without labels.
	if err := os.Rename(filepath.Join(root, "val", "dog"), filepath.Join(root, "val", "dug")); err != nil {
		t.Fatal(err)
	}
	fail(t, 1, `class 1 is "dog" in the training part and "dug" in the validation part`, "knn", "--model", run)
	if err := os.RemoveAll(filepath.Join(root, "val", "dug")); err != nil {
		t.Fatal(err)
	}
	// a part without one of the classes
	for _, command := range [][]string{{"knn", "--k", "3"}, {"linprobe", "--epochs", "2"}} {
		got := invoke(t, append(command, "--model", run)...)
		if got.code != 0 ||
			!strings.Contains(got.stderr, `note: the validation part has no images of 1 of the 3 classes: "dog"`) {
			t.Errorf("%v: %+v", command, got)
		}
	}
	flat := t.TempDir()
	for _, split := range []string{"train", "val"} {
		picture(t, filepath.Join(flat, split, "a.jpg"))
	}
	fail(t, 1, "no class folders", "knn", "--model", run, "--data", flat)
}
