package train

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fasternet/checkpoints"
	"fasternet/collective"
	"fasternet/configs"
)

// album is a data set of small grey images in folders.
type album struct {
	t   *testing.T
	dir string
}

func newAlbum(t *testing.T, train, val int, classes ...string) album {
	a := album{t, t.TempDir()}
	for _, class := range classes {
		for i := range train {
			a.add(fmt.Sprintf("train/%s/%d.png", class, i), 28)
		}
		for i := range val {
			a.add(fmt.Sprintf("val/%s/%d.png", class, i), 28)
		}
	}
	return a
}

func (a album) add(name string, side int) {
	a.t.Helper()
	path := filepath.Join(a.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	m := image.NewGray(image.Rect(0, 0, side, side))
	for i := range m.Pix {
		m.SetGray(i%side, i/side, color.Gray{uint8(len(name) * i)})
	}
	f, err := os.Create(path)
	if err != nil {
		a.t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, m); err != nil {
		a.t.Fatal(err)
	}
}

func (a album) remove(names ...string) {
	a.t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(a.dir, name)); err != nil {
			a.t.Fatal(err)
		}
	}
}

func (a album) rename(class, to string) {
	a.t.Helper()
	for _, part := range []string{"train", "val"} {
		if err := os.Rename(filepath.Join(a.dir, part, class), filepath.Join(a.dir, part, to)); err != nil {
			a.t.Fatal(err)
		}
	}
}

func (a album) config(settings ...string) *configs.Config {
	a.t.Helper()
	return load(a.t, a.dir, append(
		[]string{"data.name=imagefolder", "train.batch_size=4", "log.tensorboard=false", "threads=1"},
		settings...,
	)...)
}

// resume resumes a run and returns its messages.
func (a album) resume(dir string, settings ...string) (string, error) {
	log := &signal{}
	_, err := Run(context.Background(), a.config(settings...), Options{Dir: dir, Resume: true, Log: log})
	return log.all.String(), err
}

// snapshot returns the content of all files below a folder.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A run only continues with the classes that it began with. Otherwise the error shows the difference, and nothing
// is written.
func TestResumeOtherClasses(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(a album) (settings []string)
		says     string
		settings []string
	}{
		{
			"renamed",
			func(a album) []string { a.rename("cat", "zebra"); return nil },
			"the data set has different classes from the checkpoint: " +
				`class 0 is "cat" in the checkpoint and "dog" in the data set (3 of 3 differ); ` +
				`only in the checkpoint: "cat"; only in the data set: "zebra"`,
			nil,
		},
		{
			"renamed in place",
			func(a album) []string { a.rename("cat", "car"); return nil },
			`class 0 is "cat" in the checkpoint and "car" in the data set; only`,
			nil,
		},
		{
			"reordered",
			func(a album) []string {
				path := filepath.Join(a.dir, "classes.txt")
				if err := os.WriteFile(path, []byte("fox\ncat\ndog\n"), 0o644); err != nil {
					a.t.Fatal(err)
				}
				return []string{"data.classes=classes.txt"}
			},
			"the classes of the data set are in a different order than in the checkpoint: " +
				`class 0 is "cat" in the checkpoint and "fox" in the data set (3 of 3 differ)`,
			nil,
		},
		{
			"added",
			func(a album) []string { a.add("train/owl/1.png", 28); return nil },
			`the data set has 4 classes, the checkpoint 3: only in the data set: "owl"`,
			nil,
		},
		{
			"added, with outputs to spare",
			func(a album) []string { a.add("train/owl/1.png", 28); return nil },
			`only in the data set: "owl"`, []string{"model.num_classes=6"},
		},
		{
			"added, with as many outputs as before",
			func(a album) []string { a.add("train/owl/1.png", 28); return nil },
			`only in the data set: "owl"`, []string{"model.num_classes=3"},
		},
		{
			"removed",
			func(a album) []string { a.remove("train/fox", "val/fox"); return nil },
			`the data set has 2 classes, the checkpoint 3: only in the checkpoint: "fox"`,
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, dir := newAlbum(t, 4, 2, "cat", "dog", "fox"), filepath.Join(t.TempDir(), "run")
			if said, err := a.resume(dir, append(c.settings, "train.epochs=1")...); err != nil {
				t.Fatal(said, err)
			}
			before := snapshot(t, dir)
			settings := append(c.change(a), c.settings...)
			_, err := a.resume(dir, append(settings, "train.epochs=2")...)
			if err == nil ||
				!strings.Contains(err.Error(), c.says) ||
				!strings.Contains(err.Error(), "--resume needs the same classes") ||
				strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("error %v, want one line with %q", err, c.says)
			}
			after := snapshot(t, dir)
			for path, text := range before {
				if after[path] != text {
					t.Errorf("%s has been changed", path)
				}
			}
			if len(after) != len(before) {
				t.Errorf("%d files, there were %d", len(after), len(before))
			}
		})
	}
}

