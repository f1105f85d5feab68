package bench_test

import (
	"context"
	"fmt"
	"testing"

	"fasternet/bench"
	"fasternet/configs"
)

func ExampleRun() {
	c, err := configs.Load("quickstart")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := bench.Run(context.Background(), "quickstart", c, bench.Options{Batch: 2, Seconds: 0.01})
	fmt.Println(r.Mode, r.Batch, r.ImgPerS > 0, err)
	// Output: infer 2 true <nil>
}

func TestRun(t *testing.T) {
	c, err := configs.Load("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	r, err := bench.Run(t.Context(), "quickstart", c, bench.Options{Train: true, Batch: 3, Threads: 2, Size: 40, Warmup: 1, Seconds: 0.02, Profile: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Mode != "train" || r.Size != 40 || r.Threads != 2 || r.Runs < 5 || !(r.BestMS <= r.P10MS && r.P10MS <= r.MedianMS && r.MedianMS <= r.P90MS) ||
		r.PeakRSSMiB < 1 || r.ArenaMiB <= 0 || r.GMACs <= 0 || len(r.Profile) == 0 {
		t.Errorf("got %+v", r)
	}
	for _, o := range []bench.Options{{Batch: 0}, {Batch: 1, Size: 3}, {Batch: 1, Size: 8, Train: true}} {
		if _, err := bench.Run(t.Context(), "quickstart", c, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
