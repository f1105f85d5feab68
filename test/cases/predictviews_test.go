package cases

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"testing"

	"fasternet/formats/npy"
)

// predictViews compares "predict --tta" with "eval --tta" on the validation images of the run a: both average
// the probabilities of the same views.
func predictViews(t *testing.T, f folder) {
	for _, kind := range []string{"flip", "fivecrop", "tencrop"} {
		f.run("eval", "--model", "a", "--tta", kind, "--csv", "views-"+kind).exits(0)
		f.run("predict", "a", "base/val", "--tta", kind, "--format", "csv", "--out", kind+".csv", "--topk", "1").
			exits(0).says("test-time augmentation: " + kind + ", the mean of the probabilities of")
		rows := f.table(kind + ".csv")
		got := map[string][]string{} // by file
		for _, r := range rows[1:] {
			got[r[0]] = r
		}
		images := f.table("views-" + kind + "/images.csv")
		if len(images) != len(rows) {
			t.Fatalf("%s: predict has %d images, eval %d", kind, len(rows)-1, len(images)-1)
		}
		column := func(name string) int {
			for i, n := range images[0] {
				if n == name {
					return i
				}
			}
			t.Fatalf("no column %s in %v", name, images[0])
			return 0
		}
		for _, image := range images[1:] {
			p := got[image[column("file")]]
			if p == nil {
				t.Fatalf("%s: %v is not in %v", kind, image, got)
			}
			prob, _ := strconv.ParseFloat(p[4], 64)
			confidence, _ := strconv.ParseFloat(image[column("confidence")], 64)
			if p[3] != image[column("answer_class")] || math.Abs(prob-confidence) > 1e-5 {
				t.Errorf("%s: predict says %v, eval %v", kind, p, image)
			}
		}
	}
	// The options have an effect, and the last line names the views.
	plain := f.run("predict", "a", "base/val", "--json").exits(0).json()
	views := f.run("predict", "a", "base/val", "--tta", "tencrop", "--json").exits(0).json()
	if fmt.Sprint(plain["images"]) == fmt.Sprint(views["images"]) || plain["tta"] != nil || views["tta"] != "tencrop" {
		t.Errorf("ten views change nothing: %v", views)
	}
	f.run("predict", "a", "base/val", "--tta", "six").exits(2).says("--tta: want none, flip, fivecrop or tencrop")
	f.run("predict", "a", "base/val", "--tta", "fivecrop", "--set", "data.test_crop=squash").exits(2).
		says("no corners to crop")
	var array bytes.Buffer
	if err := npy.Write(&array, []int{1, 3, 32, 32}, make([]float32, 3*32*32)); err != nil {
		t.Fatal(err)
	}
	f.write("array.npy", array.Bytes())
	f.run("predict", "a", "array.npy", "--tta", "flip").exits(2).says("an array is already prepared")
}