// With other images a run continues and says what has changed, also in the middle of an epoch, and if the old stamps
// are lost.
func TestResumeOtherImages(t *testing.T) {
	stopped := func(t *testing.T) (album, string) {
		a, dir := newAlbum(t, 4, 2, "cat", "dog", "fox"), filepath.Join(t.TempDir(), "run")
		interrupted(t, a.config(), dir, "epoch 2/3 step 2/3") // after two of its three steps
		return a, dir
	}
	more := func(a album) {
		a.add("train/cat/8.png", 28)
		a.add("train/cat/9.png", 28)
		a.add("train/dog/1.png", 20)
		a.remove("train/dog/0.png")
	}
	const counted = "note: the training images have changed since the checkpoint: 2 added, 1 removed, " +
		"1 with other content; 13 now, 12 before (6 of \"cat\" instead of 4, 3 of \"dog\" instead of 4)"
	side := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			if text == "" {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				return
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)-3] ^= 1
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		change func(album)
		folder func(t *testing.T, dir string) // changes the folder of the run
		says   []string
		hides  string
	}{
		{name: "nothing", change: func(album) {}, says: []string{"epoch 2, step 3"}, hides: "note:"},
		{
			name:   "added and removed",
			change: more,
			says: []string{
				counted,
				"note: epoch 2 continues at step 3 of 3 in the new order of images: " +
					"it may show some twice and others not at all",
			},
		},
		{name: "fewer steps",
			change: func(a album) {
				a.remove("train/cat/0.png", "train/cat/1.png", "train/dog/1.png", "train/dog/2.png", "train/fox/3.png")
			},
			says: []string{
				"0 added, 5 removed; 7 now, 12 before",
				"note: epoch 2 ends here: with these images it has only 1 step, and 2 are done",
				"epoch 2/3: training loss",
			},
			hides: "epoch 2/3 step"},
		{
			name:   "other content",
			change: func(a album) { a.add("train/cat/1.png", 20) },
			says:   []string{"0 added, 0 removed, 1 with other content; 12 now, 12 before"},
			hides:  "continues at step",
		},
		{
			name:   "validation",
			change: func(a album) { a.add("val/fox/7.png", 28) },
			says: []string{
				"note: the validation images have changed since the checkpoint: 1 added, 0 removed; " +
					"7 now, 6 before (3 of \"fox\" instead of 2); " +
					"the best result so far was measured on the old images",
			},
			hides: "training images",
		},
		{
			name:   "without stamps",
			change: more,
			folder: side(FingerprintFile, ""),
			says: []string{
				"13 now, 12 before (6 of \"cat\" instead of 4",
				"the numbers of added and removed images are unknown (fingerprint.safetensors is missing)",
			},
		},
		{
			name:   "damaged stamps",
			change: more,
			folder: side(FingerprintFile, "flip"),
			says:   []string{"unknown (fingerprint.safetensors is damaged)"},
		},
		{
			name:   "damaged stamps, nothing changed",
			change: func(album) {},
			folder: side(FingerprintFile, "flip"),
			hides:  "note:",
		},
		{name: "another path", change: func(a album) {
			// The whole data set has moved.
			if err := os.Rename(filepath.Join(a.dir, "train"), filepath.Join(a.dir, "training")); err != nil {
				a.t.Fatal(err)
			}
		}, hides: "note:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, dir := stopped(t)
			c.change(a)
			if c.folder != nil {
				c.folder(t, dir)
			}
			said, err := a.resume(dir)
			if err != nil {
				t.Fatal(said, err)
			}
			for _, want := range c.says {
				if !strings.Contains(said, want) {
					t.Errorf("does not say %q:\n%s", want, said)
				}
			}
			if c.hides != "" && strings.Contains(said, c.hides) {
				t.Errorf("says %q:\n%s", c.hides, said)
			}
			if !strings.Contains(said, "epoch 3/3: training loss") {
				t.Errorf("did not end:\n%s", said)
			}
			if said, err := a.resume(dir); err != nil || strings.Contains(said, "have changed") {
				t.Errorf("once more: %v\n%s", err, said)
			}
		})
	}
}

