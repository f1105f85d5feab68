package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fasternet/infer"
	"fasternet/internal/printable"
)

// Options say what to serve, and set the limits.
type Options struct {
	Models []Named
	// Open opens a model, at the start and when its file has changed.
	Open func(path string) (*infer.Model, error)

	MaxBody   int64         // bytes of a body, after decompression
	MaxBodies int64         // bytes of all bodies that are in memory
	Queue     int           // images of a model that may be in progress or waiting
	Timeout   time.Duration // for a request, from its header on
	TopK      int           // classes for each image, unless the request says it
	Token     string        // clients must send it; "" for none
	Reload    time.Duration // between checks of the files of the models; 0 for never
	LogAll    bool          // log a line for every request
	Version   string        // of the program
	Log       func(format string, args ...any)
}

// Named is a model with its name for clients.
type Named struct{ Name, Path string }

// goodName matches valid names, which become part of addresses and of metrics.
var goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// CheckNames returns an error if a name of a model is not valid.
func CheckNames(models []Named) error {
	if len(models) == 0 {
		return errors.New("want a model")
	}
	for i, m := range models {
		if !goodName.MatchString(m.Name) {
			return fmt.Errorf("the name %q of %s: want at most 128 letters, digits, dots, hyphens and underscores; "+
				"NAME=%[2]s gives it another name", m.Name, m.Path)
		}
		if slices.ContainsFunc(models[:i], func(n Named) bool { return n.Name == m.Name }) {
			return fmt.Errorf("two models have the name %s: NAME=%s gives this one another name", m.Name, m.Path)
		}
	}
	return nil
}

// Server answers requests for inference. It is an [http.Handler].
type Server struct {
	options  Options
	entries  []*entry
	bodies   bodies
	metrics  *counters
	mux      *http.ServeMux
	draining atomic.Bool
	stop     context.CancelFunc
	watching sync.WaitGroup
}

// New opens the models. An error names the model; then no model stays open.
func New(o Options) (*Server, error) {
	if err := CheckNames(o.Models); err != nil {
		return nil, err
	}
	s := &Server{options: o, mux: http.NewServeMux(), bodies: bodies{most: o.MaxBodies}}
	for _, m := range o.Models {
		e := &entry{name: m.Name, path: m.Path, admission: admission{most: int64(o.Queue)}}
		if err := e.load(o.Open); err != nil {
			for _, opened := range s.entries {
				_ = opened.current.Load().Close()
			}
			return nil, fmt.Errorf("model %s: %w", m.Name, err)
		}
		s.entries = append(s.entries, e)
	}
	s.metrics = s.newCounters()
	s.routes()
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	if o.Reload > 0 {
		s.watching.Go(func() { s.watch(ctx, o.Reload) })
	}
	return s, nil
}

// Drain makes the server say that it is not ready, so that it gets no more requests. It still answers
// requests that come.
func (s *Server) Drain() { s.draining.Store(true) }

// Close closes the models, after requests in progress.
func (s *Server) Close() {
	s.stop()
	s.watching.Wait()
	for _, e := range s.entries {
		_ = e.current.Load().Close()
	}
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if s.draining.Load() {
		h.Set("Connection", "close") // the next request goes to another server
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) routes() {
	open := func(pattern string, h http.HandlerFunc) { s.mux.HandleFunc(pattern, h) }
	guarded := func(pattern string, h http.HandlerFunc) { s.mux.HandleFunc(pattern, s.guard(h)) }
	s.pages(open)
	open("GET /v2/health/live", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]bool{"live": true})
	})
	open("GET /v2/health/ready", s.ready)
	guarded("GET /metrics", s.metrics.handler().ServeHTTP)
	guarded("GET /v2", s.about)
	guarded("GET /v2/{$}", s.about)
	guarded("POST /v2/repository/index", s.index)
	for _, version := range []string{"", "/versions/{version}"} {
		at := "/v2/models/{model}" + version
		guarded("GET "+at, s.ofModel(s.describe))
		guarded("GET "+at+"/{$}", s.ofModel(s.describe))
		guarded("GET "+at+"/ready", s.ofModel(s.modelReady))
		guarded("POST "+at+"/infer", s.ofModel(s.inferV2))
	}
	for _, what := range []string{wantClasses, wantLogits, wantFeatures} {
		guarded("POST /"+what, func(w http.ResponseWriter, r *http.Request) { s.simple(w, r, what) })
	}
	open("/", func(w http.ResponseWriter, r *http.Request) {
		status, text := http.StatusNotFound, "there is nothing at "+r.URL.Path
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
			if _, pattern := s.mux.Handler(probe); r.Method != method && pattern != "/" && pattern != "" {
				status, text = http.StatusMethodNotAllowed, "want "+method
				w.Header().Set("Allow", method)
			}
		}
		refuse(w, &failure{status: status, err: errors.New(text)})
	})
}

