package cases

import "testing"

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
	f.imageFolders("odd/training_set", []string{"cat", "dog"}, 2, 0)
	f.imageFolders("odd/validation_set", []string{"cat", "dog"}, 2, 0)
	f.run("data", "info", "odd").exits(1).says("name the folder with data.train")
}
