package cases

import "testing"

// The base of the other tests works: each kind of tiny model trains on the folders and is evaluated.
func TestNothingWrong(t *testing.T) {
	for _, c := range []struct{ name, model string }{
		{"fasternet", tinyFasterNet},
		{"vit", tinyViT},
		{"swin", tinySwin},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFolder(t)
			f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
			f.config("t.yaml", c.model)
			f.run("train", "t.yaml", "--run", "run").exits(0)
			if v := f.run("eval", "--model", "run").exits(0).json(); v["count"] != 12. && v["images"] != 12. {
				t.Errorf("evaluated %v, want 12 images", v)
			}
		})
	}
}