// find returns the model of a name. Without a name it is the only model, or the first one.
func (s *Server) find(name string) (*entry, error) {
	for _, e := range s.entries {
		if e.name == name || name == "" {
			return e, nil
		}
	}
	var names []string
	for _, e := range s.entries {
		names = append(names, e.name)
	}
	return nil, &failure{
		status: http.StatusNotFound,
		err: fmt.Errorf("there is no model %q; the models are %s",
			printable.Cut(name, 100), strings.Join(names, ", ")),
	}
}

// ofModel finds the model of an address.
func (s *Server) ofModel(h func(w http.ResponseWriter, r *http.Request, e *entry)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e, err := s.find(r.PathValue("model"))
		if v := r.PathValue("version"); err == nil && v != "" && v != theVersion {
			err = &failure{
				status: http.StatusNotFound,
				err: fmt.Errorf("there is no version %q of model %s, only %s",
					printable.Cut(v, 100), e.name, theVersion),
			}
		}
		if err != nil {
			refuse(w, err)
			return
		}
		h(w, r, e)
	}
}

// request is a request for inference in progress.
type request struct {
	in    []infer.Input
	out   []infer.Output
	reply func(m *infer.Model) error // writes the answer; after an error, nothing is written
}

// serve answers a request for inference. understand makes images from the body; they are valid until
// the request is answered.
func (s *Server) serve(
	w http.ResponseWriter, r *http.Request, e *entry, understand func(body []byte) (*request, error),
) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), s.options.Timeout)
	defer cancel()
	q, err := s.process(ctx, w, r, e, began, understand)
	status := http.StatusOK
	if err != nil {
		f := asFailure(err)
		refuse(w, f)
		if status = f.status; f.reason != "" {
			s.metrics.refused.WithLabelValues(f.reason).Inc()
		}
	}
	s.metrics.requests.WithLabelValues(e.name, strconv.Itoa(status)).Inc()
	if s.options.LogAll || status == http.StatusInternalServerError {
		s.logRequest(r, e, q, status, time.Since(began), err)
	}
}

func (s *Server) process(
	ctx context.Context, w http.ResponseWriter, r *http.Request, e *entry, began time.Time,
	understand func(body []byte) (*request, error),
) (*request, error) {
	b, err := s.read(w, r)
	if err != nil {
		return nil, err
	}
	defer s.bodies.put(b) // nothing reads the images after the answer
	q, err := understand(b.bytes)
	if err != nil {
		return nil, err
	}
	if len(q.in) == 0 {
		return nil, bad("the request has no image")
	}
	if err := e.admission.enter(len(q.in)); err != nil {
		return nil, err
	}
	m, err := e.compute(ctx, q.in, q.out)
	e.admission.leave(len(q.in))
	if err != nil {
		if r.Context().Err() != nil {
			err = context.Canceled // the client has closed the connection; there was time left
		}
		return q, err
	}
	took := time.Since(began)
	s.metrics.computed(e.name, q.out, took)
	w.Header().Set("Server-Timing", serverTiming(q.out, took))
	return q, q.reply(m)
}

// slowest returns the times of the image of a request that took longest.
func slowest(out []infer.Output) (t infer.Times) {
	var most time.Duration
	for i := range out {
		o := &out[i].Times
		if sum := o.Decode + o.Resize + o.Wait + o.Network; sum >= most {
			most, t = sum, *o
		}
	}
	return t
}

// serverTiming says how long each stage took. If a request has several images, it takes the slowest
// one.
func serverTiming(out []infer.Output, took time.Duration) string {
	t := slowest(out)
	ms := func(d time.Duration) string { return strconv.FormatFloat(1000*d.Seconds(), 'f', 3, 64) }
	return fmt.Sprintf("decode;dur=%s, resize;dur=%s, wait;dur=%s, network;dur=%s, batch;desc=%d, total;dur=%s",
		ms(t.Decode), ms(t.Resize), ms(t.Wait), ms(t.Network), t.Batch, ms(took))
}

func (s *Server) logRequest(r *http.Request, e *entry, q *request, status int, took time.Duration, err error) {
	text := fmt.Sprintf("%s %s model=%s status=%d total=%.1fms",
		r.Method, r.URL.Path, e.name, status, 1000*took.Seconds())
	if q != nil && err == nil {
		t := slowest(q.out)
		text += fmt.Sprintf(" images=%d batch=%d", len(q.in), t.Batch)
		text += fmt.Sprintf(" decode=%.1fms resize=%.1fms wait=%.1fms network=%.1fms",
			1000*t.Decode.Seconds(), 1000*t.Resize.Seconds(), 1000*t.Wait.Seconds(), 1000*t.Network.Seconds())
	}
	if err != nil {
		text += " error: " + printable.Error(err)
	}
	s.options.Log("%s", text)
}
