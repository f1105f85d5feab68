package sets

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

// A CIFAR file that was cut after a whole record looks complete. The number of its images shows it.
func TestCIFARFilesThatAreShort(t *testing.T) {
	records := func(n int) []byte { return make([]byte, n*(1+3*cifarPixels)) }
	kind, dir := CIFAR10, t.TempDir()
	kind.records = [2]int{10, 10}
	for i := range 5 {
		n := 10
		if i == 2 {
			n = 7
		}
		datatest.WriteFile(t, filepath.Join(dir, fmt.Sprintf("data_batch_%d.bin", i+1)), records(n))
	}
	datatest.WriteFile(t, filepath.Join(dir, "test_batch.bin"), records(10))
	train, err := OpenCIFAR(dir, kind, true)
	if err != nil {
		t.Fatal(err)
	}
	want := "fewer images than the 10 of the published data set: data_batch_3.bin 7; they may have been cut short"
	if got := strings.Join(data.NotesOf(train), ";"); !strings.HasSuffix(got, want) {
		t.Errorf("notes of the training part: %q", got)
	}
	test, err := OpenCIFAR(dir, kind, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := data.NotesOf(test); len(got) > 0 {
		t.Errorf("notes of the test part: %q", got)
	}
}
