package cases

import (
	"fmt"
	"testing"
	"time"
)

// A pre-training with a time limit ends with an export of the encoder, which every command that needs no
// classifier takes.
func TestPretrainWithBudget(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.imageFolders("labelled", []string{"ant", "bee"}, 8, 4)
	for i := range 40 {
		f.write(fmt.Sprintf("photos/%03d.png", i), pngBytes(t, noise(40, 36, i%6, i)))
	}
	began := time.Now()
	out := f.run("train", "--data", "photos", "--task", "localmim", "--budget", "6s", "--set", "threads=1").exits(0)
	if took := time.Since(began); took > 20*time.Second { // the machine may be busy
		t.Errorf("a budget of 6s took %v", took)
	}
	const encoder = "runs/photos/model.safetensors"
	v := out.json()
	if v["export"] != encoder || v["seconds"] == nil || v["loss"] == nil || v["top1"] != nil {
		t.Errorf("the last line: %v", v)
	}
	f.run("verify", encoder).exits(0)
	f.run("knn", encoder, "--data", "labelled", "--set", "data.val_fraction=0", "--k", "3").exits(0)
	f.run("eval", encoder, "--data", "labelled").exits(2).says("it has no classifier")
	f.run("train", "--data", "labelled", "--from", encoder, "--budget", "6s", "--run", "fine", "--set", "threads=1").
		exits(0).says("starting from the weights of " + encoder)
}
