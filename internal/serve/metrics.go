package serve

import (
	"net/http"
	"time"

	"fasternet/infer"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// counters are the metrics of a server.
type counters struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec   // by model, code
	refused  *prometheus.CounterVec   // by reason
	images   *prometheus.CounterVec   // by model
	reloads  *prometheus.CounterVec   // by model, result
	seconds  *prometheus.HistogramVec // by model
	stages   *prometheus.HistogramVec // by model, stage
	batches  *prometheus.HistogramVec // by model
}

func (s *Server) newCounters() *counters {
	const prefix = "fasternet_serve_"
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		o := prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}
		return prometheus.NewHistogramVec(o, labels)
	}
	times := prometheus.ExponentialBuckets(0.0005, 2, 16) // 0.5 ms to 16 s
	c := &counters{
		registry: prometheus.NewRegistry(),
		requests: counter("requests_total",
			"Answered requests for inference, by the status of the answer; 499 if the client closed the connection.",
			"model", "code"),
		refused: counter("refused_total",
			"Requests refused with 503, by the limit: queue, bodies or time.",
			"reason"),
		images: counter("images_total",
			"Computed images.",
			"model"),
		reloads: counter("reloads_total",
			"Changed files of models: taken, or failed and ignored.",
			"model", "result"),
		seconds: histogram("request_seconds",
			"Time from the header of a request to its answer, for requests answered with 200.",
			times, "model"),
		stages: histogram("stage_seconds",
			"Time of an image in each stage: decode, resize (with crop and normalisation), wait, "+
				"network (the time of its batch).",
			times, "model", "stage"),
		batches: histogram("batch_images",
			"Images in the batch of each computed image.",
			[]float64{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64}, "model"),
	}
	c.registry.MustRegister(c.requests, c.refused, c.images, c.reloads, c.seconds, c.stages, c.batches,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, labels prometheus.Labels, value func() float64) {
		o := prometheus.GaugeOpts{Name: prefix + name, Help: help, ConstLabels: labels}
		c.registry.MustRegister(prometheus.NewGaugeFunc(o, value))
	}
	gauge("body_bytes", "Memory for bodies of requests in progress.", nil, func() float64 {
		return float64(s.bodies.used.Load())
	})
	for _, e := range s.entries {
		labels := prometheus.Labels{"model": e.name}
		gauge("queue_images", "Images of requests in progress.", labels, func() float64 {
			return float64(e.admission.now.Load())
		})
		gauge("queue_limit_images", "Images above which requests are refused.", labels, func() float64 {
			return float64(e.admission.most)
		})
		gauge("loaded_timestamp_seconds", "When the model was read.", labels, func() float64 {
			return float64(e.loaded.Load())
		})
		for _, reason := range []string{"taken", "failed"} { // so that both exist from the beginning
			c.reloads.WithLabelValues(e.name, reason)
		}
		c.requests.WithLabelValues(e.name, "200")
		c.images.WithLabelValues(e.name)
	}
	for _, reason := range []string{"queue", "bodies", "time"} {
		c.refused.WithLabelValues(reason)
	}
	return c
}

func (c *counters) handler() http.Handler {
	return promhttp.HandlerFor(c.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// computed counts the images of a request.
func (c *counters) computed(model string, out []infer.Output, took time.Duration) {
	c.images.WithLabelValues(model).Add(float64(len(out)))
	c.seconds.WithLabelValues(model).Observe(took.Seconds())
	for i := range out {
		t := &out[i].Times
		for _, stage := range []struct {
			name string
			took time.Duration
		}{{"decode", t.Decode}, {"resize", t.Resize}, {"wait", t.Wait}, {"network", t.Network}} {
			c.stages.WithLabelValues(model, stage.name).Observe(stage.took.Seconds())
		}
		c.batches.WithLabelValues(model).Observe(float64(t.Batch))
	}
}
