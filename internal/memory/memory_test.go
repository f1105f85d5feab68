package memory

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"testing"
)

func ExampleCheck() {
	fmt.Println(Check("a few values", 1<<10))
	// Output: <nil>
}

func TestCheck(t *testing.T) {
	const gib = 1 << 30
	bound := []limit{{"one", 3 * gib, gib, 0}, {"two", 4 * gib, gib, gib}}
	if err := check("weights", 2*gib, bound); err != nil {
		t.Errorf("what just fits: %v", err)
	}
	err := check("weights", 2*gib+1, bound)
	want := "weights need 2.0 GiB, about 3.0 GiB with the memory in use; one allows 3.0 GiB"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	bound[0].bytes = math.MaxUint64
	if err := check("weights", 2*gib+1, bound); err != nil {
		t.Error(err)
	}
	if err := check("weights", 3*gib+1, bound); err == nil || !strings.Contains(err.Error(), "two") {
		t.Errorf("in whole grains it does not fit: %v", err)
	}
	if got := size(90 << 20); got != "90 MiB" {
		t.Error(got)
	}
}

func TestGoLimit(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(400 << 20))
	if err := Check("weights", 100<<20); err != nil {
		t.Error(err)
	}
	if err := Check("weights", 399<<20); err == nil || !strings.Contains(err.Error(), "GOMEMLIMIT allows 400 MiB") {
		t.Errorf("got %v", err)
	}
}

// A process that could not take as much again as it has is short of memory.
func TestCheckDouble(t *testing.T) {
	if err := CheckDouble("a run"); err != nil {
		t.Error(err)
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(heap() + used()/2)))
	if err := CheckDouble("a run"); !errors.Is(err, ErrShort) || !strings.Contains(err.Error(), "a run need") {
		t.Errorf("got %v", err)
	}
}
