package bench

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"fasternet/ops"
)

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		name    string
		tasks   []float64
		workers int
		want    float64
	}{
		{"nothing", nil, 4, 0},
		{"one worker", []float64{1, 2, 3}, 1, 6},
		{"one task", []float64{5}, 8, 5},
		{"even", []float64{1, 1, 1, 1}, 2, 2},
		{"fewer tasks than workers", []float64{1, 2, 3}, 8, 3},
		{"one more than divides", []float64{1, 1, 1, 1, 1}, 4, 2},
		{"a worker helps the other", []float64{3, 1, 1, 1}, 2, 3},
		{"a long last task", []float64{1, 1, 1, 5}, 2, 6},
		{"the last task is taken, not the next", []float64{3, 1, 1, 5, 0.5, 0.5, 0.5, 0.5}, 2, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := schedule(c.tasks, c.workers); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// An operation that finds its data in the cache moves nothing.
func TestTraffic(t *testing.T) {
	const page = pageBytes
	at := func(pages, n int) ops.Extent {
		return ops.Extent{Address: uintptr(1000*page + pages*page), Bytes: n * page}
	}
	run := []ops.TracedOp{
		{Memory: []ops.Extent{at(0, 2), at(2, 1)}},
		{Memory: []ops.Extent{at(2, 1), at(10, 3)}},
		{},
		{Memory: []ops.Extent{{Address: 1000*page + 20*page + page/2, Bytes: page}}}, // on two pages
	}
	for _, c := range []struct {
		name  string
		cache int
		want  []int
	}{
		{"all fits", 100, []int{0, 0, 0, 0}},
		{"nothing fits", 0, []int{3, 4, 0, 1}},
		{"the one before fits", 4, []int{3, 3, 0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := traffic(run, c.cache*page)
			for i := range got {
				got[i] /= page
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v pages, want %v", got, c.want)
			}
		})
	}
}

// The losses add up to the difference between the prediction and an even share, and each
// loss is in its place.
func TestThreadModel(t *testing.T) {
	even := slices.Repeat([]float64{1}, 64)
	// 1 and 1.5 kB per millisecond
	table := &ThreadTable{Processors: 2, BarrierUS: []float64{0, 500}, MemoryGBps: []float64{1e-3, 1.5e-3}}
	for _, c := range []struct {
		name      string
		of        rehearsal
		threads   int
		bandwidth float64
		want      float64 // milliseconds
		limit     string
	}{
		{"one thread",
			rehearsal{ops: []rehearsedOp{{regions: [][]float64{even}, serial: 3}}, between: 2}, 1, 0, 69, ""},
		{"even, two threads", rehearsal{ops: []rehearsedOp{{regions: [][]float64{even}}}}, 2, 0, 32.5, "barriers"},
		{"even, four threads", rehearsal{ops: []rehearsedOp{{regions: [][]float64{even}}}}, 4, 0, 17.5, "barriers"},
		{"few tasks", rehearsal{ops: []rehearsedOp{{regions: [][]float64{{8, 8}}}}}, 4, 0, 9.5, "too few tasks"},
		{"uneven tasks",
			rehearsal{ops: []rehearsedOp{{regions: [][]float64{{1, 1, 1, 1, 1, 1, 1, 20}}}}}, 4, 0, 22.5,
			"uneven tasks"},
		{"serial code",
			rehearsal{ops: []rehearsedOp{{serial: 10, regions: [][]float64{even}}}}, 4, 0, 27.5, "serial code"},
		{"between operations", rehearsal{between: 10}, 2, 0, 10, "serial code"},
		{"memory of this machine",
			rehearsal{ops: []rehearsedOp{{regions: [][]float64{even}, bytes: 60000}}}, 2, 0, 40, "memory"},
		{"unknown memory",
			rehearsal{ops: []rehearsedOp{{regions: [][]float64{even}, bytes: 60000}}}, 4, 0, 17.5, "barriers"},
		{"given memory",
			rehearsal{ops: []rehearsedOp{{regions: [][]float64{even}, bytes: 60000}}}, 4, 2e-3, 30, "memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := threadModel{table, c.bandwidth}
			row, lost := m.row(&c.of, c.threads, c.of.busy())
			if math.Abs(row.PredictedMS-c.want) > 1e-9 || row.Limit != c.limit {
				t.Errorf("%v ms, %q, want %v, %q", row.PredictedMS, row.Limit, c.want, c.limit)
			}
			losses := row.FewMS + row.UnevenMS + row.SerialMS + row.BarrierMS + row.MemoryMS + row.SmallMS
			sum := c.of.busy()/float64(c.threads) + losses
			if math.Abs(sum-row.PredictedMS) > 1e-9 {
				t.Errorf("the parts add up to %v, and the prediction is %v: %+v", sum, row.PredictedMS, row)
			}
			inRegions := 0.0
			for _, l := range lost {
				inRegions += l.LostMS
			}
			if want := row.FewMS + row.UnevenMS + row.SerialMS + row.BarrierMS; math.Abs(inRegions-want) > 1e-9 {
				t.Errorf("the regions lose %v, and the row %v", inRegions, want)
			}
		})
	}
}

// Operations with the same cuts are shown together, the largest loss first.
func TestJoinedLosses(t *testing.T) {
	got := joined([]ThreadLoss{
		{Op: "a", Name: "a.0", Ops: 1, Region: 1, Of: 2, Tasks: 4, LostMS: 1, WorkMS: 2, TakesMS: 3, LongestMS: 4},
		{Op: "b", Name: "b.0", Ops: 1, Region: 1, Of: 1, Tasks: 4, LostMS: 1.5},
		{Op: "a", Name: "a.1", Ops: 1, Region: 1, Of: 2, Tasks: 5, LostMS: 1},
		{Op: "a", Name: "a.2", Ops: 1, Region: 1, Of: 2, Tasks: 4, LostMS: 2, WorkMS: 2, TakesMS: 4, LongestMS: 3},
	})
	first := ThreadLoss{
		Op:        "a",
		Name:      "a.0",
		Ops:       2,
		Region:    1,
		Of:        2,
		Tasks:     4,
		LostMS:    3,
		WorkMS:    4,
		TakesMS:   7,
		LongestMS: 4,
	}
	if len(got) != 3 || got[0] != first || got[1].Op != "b" {
		t.Errorf("got %+v", got)
	}
}

func TestRunThreads(t *testing.T) {
	o := NewThreadOptions()
	o.Train, o.Batch, o.Size, o.Seconds, o.Warmup, o.Predict = true, 2, 32, 0.02, 1, []int{64, 3}
	table, err := RunThreads(t.Context(), "quickstart", load(t, "quickstart"), o)
	if err != nil {
		t.Fatal(err)
	}
	procs := runtime.GOMAXPROCS(0)
	want := []int{1, 3, 64}
	for n := 1; n < procs; n *= 2 {
		want = append(want, n)
	}
	want = append(want, procs)
	slices.Sort(want)
	var got []int
	for _, r := range table.Rows {
		got = append(got, r.Threads)
		if (r.MeasuredMS > 0) != (r.Threads <= procs && r.Threads != 3 || r.Threads == procs) ||
			!(r.PredictedMS > 0) ||
			r.ImgPerS <= 0 ||
			r.Tasks < 50 ||
			(r.Regions > 10) != (r.Threads > 1) ||
			r.NeedsGBps < 0 {
			t.Errorf("%+v", r)
		}
		if r.Threads > 1 && r.Limit == "" || r.Efficiency != r.SpeedUp/float64(r.Threads) {
			t.Errorf("%+v", r)
		}
	}
	if !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("rows of %v threads, want %v", got, want)
	}
	if len(table.BarrierUS) != procs || table.Mode != "train" || table.Runs < 3 || table.Precision != "fp32" {
		t.Errorf("%+v", table)
	}
	for i, l := range table.Lost {
		if i > 0 && l.LostMS > table.Lost[i-1].LostMS {
			t.Errorf("loss %d is not in its place", i)
		}
	}
	if !slices.ContainsFunc(table.Lost, func(l ThreadLoss) bool {
		return l.Op == "FasterNetBlockGrad" && l.Region == 2 && l.Tasks > 0 && l.LongestMS > 0
	}) {
		t.Errorf("no region of a backward pass in %+v", table.Lost)
	}
}

