package fasternet

import (
	"fmt"
	"reflect"
	"testing"

	"fasternet/configs"
)

func TestStageSides(t *testing.T) {
	m := configs.DefaultModel(Name)
	for _, c := range []struct {
		size int
		want []int
	}{
		{224, []int{56, 28, 14, 7}},
		{192, []int{48, 24, 12, 6}},
		{32, []int{8, 4, 2, 1}},
		{63, []int{15, 7, 3, 1}},
		{31, []int{7, 3, 1, 0}},
	} {
		t.Run(fmt.Sprint(c.size), func(t *testing.T) {
			if got := m.Arch.(Config).StageSides(c.size); !reflect.DeepEqual(got, c.want) {
				t.Errorf("%d px: %v, want %v", c.size, got, c.want)
			}
			if err := m.CheckImageSize(c.size); (err != nil) != (c.size == 31) {
				t.Errorf("%d px: %v", c.size, err)
			}
		})
	}
}
