package sets

import (
	"image"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
)

// writeTree writes a small valid image to each path below root, whatever the name.
func writeTree(t *testing.T, root string, paths ...string) {
	t.Helper()
	content := datatest.EncodePNG(t, datatest.Filled(image.NewRGBA(image.Rect(0, 0, 3, 2)), color.Black))
	for _, p := range paths {
		datatest.WriteFile(t, filepath.Join(root, filepath.FromSlash(p)), content)
	}
}

func openFolder(t *testing.T, root string, split data.Split) *ImageFolder {
	t.Helper()
	d, err := OpenImageFolder(root, split)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Skip(err)
	}
}

func TestImageFolder(t *testing.T) {
	root := t.TempDir()
	writeTree(t, root, "train/b/2.JPEG", "train/b/1.png", "train/b/deep/er/3.Jpg",
		"train/10/x.jpeg", "train/2/x.jpg", "train/é/x.png", "train/B/x.png",
		"train/stray.png", "train/b/notes.txt", "train/b/.hidden.png", "train/b/.thumbs/x.png", "train/.git/x.png",
		"val/a/x.png")
	d := openFolder(t, root, data.Train)
	if want := []string{"10", "2", "B", "b", "é"}; !slices.Equal(d.Classes(), want) {
		t.Errorf("classes are %q, want %q", d.Classes(), want)
	}
	want := []struct {
		file  string
		label int
	}{
		{"10/x.jpeg", 0},
		{"2/x.jpg", 1},
		{"B/x.png", 2},
		{"b/1.png", 3},
		{"b/2.JPEG", 3},
		{"b/deep/er/3.Jpg", 3},
		{"é/x.png", 4},
	}
	if d.Len() != len(want) {
		t.Fatalf("%d images, want %d", d.Len(), len(want))
	}
	for i, w := range want {
		if d.Name(i) != filepath.Join(root, "train", filepath.FromSlash(w.file)) || d.Label(i) != w.label {
			t.Errorf("image %d is %s with label %d, want %+v", i, d.Name(i), d.Label(i), w)
		}
		m, err := d.Image(i) // all are PNG, whatever their names
		if err != nil {
			t.Fatal(err)
		}
		datatest.SameImage(t, w.file, m, picture.NewImage(2, 3, 3))
	}
}

func TestImageFolderSplits(t *testing.T) {
	for _, c := range []struct {
		folder string
		split  data.Split
	}{
		{"train", data.Train},
		{"training", data.Train},
		{"val", data.Val},
		{"valid", data.Val},
		{"validation", data.Val},
		{"eval", data.Val}, {"evaluation", data.Val}, {"test", data.Val},
	} {
		t.Run(c.folder, func(t *testing.T) {
			root := t.TempDir()
			writeTree(t, root, c.folder+"/"+c.folder+"-class/x.png")
			if d := openFolder(t, root, c.split); d.Classes()[0] != c.folder+"-class" {
				t.Errorf("%s of %s: classes %q", c.split, c.folder, d.Classes())
			}
		})
	}
	root := t.TempDir()
	writeTree(t, root, "val/from-val/x.png", "test/from-test/x.png")
	if d := openFolder(t, root, data.Val); d.Classes()[0] != "from-val" {
		t.Errorf("val: classes %q", d.Classes())
	}
	if d := openFolder(t, root, data.Test); d.Classes()[0] != "from-test" {
		t.Errorf("test: classes %q", d.Classes())
	}
	if d := openFolder(t, filepath.Join(root, "val"), ""); d.Classes()[0] != "from-val" {
		t.Errorf("no split: classes %q", d.Classes())
	}
}

// A run in the folder of its images is neither a class nor are its pictures images.
func TestImageFolderWithRuns(t *testing.T) {
	root := t.TempDir()
	run := []string{"/config.yaml", "/log.jsonl", "/checkpoints/last.safetensors", "/samples/1.png"}
	writeTree(t, root, "cat/1.png", "dog/1.png", "runs/notes.txt")
	for _, dir := range []string{"runs/photos", "mine", "dog/first"} {
		for _, file := range run {
			writeTree(t, root, dir+file)
		}
	}
	writeTree(t, root, "runs/new/run.lock", "runs/new/checkpoints/x.safetensors")
	d := openFolder(t, root, "")
	if d.Len() != 2 || !slices.Equal(d.Classes(), []string{"cat", "dog"}) {
		t.Errorf("%d images in %q", d.Len(), d.Classes())
	}
	if got := data.DescribeLeftOut(d.LeftOut()); got != "3 folders of training runs are left out" {
		t.Error(got)
	}
	files, _, err := ListImages(root)
	if err != nil || len(files) != 2 {
		t.Errorf("%q, %v", files, err)
	}
	writeTree(t, root, "checkpoints/1.png", "settings/config.yaml", "settings/1.png")
	if d := openFolder(t, root, ""); len(d.Classes()) != 4 {
		t.Errorf("what is no run is left out: %q", d.Classes())
	}
}

