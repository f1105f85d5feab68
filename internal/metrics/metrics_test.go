package metrics_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"fasternet/checkpoints"
	"fasternet/eval"
	"fasternet/internal/metrics"
	"fasternet/train"
)

// Observes a run, and reads its metrics like Prometheus.
func Example() {
	m := metrics.New("runs/mine")
	options := train.Options{Dir: "runs/mine", Observe: m.Observe} // for train.Run
	options.Observe(train.Status{Progress: train.Progress{Batches: 40}, Loss: 0.5})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range strings.Split(w.Body.String(), "\n") {
		if strings.HasPrefix(line, "fasternet_batches_total") || strings.HasPrefix(line, "fasternet_loss") {
			fmt.Println(line)
		}
	}
	// Output:
	// fasternet_batches_total 40
	// fasternet_loss 0.5
}

func scrape(t *testing.T, m *metrics.Run) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	text, _ := io.ReadAll(w.Body)
	values := map[string]float64{}
	for _, line := range strings.Split(string(text), "\n") {
		var name string
		var v float64
		if n, _ := fmt.Sscan(line, &name, &v); n == 2 && strings.HasPrefix(name, "fasternet_") {
			values[name] = v
		}
	}
	return values
}

func TestMetrics(t *testing.T) {
	dir := t.TempDir()
	m := metrics.New(dir)
	if got := scrape(t, m); len(got) != 0 {
		t.Errorf("before the first step: %v", got)
	}
	s := train.Status{
		Progress: train.Progress{Epoch: 2, Step: 5, Batches: 25, Updates: 12}, Epochs: 4, Steps: 10,
		Loss:     1.5,
		LR:       1e-3,
		GradNorm: 2,
		Speed:    300,
		Images:   400,
		Waited:   500 * time.Millisecond,
		Trained:  4 * time.Second,
	}
	m.Observe(s)
	got := scrape(t, m)
	for _, c := range []struct {
		name string
		want float64
	}{
		{"epoch", 2.5}, {"epochs", 4}, {"batches_total", 25}, {"updates_total", 12}, {"images_total", 400},
		{"loss", 1.5}, {"learning_rate", 1e-3},
		{"gradient_norm", 2}, {"images_per_second", 300}, {"data_wait_seconds_total", 0.5}, {"train_seconds_total", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			if v, ok := got["fasternet_"+c.name]; !ok || v != c.want {
				t.Errorf("%s = %v (%v), want %v", c.name, v, ok, c.want)
			}
		})
	}
	if len(got) != 11 {
		t.Errorf("without evaluation and checkpoint: %v", got)
	}
	s.Last = train.Score{Result: eval.Result{Top1: 80, Loss: 0.7}}
	s.Best, s.Remaining = &train.Score{Result: eval.Result{Top1: 90}}, time.Minute
	m.Observe(s)
	path := filepath.Join(dir, "checkpoints", checkpoints.Last)
	old := time.Now().Add(-time.Hour)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	got = scrape(t, m)
	if got["fasternet_eval_top1_percent"] != 80 ||
		got["fasternet_best_top1_percent"] != 90 ||
		got["fasternet_eval_loss"] != 0.7 ||
		got["fasternet_remaining_seconds"] != 60 {
		t.Errorf("after an evaluation: %v", got)
	}
	if age := got["fasternet_checkpoint_age_seconds"]; age < 3599 || age > 7200 {
		t.Errorf("the checkpoint is %v seconds old", age)
	}
}

// The memory after a garbage collection, goroutines, open files and the memory of the process show
// whether a run takes more and more.
func TestMetricsOfTheProcess(t *testing.T) {
	runtime.GC()
	w := httptest.NewRecorder()
	metrics.New(t.TempDir()).Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, name := range []string{"go_gc_heap_live_bytes", "go_goroutines"} {
		var v float64
		for _, line := range strings.Split(w.Body.String(), "\n") {
			if strings.HasPrefix(line, name+" ") {
				fmt.Sscan(strings.TrimPrefix(line, name), &v)
			}
		}
		if v < 1 {
			t.Errorf("%s = %v", name, v)
		}
	}
}
