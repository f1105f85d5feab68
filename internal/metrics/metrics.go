// Package metrics reports a run to Prometheus: its progress, its losses, its speed, and the age of
// its last checkpoint.
package metrics

import (
	"net/http"
	"os"
	"regexp"
	"sync"
	"time"

	"fasternet/checkpoints"
	"fasternet/train"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Run collects the metrics of a run. Pass Observe to train.Options.
type Run struct {
	last func() (time.Time, bool) // returns when the last checkpoint was written

	mu     sync.Mutex
	status train.Status
	began  bool
}

// New makes the metrics of the run in a folder, which need not exist yet.
func New(dir string) *Run {
	f := checkpoints.Folder{Dir: train.CheckpointDir(dir)}
	return &Run{last: func() (time.Time, bool) {
		info, err := os.Stat(f.Path(checkpoints.Last))
		if err != nil {
			return time.Time{}, false
		}
		return info.ModTime(), true
	}}
}

// Observe takes the state of the run. It never waits for a scrape.
func (r *Run) Observe(s train.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.began = s, true
}

// Handler serves the metrics, with Go's and the process's own, at /metrics.
func (r *Run) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(r, goCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("metrics for Prometheus: /metrics\n")) // the client may be gone
	})
	return mux
}

// liveHeap is the memory in use at the last garbage collection. It shows whether memory grows; the
// size of the heap between two collections does not.
var liveHeap = collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/heap/live:bytes$`)}

func goCollector() prometheus.Collector {
	return collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(liveHeap))
}

// metric is a value of the status.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(s train.Status) (v float64, known bool)
}

func define(name, help string, kind prometheus.ValueType, value func(s train.Status) (float64, bool)) metric {
	return metric{prometheus.NewDesc("fasternet_"+name, help, nil, nil), kind, value}
}

func always(value func(s train.Status) float64) func(s train.Status) (float64, bool) {
	return func(s train.Status) (float64, bool) { return value(s), true }
}

// evaluated returns a value of the last evaluation, if there was one.
func evaluated(value func(s train.Score) float64) func(s train.Status) (float64, bool) {
	return func(s train.Status) (float64, bool) { return value(s.Last), s.Best != nil }
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

var all = []metric{
	define("epoch", "Finished epochs, with the part of the epoch in progress.", gauge,
		always(func(s train.Status) float64 {
			return float64(s.Epoch) + float64(s.Step)/float64(max(s.Steps, 1))
		})),
	define("epochs", "Epochs of the run.", gauge,
		always(func(s train.Status) float64 { return float64(s.Epochs) })),
	define("batches_total", "Finished batches of the run, including earlier processes.", counter,
		always(func(s train.Status) float64 { return float64(s.Batches) })),
	define("updates_total", "Updates of the weights, including earlier processes.", counter,
		always(func(s train.Status) float64 { return float64(s.Updates) })),
	define("images_total", "Images that this process has trained on.", counter,
		always(func(s train.Status) float64 { return float64(s.Images) })),
	define("loss", "Training loss since the last record of the log.", gauge,
		always(func(s train.Status) float64 { return s.Loss })),
	define("learning_rate", "Learning rate.", gauge,
		always(func(s train.Status) float64 { return s.LR })),
	define("gradient_norm", "L2 norm of all gradients before clipping.", gauge,
		always(func(s train.Status) float64 { return s.GradNorm })),
	define("images_per_second", "Speed of training since the last record of the log.", gauge,
		always(func(s train.Status) float64 { return s.Speed })),
	define("data_wait_seconds_total", "Time that this process has waited for images.", counter,
		always(func(s train.Status) float64 { return s.Waited.Seconds() })),
	define("train_seconds_total", "Time that this process has trained, without evaluations.", counter,
		always(func(s train.Status) float64 { return s.Trained.Seconds() })),
	define("remaining_seconds", "Estimated time to the end of the run.", gauge,
		func(s train.Status) (float64, bool) { return s.Remaining.Seconds(), s.Remaining > 0 }),
	define("eval_loss", "Loss on the validation images, at the last evaluation.", gauge,
		evaluated(func(s train.Score) float64 { return s.Loss })),
	define("eval_top1_percent",
		"Top-1 accuracy on the validation images, at the last evaluation; 0 in pre-training and for task multilabel.",
		gauge, evaluated(func(s train.Score) float64 { return s.Top1 })),
	define("eval_map_percent",
		"Mean average precision over the labels of the validation images, at the last evaluation; "+
			"only for task multilabel, else 0.",
		gauge, evaluated(func(s train.Score) float64 { return s.MAP })),
	define("best_top1_percent",
		"Top-1 accuracy of the best checkpoint; 0 in pre-training and for task multilabel.",
		gauge, func(s train.Status) (float64, bool) {
			if s.Best == nil {
				return 0, false
			}
			return s.Best.Top1, true
		}),
}

var checkpointAge = prometheus.NewDesc("fasternet_checkpoint_age_seconds",
	"Time since the last checkpoint was written.", nil, nil)

// Describe implements prometheus.Collector.
func (r *Run) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range all {
		ch <- m.desc
	}
	ch <- checkpointAge
}

// Collect implements prometheus.Collector.
func (r *Run) Collect(ch chan<- prometheus.Metric) {
	r.mu.Lock()
	s, began := r.status, r.began
	r.mu.Unlock()
	if began {
		for _, m := range all {
			if v, known := m.value(s); known {
				ch <- prometheus.MustNewConstMetric(m.desc, m.kind, v)
			}
		}
	}
	if at, known := r.last(); known {
		ch <- prometheus.MustNewConstMetric(checkpointAge, gauge, time.Since(at).Seconds())
	}
}
