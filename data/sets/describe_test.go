package sets

import (
	"image"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

func TestDescribe(t *testing.T) {
	root := t.TempDir()
	writeTree(t, root, "a/1.png", "a/2.png", "b/1.png")
	datatest.WriteFile(t, filepath.Join(root, "b", "2.jpg"),
		datatest.EncodeJPEG(t, image.NewGray(image.Rect(0, 0, 40, 10))))
	got, err := data.Describe(openFolder(t, root, ""), false)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Classes, []string{"a", "b"}) || !slices.Equal(got.Counts, []int{2, 2}) ||
		got.Samples != 4 || got.Decoded != 4 || got.Grey != 1 ||
		got.Height != (data.Spread{Min: 2, Median: 2, Max: 10}) ||
		got.Width != (data.Spread{Min: 3, Median: 3, Max: 40}) {
		t.Errorf("%+v", got)
	}
	datatest.WriteFile(t, filepath.Join(root, "b", "2.jpg"), nil)
	_, err = data.Describe(openFolder(t, root, ""), false)
	datatest.WantError(t, err, "2.jpg")
	if got, err = data.Describe(openFolder(t, root, ""), true); err != nil || got.Bad != 1 ||
		!strings.Contains(got.BadErr.Error(), "2.jpg") || got.Decoded != 3 ||
		got.Height != (data.Spread{Min: 2, Median: 2, Max: 2}) {
		t.Errorf("skipping: %+v, %v", got, err)
	}
}
