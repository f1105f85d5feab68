package report

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"fasternet/configs"
	"fasternet/eval"
	"fasternet/train"
)

// A picture of a mistake shows the image that was measured, even if other images have come
// before it since, or the data set has moved.
func TestMistakesByName(t *testing.T) {
	write := func(dir, name string, grey uint8) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		m := image.NewGray(image.Rect(0, 0, 32, 32))
		for i := range m.Pix {
			m.SetGray(i%32, i/32, color.Gray{grey})
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := png.Encode(f, m); err != nil {
			t.Fatal(err)
		}
	}
	shown := func(dir string, mistakes ...eval.Mistake) ([]Picture, string) {
		c, err := configs.Load("quickstart", "data.name=imagefolder", "data.dir="+dir)
		if err != nil {
			t.Fatal(err)
		}
		e := &train.Evaluation{Classes: []string{"cat", "dog"}}
		e.Mistakes = mistakes
		return albums{}.of(c).mistakes(&Run{Config: c, Evaluation: e})
	}
	before, after := t.TempDir(), t.TempDir()
	for _, dir := range []string{before, after} {
		write(dir, "val/cat/1.png", 10)
		write(dir, "val/dog/1.png", 200)
	}
	mistake := func(i int, name string) eval.Mistake {
		return eval.Mistake{Index: i, Name: filepath.Join(before, filepath.FromSlash(name))}
	}
	cat, dog := mistake(0, "val/cat/1.png"), mistake(1, "val/dog/1.png")
	want, missing := shown(before, cat, dog)
	if len(want) != 2 || missing != "" || want[0].Source == want[1].Source {
		t.Fatalf("%d pictures, %q", len(want), missing)
	}
	if want[0].File != "val/cat/1.png" || want[1].File != "val/dog/1.png" {
		t.Errorf("files %q and %q", want[0].File, want[1].File)
	}
	write(after, "val/cat/0.png", 90)
	got, missing := shown(after, cat, dog)
	if len(got) != 2 || missing != "" || got[0].Source != want[0].Source || got[1].Source != want[1].Source {
		t.Errorf("%d pictures, %q", len(got), missing)
	}
	if err := os.Remove(filepath.Join(after, "val", "dog", "1.png")); err != nil {
		t.Fatal(err)
	}
	write(after, "val/dog/9.png", 60)
	if got, _ := shown(after, cat, dog); len(got) != 1 || got[0].Source != want[0].Source {
		t.Errorf("%d pictures after one is gone", len(got))
	}
	got, missing = shown(after, dog)
	if len(got) != 0 || missing != "the measured validation images are no longer there" {
		t.Errorf("%d pictures, %q", len(got), missing)
	}
}
