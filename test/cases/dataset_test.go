package cases

import (
	"fmt"
	"os"
	"testing"
)

// ultralytics/ultralytics#4310, GaParmar/clean-fid#39, open-edge-platform/datumaro#72: files with other
// endings were ignored without a message.
func TestLeftOutFilesAreCounted(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	for i := range 6 {
		for _, file := range []string{"cat/x%d.xcf", "dog/x%d.xml", "dog/x%d.npy", "fox/x%d"} {
			f.write("base/train/"+fmt.Sprintf(file, i), []byte{0, 1, 2})
		}
	}
	f.write("base/val/cat/.cache", []byte{1})
	f.config("t.yaml", tinyFasterNet)
	line := "training part: 24 files with other endings are left out: .xcf 6, .npy 6, .xml 6, none 6"
	hidden := "validation part: 1 hidden file or folder is left out"
	f.run("data", "info", "base").exits(0).says("training: 24 images in 3 classes", line, hidden)
	v := f.run("data", "verify", "base").exits(0).says(line, "x5.npy (ending)", hidden, ".cache (hidden)").json()
	if v["images"] != 36. || v["broken"] != 0. || v["left_out"] != 25. {
		t.Errorf("verify counts %v", v)
	}
	f.run("train", "t.yaml", "--run", "run").exits(0).says(line, hidden)
	f.run("eval", "--model", "run").exits(0).says("1 hidden file or folder is left out")
	f.run("predict", "base/train/dog", "--model", "run").exits(0).
		says("12 files with other endings are left out: .npy 6, .xml 6")
	f.run("data", "pack", "base", "--out", "packed").exits(0).says(line)
	f.run("predict", "base/train/none", "--model", "run").exits(1)
}

// microsoft/Biodiversity#605, keras-team/keras#5475: a broken link ended "data verify" at once, and
// "data info" ended at an image that training skips.
func TestBrokenImagesAreListedAndSkipped(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.write("base/train/cat/000.png", []byte("x"))
	if err := os.Symlink("nowhere.png", f.file("base/val/cat/broken.png")); err != nil {
		t.Skip(err)
	}
	f.config("t.yaml", tinyFasterNet)
	v := f.run("data", "verify", "base").exits(1).
		says("base/train/cat/000.png", "base/val/cat/broken.png", "2 of 37 images are broken").json()
	if v["images"] != 37. || v["broken"] != 2. {
		t.Errorf("verify counts %v", v)
	}
	skip := []string{"--set", "data.on_bad_image=skip"}
	f.run(append([]string{"data", "info", "base"}, skip...)...).exits(0).
		says("1 of 24 inspected images cannot be read", "1 of 13 inspected images cannot be read",
			"of 23 training images:")
	f.run("data", "info", "base").exits(1).says("broken.png")
	f.run("train", "t.yaml", "--run", "no").exits(1).says("broken.png")
	f.run(append([]string{"train", "t.yaml", "--run", "run"}, skip...)...).exits(0).
		says("1 of 24 training images could not be read")
	f.run("eval", "--model", "run").exits(1).says("broken.png")
	f.run("eval", "--model", "run", "--on-bad-image", "skip").exits(0).
		says("left out, because they cannot be read: 1 image")
}

// One image in training and validation, or in two classes, is found by its pixels.
func TestCopiesAreFound(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 4, 3)
	f.run("data", "verify", "base").exits(0)
	f.write("base/val/cat/again.png", f.read("base/train/cat/001.png"))
	f.write("base/train/dog/again.png", f.read("base/train/cat/002.png"))
	f.write("base/val/dog/again.png", f.read("base/val/dog/000.png"))
	v := f.run("data", "verify", "base").exits(1).
		says("error: the same image in training and validation: "+
			"base/train/cat/001.png (cat) = base/val/cat/again.png (cat)",
			"error: the same image in two classes: base/train/cat/002.png (cat) = base/train/dog/again.png (dog)",
			"1 image is in training and validation; 1 image is in two classes").json()
	if v["in_training_and_validation"] != 1. ||
		v["in_two_classes"] != 1. ||
		v["more_than_once_in_a_class"] != 1. ||
		v["errors"] != 2. {
		t.Errorf("verify counts %v", v)
	}
	f.run("data", "verify", "base", "--duplicates", "note").exits(0).says("note: the same image in two classes")
	f.run("data", "verify", "base", "--duplicates", "off").exits(0).hides("the same image")
	f.run("data", "verify", "base", "--split", "val").exits(0).says("more than once: base/val/dog/000.png")
	f.run("data", "verify", "base", "--duplicates", "no").exits(2).says("--duplicates: want error, note or off")
	all := f.run("data", "verify", "base", "--json").exits(1).json()
	if n := len(all["findings"].([]any)); n != 3 {
		t.Errorf("%d findings in %v", n, all)
	}
}

// A folder contains an archive from macOS, a folder of a network drive, parts in capital letters, and
// names in two forms of Unicode.
func TestFoldersAsTheyCome(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "caf\u00e9"}, 4, 2)
	for _, c := range []struct{ from, to string }{{"base/train", "base/Train"}, {"base/val", "base/Valid"}} {
		if err := os.Rename(f.file(c.from), f.file(c.to)); err != nil {
			t.Fatal(err)
		}
	}
	f.write("base/Train/cat/@eaDir/000.png/SYNOFILE_THUMB_M.jpg", []byte("x"))
	f.write("base/Train/__MACOSX/cat/._000.png", []byte("x"))
	f.config("t.yaml", tinyFasterNet)
	f.run("train", "t.yaml", "--run", "a").exits(0).
		says("8 training and 4 validation images in 2 classes",
			"training part: 2 hidden files and folders are left out")
	f.run("train", "t.yaml", "--set", "data.val_fraction=0.5", "--set", "train.batch_size=2", "--run", "b").exits(0).
		says("in 2 classes", "base/Valid is not used")
	f.write("base/Train/cafe\u0301/000.png", f.read("base/Train/cat/000.png"))
	// some systems know that the two names are the same
	if entries, _ := os.ReadDir(f.file("base/Train")); len(entries) == 4 {
		f.run("train", "t.yaml", "--run", "c").exits(1).says(`two classes look like "café"`)
		f.run("data", "verify", "base").exits(1).says(`two classes look like "café"`)
	}
}
