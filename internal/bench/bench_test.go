package bench_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"fasternet/configs"
	"fasternet/internal/bench"
	"fasternet/model"
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
	r, err := bench.Run(t.Context(), "quickstart", c, bench.Options{
		Train:   true,
		Batch:   3,
		Threads: 2,
		Size:    40,
		Warmup:  1,
		Seconds: 0.02,
		Profile: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	sorted := r.BestMS <= r.P10MS && r.P10MS <= r.MedianMS && r.MedianMS <= r.P90MS
	if !sorted ||
		r.Mode != "train" ||
		r.Size != 40 ||
		r.Threads != 2 ||
		r.Warmup != 1 ||
		r.Runs < 5 ||
		r.MeanMS <= 0 ||
		!(r.CPUMS >= 0 && r.CPUMS <= 4*r.MeanMS) ||
		r.BNFolded ||
		r.PeakRSSMiB < 1 ||
		r.ArenaMiB <= 0 ||
		r.GMACs <= 0 ||
		len(r.Profile) == 0 {
		t.Errorf("got %+v", r)
	}
	share := 0.0
	for i, e := range r.Profile {
		if share += e.Share; i > 0 && e.MS > r.Profile[i-1].MS {
			t.Errorf("the profile is not sorted: %+v", r.Profile)
		}
	}
	if math.Abs(share-1) > 1e-9 {
		t.Errorf("the shares add up to %v", share)
	}
	for _, o := range []bench.Options{{Batch: 0}, {Batch: 1, Size: 3}, {Batch: 1, Size: 8, Train: true}} {
		if _, err := bench.Run(t.Context(), "quickstart", c, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// Times a model with the protocol of the authors, and a model that exists already.
func TestPaperProtocol(t *testing.T) {
	c, err := configs.Load("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	net, err := model.New(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	o := bench.Options{Train: true, Batch: 8, Size: 32, Model: net}
	o.Paper()
	r, err := bench.Run(t.Context(), "mine", c, o)
	if err != nil ||
		r.Mode != "infer" ||
		!r.BNFolded ||
		r.Batch != 1 ||
		r.Threads != 1 ||
		r.Warmup != 10 ||
		r.Runs != 200 {
		t.Errorf("got %+v, %v", r, err)
	}
}
