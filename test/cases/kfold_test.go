package cases

import (
	"math"
	"os"
	"strings"
	"testing"
)

// Cross-validation trains a run for each fold and shows mean and standard deviation. A single fold is
// the same run, and an interrupted one goes on.
func TestKFold(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 1)
	f.config("mine.yaml", tinyFasterNet)
	dry := f.run("kfold", "mine.yaml", "--folds", "4", "--dry-run", "--json").exits(0).json()
	if len(dry["trials"].([]any)) != 4 {
		t.Errorf("the dry run: %v", dry)
	}
	if _, err := os.Stat(f.file("runs")); err == nil {
		t.Fatal("the dry run has written something")
	}
	o := f.run("kfold", "mine.yaml", "--folds", "4", "--json", "--quiet").exits(0)
	got := o.json()
	sum, squares, images := 0.0, 0.0, 0.0
	for _, x := range got["trials"].([]any) {
		trial := x.(map[string]any)
		top1 := trial["top1"].(float64)
		sum, squares = sum+top1, squares+top1*top1
		results := trial["results"].([]any)
		images += results[0].(map[string]any)["count"].(float64)
	}
	top1 := got["top1"].(map[string]any)
	mean := sum / 4
	std := math.Sqrt(max(squares-4*mean*mean, 0) / 3)
	if math.Abs(top1["mean"].(float64)-mean) > 1e-9 || math.Abs(top1["std"].(float64)-std) > 1e-6 || images != 24 {
		t.Errorf("mean and deviation %v, want %v and %v; %v images were validated, want 24", top1, mean, std, images)
	}
	again := f.run("kfold", "mine.yaml", "--folds", "4", "--resume", "--json", "--quiet").exits(0)
	if again.stdout != o.stdout {
		t.Errorf("resumed when it was done: %s", again.stdout)
	}
	if page := string(f.read("runs/mine-kfold/kfold.html")); !strings.Contains(page, "mean ± standard deviation") {
		t.Error("the page has no mean")
	}
	one := f.run("train", "mine.yaml", "--run", "one", "--set", "data.folds=4", "--set", "data.fold=2",
		"--json").exits(0).json()
	two := got["trials"].([]any)[1].(map[string]any)
	if one["loss"] != two["loss"] {
		t.Errorf("fold 2 alone has loss %v, in the cross-validation %v", one["loss"], two["loss"])
	}
	f.run("eval", "runs/mine-kfold/fold-002").exits(0).says("on 6 images")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--folds", "1"}, "--folds: want 2 to 1000, got 1"},
		{[]string{"--set", "data.val_fraction=0.5"}, "data.folds: want data.folds or data.val_fraction, got both"},
		{[]string{"--set", "data.fold_groups=("}, "data.fold_groups: want a regular expression"},
	} {
		f.run(append([]string{"kfold", "mine.yaml", "--run", "x"}, tt.args...)...).exits(2).says(tt.want)
	}
	f.run("train", "mine.yaml", "--run", "x", "--set", "data.folds=4", "--set", "data.fold=5").exits(2).
		says("data.fold: want a fold from 1 to 4 (data.folds), got 5")
}