func TestImageFolderLinks(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	writeTree(t, root, "a/x.png")
	writeTree(t, elsewhere, "class/y.png", "z.png", "more/w.png")
	symlink(t, filepath.Join(elsewhere, "class"), filepath.Join(root, "b"))
	symlink(t, filepath.Join(elsewhere, "z.png"), filepath.Join(root, "a", "z.png"))
	symlink(t, filepath.Join(elsewhere, "more"), filepath.Join(root, "a", "more"))
	symlink(t, filepath.Join(elsewhere, "more"), filepath.Join(root, "a", "twice"))
	symlink(t, filepath.Join(elsewhere, "nowhere"), filepath.Join(root, "a", "notes.txt"))
	d := openFolder(t, root, "")
	var got []string
	for i := range d.Len() {
		got = append(got, filepath.ToSlash(d.files[i]))
		if _, err := d.Image(i); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"a/more/w.png", "a/twice/w.png", "a/x.png", "a/z.png", "b/y.png"}; !slices.Equal(got, want) {
		t.Errorf("images are %q, want %q", got, want)
	}
}

func TestImageFolderErrors(t *testing.T) {
	for _, test := range []struct {
		name  string
		split data.Split
		build func(root string)
		path  string // below root, named by the error
		want  string
	}{
		{"missing root", data.Train, func(root string) { os.Remove(root) }, "", "no such folder"},
		{"missing, none", "", func(root string) { os.Remove(root) }, "", "no such file"},
		{
			"missing split", data.Val, func(root string) { writeTree(t, root, "train/a/x.png") },
			"",
			"no folder of the val split; looked for val, valid, validation, eval, evaluation, test: put the " +
				"images of a class into ",
		},
		{"unknown split", "dev", func(string) {}, "", `unknown split "dev"; use train, val or test`},
		{
			"empty class", data.Train,
			func(root string) { writeTree(t, root, "train/a/x.png", "train/cat/notes.txt") },
			"train/cat",
			"no images (.jpg, .jpeg, .jpe, .jfif, .png, .webp, .gif, .bmp, .tif, .tiff, .ppm, .pgm, .pbm, .pnm " +
				"by name) in this class folder; remove it or add images",
		},
		{
			"no classes", data.Train, func(root string) { writeTree(t, root, "train/x.png") },
			"train", "no class folders",
		},
		{"cycle", data.Train, func(root string) {
			writeTree(t, root, "train/a/b/x.png")
			symlink(t, "..", filepath.Join(root, "train/a/b/up"))
		}, "train/a/b/up", "leads back to a folder above it"},
		{"cycle to the root", data.Train, func(root string) {
			writeTree(t, root, "train/a/x.png")
			symlink(t, "..", filepath.Join(root, "train/a/up"))
		}, "train/a/up", "leads back to a folder above it"},
		{"broken link", data.Train, func(root string) {
			writeTree(t, root, "train/a/x.png")
			symlink(t, "nowhere", filepath.Join(root, "train/a/y.png"))
		}, "train/a/y.png", "following a symbolic link"},
		{"broken class link", data.Train, func(root string) {
			writeTree(t, root, "train/a/x.png")
			symlink(t, "nowhere", filepath.Join(root, "train/b"))
		}, "train/b", "no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			test.build(root)
			_, err := OpenImageFolder(root, test.split)
			datatest.WantError(t, err, test.want)
			if test.split != "dev" {
				datatest.WantError(t, err, filepath.Join(root, filepath.FromSlash(test.path)))
			}
		})
	}
}

func TestImageFolderDamagedFile(t *testing.T) {
	root := t.TempDir()
	datatest.WriteFile(t, filepath.Join(root, "a", "x.jpg"), []byte("no image"))
	_, err := openFolder(t, root, "").Image(0)
	datatest.WantError(t, err, filepath.Join(root, "a", "x.jpg"))
}