func TestThreadOptions(t *testing.T) {
	for _, c := range []struct {
		name, flag, want string
		change           func(*ThreadOptions)
	}{
		{"more than there are", "threads", "the number of processors", func(o *ThreadOptions) {
			o.Measure = []int{runtime.GOMAXPROCS(0) + 1}
		}},
		{"none", "threads", "want 1 to", func(o *ThreadOptions) { o.Measure = []int{0} }},
		{"too many", "predict", "want 1 to 1024 threads, got 1025", func(o *ThreadOptions) {
			o.Predict = []int{8, 1025}
		}},
		{"negative", "predict", "got -1", func(o *ThreadOptions) { o.Predict = []int{-1} }},
		{"bandwidth", "bandwidth", "want 0 or more GB/s", func(o *ThreadOptions) { o.Bandwidth = math.NaN() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := NewThreadOptions()
			o.Batch, o.Size = 1, 32
			c.change(&o)
			_, err := RunThreads(t.Context(), "quickstart", load(t, "quickstart"), o)
			var wrong *ThreadsError
			if !errors.As(err, &wrong) || wrong.Flag != c.flag || !strings.Contains(wrong.Text, c.want) {
				t.Errorf("got %v, want %q of --%s", err, c.want, c.flag)
			}
		})
	}
}
