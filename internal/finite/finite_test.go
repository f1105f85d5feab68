package finite

import (
	"fmt"
	"math"
	"testing"
)

func TestCount(t *testing.T) {
	inf := float32(math.Inf(-1))
	var c Count
	c.Add("a", []float32{0, -math.MaxFloat32, math.SmallestNonzeroFloat32})
	if c.Err() != nil || c.String() != "1 tensors of 3 values" {
		t.Errorf("%v: %v", &c, c.Err())
	}
	c.Add("b", []float32{1, inf, float32(math.NaN())})
	if got, want := fmt.Sprint(c.Err()), "2 of its 6 values are NaN or infinite, the first: b[1] is -Inf"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
