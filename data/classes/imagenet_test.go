package classes_test

import (
	"slices"
	"strings"
	"testing"

	"fasternet/data/classes"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		name    string
		names   []string
		outputs int
		want    []string
		assumed bool
	}{
		{"synsets", []string{"n02123045", "n01440764"}, 2, []string{"tabby, tabby cat", "tench, Tinca tinca"}, false},
		{"other names", []string{"cat", "dog"}, 2, []string{"cat", "dog"}, false},
		{
			"a name that only looks like one", []string{"n00000000", "n01440764"}, 2,
			[]string{"n00000000", "n01440764"}, false,
		},
		{"none", nil, 10, nil, false},
		{"numbers", []string{"0", "1"}, 1000, []string{"0", "1"}, false},
	} {
		if got, assumed := classes.Words(c.names, c.outputs); !slices.Equal(got, c.want) || assumed != c.assumed {
			t.Errorf("%s: %v, %v", c.name, got, assumed)
		}
	}
	all, assumed := classes.Words(nil, classes.ImageNet1k)
	if !assumed || len(all) != 1000 || all[0] != "tench, Tinca tinca" ||
		all[1] != "goldfish, Carassius auratus" ||
		all[999] != "toilet tissue, toilet paper, bathroom tissue" {
		t.Errorf("%d words, %v", len(all), assumed)
	}
	if slices.Contains(all, "") {
		t.Error("a class has no words")
	}
	if !strings.Contains(classes.WordNetLicense(), "Princeton University") {
		t.Error("the license is not there")
	}
}
