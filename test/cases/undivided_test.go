package cases

import (
	"fmt"
	"testing"
)

// In the folder of photographs of the README, the classes are directly in the folder; another folder has
// only a training part. The commands that read a data set take both.
func TestFoldersWithoutValidation(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("half", []string{"cat", "dog"}, 4, 0)
	for _, tt := range []struct{ name, dir string }{{"classes alone", "half/train"}, {"no validation part", "half"}} {
		t.Run(tt.name, func(t *testing.T) {
			f := folder{t, f.path}
			f.run("data", "info", tt.dir).exits(0).
				says("8 images in 2 classes", "note: "+tt.dir+" has no validation part")
			f.run("data", "verify", tt.dir).exits(0).says(`"images":8`, "has no validation part")
			f.run("data", "pack", tt.dir, "--out", tt.name).exits(0).says("has no validation part")
			f.run("data", "info", tt.dir, "--split", "val").exits(1).says("no folder of the val split")
		})
	}
	for _, part := range []string{
		"odd/training_set", "odd/validation_set", "several/train_1", "several/train_2", "several/val",
	} {
		for c, class := range []string{"cat", "dog"} {
			for i := range 2 {
				f.write(fmt.Sprintf("%s/%s/%d.png", part, class, i), pngBytes(t, noise(40, 36, c, i)))
			}
		}
	}
	f.run("data", "info", "odd").exits(0).says("training: 4 images in 2 classes", "validation: 4 images in 2 classes")
	f.run("data", "info", "several").exits(1).says("name the folder with data.train")
	f.imageFolders("packed/photos", []string{"cat", "dog"}, 2, 1)
	f.run("data", "info", "packed").exits(0).says("6 images in 1 class;",
		`packed has one class, "photos"; perhaps you mean the folder packed/photos, `+
			`which has the folders "train", "val"`)
}