// A run that was killed before its first checkpoint with the new images can still count them.
func TestResumeTwiceWithOtherImages(t *testing.T) {
	a, dir := newAlbum(t, 4, 2, "cat", "dog"), filepath.Join(t.TempDir(), "run")
	if said, err := a.resume(dir, "train.epochs=1"); err != nil {
		t.Fatal(said, err)
	}
	path := checkpoints.Folder{Dir: CheckpointDir(dir)}.Path(checkpoints.Last)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"1 added, 0 removed; 9 now, 8 before", "2 added, 0 removed; 10 now, 8 before"} {
		a.add(fmt.Sprintf("train/cat/new%d.png", i), 28)
		if said, err := a.resume(dir, "train.epochs=2"); err != nil || !strings.Contains(said, want) {
			t.Errorf("launch %d: %v, want %q:\n%s", i, err, want, said)
		}
		if err := os.WriteFile(path, old, 0o644); err != nil { // as if it had been killed
			t.Fatal(err)
		}
		if err := Checkpoints(dir).Remove(checkpoints.Best); err != nil {
			t.Fatal(err)
		}
	}
}

// A checkpoint of a version without fingerprints can be resumed; its classes are compared.
func TestResumeWithoutFingerprint(t *testing.T) {
	a, dir := newAlbum(t, 4, 2, "cat", "dog"), filepath.Join(t.TempDir(), "run")
	if said, err := a.resume(dir, "train.epochs=1"); err != nil {
		t.Fatal(said, err)
	}
	folder := checkpoints.Folder{Dir: CheckpointDir(dir)}
	f := last(t, dir)
	delete(f.Meta, DataKey)
	if err := folder.Save(checkpoints.Last, *f); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, FingerprintFile)); err != nil {
		t.Fatal(err)
	}
	a.add("train/cat/9.png", 28)
	said, err := a.resume(dir, "train.epochs=2")
	for _, want := range []string{
		"note: ",
		"does not say which images it was trained on, so changes are unknown; " +
			"now there are 9 training and 4 validation images, before there were 8 and 4",
	} {
		if err != nil || !strings.Contains(said, want) {
			t.Errorf("%v, want %q:\n%s", err, want, said)
		}
	}
	a.rename("cat", "owl")
	f = last(t, dir)
	delete(f.Meta, DataKey)
	if err := folder.Save(checkpoints.Last, *f); err != nil {
		t.Fatal(err)
	}
	if _, err := a.resume(dir, "train.epochs=3"); err == nil ||
		!strings.Contains(err.Error(), `only in the data set: "owl"`) {
		t.Error(err)
	}
}

// A pre-training has no classes: a renamed folder only means other images.
func TestResumePretrainingOtherClasses(t *testing.T) {
	a, dir := newAlbum(t, 4, 2, "cat", "dog"), filepath.Join(t.TempDir(), "run")
	resume := func(epochs string) (string, error) {
		c, err := configs.Parse("tiny.yaml", `
task: localmim
model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, mlp_ratio: 2, in_chans: 1}
mim: {taps: [1, 2], scales: [4, 0.5], decoder_dim: 16, decoder_heads: 2}
data: {image_size: 32, mean: [0.3], std: [0.3]}
sched: {warmup_epochs: 0}
train: {batch_size: 4, val_batch_size: 2}
log: {tensorboard: false}
`, "data.dir="+a.dir, "train.epochs="+epochs)
		if err != nil {
			t.Fatal(err)
		}
		log := &signal{}
		_, err = Run(context.Background(), c, Options{Dir: dir, Resume: true, Log: log})
		return log.all.String(), err
	}
	if said, err := resume("1"); err != nil {
		t.Fatal(said, err)
	}
	a.rename("cat", "owl")
	if said, err := resume("2"); err != nil ||
		!strings.Contains(said,
			"note: the training images have changed since the checkpoint: 4 added, 4 removed; 8 now, 8 before") {
		t.Errorf("%v\n%s", err, said)
	}
}

// Rank 0 has the folder and compares. The other ranks learn the result.
func TestRanksResumeOtherData(t *testing.T) {
	a, dir := newAlbum(t, 4, 2, "cat", "dog"), filepath.Join(t.TempDir(), "run")
	together := func(epochs string) (said string, all [2]error) {
		var group sync.WaitGroup
		log := &signal{}
		for rank, g := range collective.Local(2) {
			group.Go(func() {
				o := Options{Dir: dir, Resume: true, Group: g}
				if rank == 0 {
					o.Log = log
				}
				_, all[rank] = Run(context.Background(), a.config("train.epochs="+epochs), o)
			})
		}
		group.Wait()
		return log.all.String(), all
	}
	if said, errs := together("1"); errs != [2]error{} {
		t.Fatal(said, errs)
	}
	a.add("train/cat/9.png", 28)
	if said, errs := together("2"); errs != [2]error{} ||
		!strings.Contains(said, "1 added, 0 removed; 9 now, 8 before") {
		t.Errorf("%v\n%s", errs, said)
	}
	a.rename("cat", "owl")
	said, errs := together("3")
	for rank, err := range errs {
		if err == nil || !strings.Contains(err.Error(), `only in the data set: "owl"`) {
			t.Errorf("rank %d: %v\n%s", rank, err, said)
		}
	}
}
