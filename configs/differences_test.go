package configs_test

import (
	"fmt"
	"reflect"
	"testing"

	"fasternet/configs"
)

func ExampleDifferences() {
	a, err := configs.Load("quickstart")
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := configs.Load("quickstart", "optim.lr=1e-3", "model.depths=[1, 1, 1]")
	if err != nil {
		fmt.Println(err)
		return
	}
	differences, err := configs.Differences(a, b)
	for _, d := range differences {
		fmt.Println(d.Key, d.Values[0], "→", d.Values[1])
	}
	fmt.Println(err)
	// Output:
	// model.depths [1, 2, 2] → [1, 1, 1]
	// optim.lr 0.006 → 0.001
	// <nil>
}

func TestDifferences(t *testing.T) {
	load := func(name string, settings ...string) *configs.Config {
		c, err := configs.Load(name, settings...)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	same, err := configs.Differences(load("quickstart"), load("quickstart"), load("quickstart"))
	if err != nil || len(same) != 0 {
		t.Errorf("equal ones differ in %v, %v", same, err)
	}
	// One configuration lacks a key, and only the third differs.
	three, err := configs.Differences(load("vit_tiny"), load("vit_tiny"), load("mim_quickstart", "data.dir=a b"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"task":      {"classify", "classify", "localmim"},
		"data.dir":  {`""`, `""`, "a b"},
		"mim.nbins": {"", "", "9"},
	}
	for _, d := range three {
		if w, ok := want[d.Key]; ok {
			if !reflect.DeepEqual(d.Values, w) {
				t.Errorf("%s: %q, want %q", d.Key, d.Values, w)
			}
			delete(want, d.Key)
		}
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	for _, test := range []struct{ preset, setting string }{
		{"fasternet_s", "optim.lr=0.5"},
		{"mim_swin_base", "seed=3"},
		{"quickstart", "train.epochs=3"},
	} {
		t.Run(test.preset, func(t *testing.T) {
			name, d, err := load(test.preset, test.setting).Nearest()
			if err != nil || name != test.preset || len(d) != 1 {
				t.Errorf("%s with %s: nearest is %s, %v, %v", test.preset, test.setting, name, d, err)
			}
		})
	}
}
