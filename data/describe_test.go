package data

import (
	"image"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	root := t.TempDir()
	writeTree(t, root, "a/1.png", "a/2.png", "b/1.png")
	writeFile(t, filepath.Join(root, "b", "2.jpg"), encodeJPEG(t, image.NewGray(image.Rect(0, 0, 40, 10))))
	got, err := Describe(openFolder(t, root, ""), false)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Classes, []string{"a", "b"}) || !slices.Equal(got.Counts, []int{2, 2}) ||
		got.Samples != 4 || got.Decoded != 4 || got.Grey != 1 ||
		got.Height != (Spread{2, 2, 10}) || got.Width != (Spread{3, 3, 40}) {
		t.Errorf("%+v", got)
	}
	writeFile(t, filepath.Join(root, "b", "2.jpg"), nil)
	_, err = Describe(openFolder(t, root, ""), false)
	wantError(t, err, "2.jpg")
	if got, err = Describe(openFolder(t, root, ""), true); err != nil || got.Bad != 1 || !strings.Contains(got.BadErr.Error(), "2.jpg") || got.Decoded != 3 || got.Height != (Spread{2, 2, 2}) {
		t.Errorf("skipping: %+v, %v", got, err)
	}

	_, err = Describe(badLabels{newFakeSet(1)}, false)
	wantError(t, err, "fake 0: label 7 is not one of the 4 classes")

	many := newFakeSet(1000)
	if got, err = Describe(many, false); err != nil || got.Decoded != 64 || many.decoded.Load() != 64 {
		t.Errorf("%d of %d samples decoded, %v", many.decoded.Load(), got.Decoded, err)
	}
	if got, err = Describe(newFakeSet(0), false); err != nil || got.Samples != 0 || got.Height != (Spread{}) {
		t.Errorf("empty: %+v, %v", got, err)
	}
}
