package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"fasternet/checkpoints"
	"fasternet/infer"
	"fasternet/internal/localhttp"
	"fasternet/internal/printable"
	"fasternet/internal/serve"
	"fasternet/train"

	"github.com/spf13/cobra"
)

// TokenVariable is the environment variable with the token that clients of serve need.
const TokenVariable = "FASTERNET_TOKEN"

// serving holds the options of serve.
type serving struct {
	address, precision, tokenFile, certFile, keyFile      string
	threads, maxBatch, topk, queue, bodyMB, allMB, pixels int
	maxDelay, timeout, drain, drainDelay, reload          time.Duration
	logAll                                                bool
	models                                                []serve.Named
	token                                                 string
}

func serveCommand() *cobra.Command {
	var s serving
	c := &cobra.Command{
		Use:   "serve MODEL...",
		Short: "Serve classes, logits and features over HTTP",
		Long: `Serve models over HTTP. A MODEL is the folder of a run (its best checkpoint), a checkpoint, an
export (.safetensors, .onnx), or weights that describe their model, such as a folder of timm.
NAME=MODEL gives it a name; otherwise it has the name of its file or run.

POST /classify, /logits and /features take the content of an image file, a form with files, or
JSON {"images": ["BASE64", ...]}; ?model=NAME chooses the model, and ?topk=N the number of classes. /v2
speaks version 2 of the Open Inference Protocol, for the clients of KServe and Triton: one of the
inputs "image" (BYTES, image files), "input" (FP32 [n, channels, size, size], prepared) or "pixels"
(UINT8 [n, height, width, channels]), and the outputs "logits", "probabilities" and "features",
in JSON or as binary tensors. / is a page where you drop images, /metrics is for Prometheus, and
/v2/health/live and /v2/health/ready are for probes.

Images that wait at the same time share a batch of at most --max-batch. An image that arrives
while nothing is computed never waits. The header Server-Timing of each answer has the times of
decoding, resizing, waiting and the model.

A request is refused with 503 and Retry-After above --queue images of a model, above
--max-body-total of bodies in memory, or after --timeout. A changed model file is read again, and
replaces the old model once it works; requests in progress finish with the old one. SIGTERM and
SIGINT let requests in progress finish, for at most --drain.

When it is ready, it prints a JSON object on standard output: url, and models, the names.

It listens only on this machine unless --addr has a different host. If --token-file or the environment
variable ` + TokenVariable + ` has a token, clients need it for everything except the page and the health
probes: "Authorization: Bearer TOKEN".`,
		Example: `  fasternet-train serve runs/flowers
  curl --data-binary @rose.jpg http://127.0.0.1:8000/classify
  fasternet-train serve small=runs/t0 large=runs/swin --addr 0.0.0.0:8000 --token-file token.txt
  fasternet-train serve t0.onnx --addr :8443 --tls-cert cert.pem --tls-key key.pem --precision auto`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.check(args); err != nil {
				return usageError{err}
			}
			return s.run(cmd.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&s.address, "addr", "127.0.0.1:8000",
		"listen at this `address`; 0.0.0.0:8000 for all networks of the machine")
	f.IntVar(&s.threads, "threads", 0, "threads of each model; 0 for one per processor")
	f.IntVar(&s.maxBatch, "max-batch", 16, fmt.Sprintf("most `images` in a batch, up to %d", infer.MostBatch))
	f.DurationVar(&s.maxDelay, "max-delay", 0,
		"how long an image waits for others that are being decoded; 0: not at all")
	f.StringVar(&s.precision, "precision", "fp32",
		"`format` of matrix products: fp32, bf16, or auto for bf16 if the processor has it")
	f.IntVar(&s.topk, "topk", 5, "classes per image, unless the request has topk")
	f.IntVar(&s.queue, "queue", 128, "most `images` in progress per model; more are refused")
	f.IntVar(&s.bodyMB, "max-body", 16, "largest body of a request in `MB`, after decompression")
	f.IntVar(&s.allMB, "max-body-total", 256, "largest memory for the bodies of all requests in `MB`")
	f.IntVar(&s.pixels, "max-pixels", 50_000_000, "largest image in pixels; decoding takes about 8 bytes per pixel")
	f.DurationVar(&s.timeout, "timeout", 30*time.Second, "longest time for a request")
	f.DurationVar(&s.drain, "drain", 30*time.Second, "after SIGTERM: longest time for requests in progress")
	f.DurationVar(&s.drainDelay, "drain-delay", 0,
		"after SIGTERM: continue for this time but report not ready, so that a load balancer notices")
	f.DurationVar(&s.reload, "reload", 2*time.Second, "time between checks for changed model files; 0 for never")
	f.StringVar(&s.tokenFile, "token-file", "",
		"`FILE` with the token that clients need (or the environment variable "+TokenVariable+")")
	f.StringVar(&s.certFile, "tls-cert", "", "`FILE` with the certificate for TLS, in PEM")
	f.StringVar(&s.keyFile, "tls-key", "", "`FILE` with the key of the certificate")
	f.BoolVar(&s.logAll, "log-requests", false, "log a line for every request, with its times")
	return c
}

// check reads the arguments and finds errors before any model is read.
func (s *serving) check(args []string) error {
	if _, err := localhttp.Address(s.address); err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	for _, o := range []struct {
		name        string
		value, most int
	}{
		{"--topk", s.topk, 1 << 30},
		{"--queue", s.queue, 1 << 20},
		{"--max-body", s.bodyMB, 4096},
		{"--max-body-total", s.allMB, 1 << 20},
	} {
		if o.value < 1 || o.value > o.most {
			return fmt.Errorf("%s: want 1 to %d, got %d", o.name, o.most, o.value)
		}
	}
	if s.allMB < s.bodyMB {
		return fmt.Errorf("--max-body-total: want at least --max-body, %d MB, got %d", s.bodyMB, s.allMB)
	}
	for _, o := range []struct {
		name        string
		value, from time.Duration
	}{
		{"--timeout", s.timeout, time.Millisecond},
		{"--drain", s.drain, 0},
		{"--drain-delay", s.drainDelay, 0},
		{"--reload", s.reload, 0},
	} {
		if o.value < o.from || o.value > 24*time.Hour {
			return fmt.Errorf("%s: want %v to 24h, got %v", o.name, o.from, o.value)
		}
	}
	if (s.certFile == "") != (s.keyFile == "") {
		return errors.New("--tls-cert and --tls-key: give both or none")
	}
	if err := s.readToken(); err != nil {
		return err
	}
	s.models = nil
	for _, a := range args {
		s.models = append(s.models, namedModel(a))
	}
	return serve.CheckNames(s.models)
}

// readToken finds the token. A token that cannot be sent in a header is an error, and so is an empty file: a
// server that should be closed would be open.
func (s *serving) readToken() error {
	token, set := os.LookupEnv(TokenVariable)
	where := TokenVariable
	if s.tokenFile != "" {
		text, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
		token, set, where = string(text), true, s.tokenFile
	}
	s.token = strings.TrimSpace(token)
	switch {
	case set && s.token == "":
		return fmt.Errorf("%s: the token is empty", where)
	case !regexp.MustCompile(`^[!-~]*$`).MatchString(s.token):
		return fmt.Errorf("%s: want a token of ASCII letters, digits and punctuation, on one line", where)
	}
	return nil
}

// namedModel returns a model on the command line: NAME=PATH, or a path, whose run or file gives the name.
func namedModel(arg string) serve.Named {
	name, path, ok := strings.Cut(arg, "=")
	if _, err := os.Stat(arg); ok && err != nil && name != "" && !strings.ContainsAny(name, `/\`) {
		return serve.Named{Name: name, Path: path}
	}
	whole, err := filepath.Abs(arg)
	if err != nil {
		whole = filepath.Clean(arg)
	}
	name = filepath.Base(whole)
	dir := filepath.Dir(whole)
	if filepath.Base(dir) == "checkpoints" && (name == checkpoints.Best || name == checkpoints.Last) {
		name = filepath.Base(filepath.Dir(dir))
	} else if info, err := os.Stat(arg); err == nil && !info.IsDir() {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	return serve.Named{Name: regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(name, "-"), Path: arg}
}

// open opens a model with the options.
func (s *serving) open(show *train.Display, path string) (*infer.Model, error) {
	return infer.Open(path,
		infer.Threads(s.threads),
		infer.MaxBatch(s.maxBatch),
		infer.MaxDelay(s.maxDelay),
		infer.Precision(s.precision),
		infer.MaxPixels(s.pixels),
		infer.Notes(func(note string) { show.Line("%s: note: %s", path, note) }))
}

func (s *serving) run(ctx context.Context) error {
	show := display()
	open := func(path string) (*infer.Model, error) {
		m, err := s.open(show, path)
		if err == nil {
			i := m.Info()
			show.Line("%s: %s, %d classes, %d features, %s; %s, %s",
				i.File, i.Architecture, i.Classes, i.Features, i.Preprocessing, i.Kernels,
				printable.Count(i.Threads, "thread"))
		}
		return m, err
	}
	server, err := serve.New(serve.Options{
		Models:    s.models,
		Open:      open,
		MaxBody:   int64(s.bodyMB) * 1e6,
		MaxBodies: int64(s.allMB) * 1e6,
		Queue:     s.queue,
		Timeout:   s.timeout,
		TopK:      s.topk,
		Token:     s.token,
		Reload:    s.reload,
		LogAll:    s.logAll,
		Version:   version,
		Log:       func(format string, args ...any) { show.Line(format, args...) },
	})
	if errors.As(err, new(*infer.OptionError)) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	address, err := localhttp.Address(s.address)
	if err != nil {
		return err
	}
	listening, err := serve.Listen(address, s.certFile, s.keyFile, server)
	if err != nil {
		server.Close()
		return err
	}
	finishes("the requests in progress")
	scheme, note := "http", ""
	if s.certFile != "" {
		scheme = "https"
	}
	if localhttp.Open(address) && s.token == "" {
		note = " (no token: anybody who can reach this address can use it)"
	}
	url := scheme + "://" + listening.Address() + "/"
	var names []string
	for _, m := range s.models {
		names = append(names, m.Name)
	}
	show.Line("serving %s at %s%s", strings.Join(names, ", "), url, note)
	if err := printJSON(struct {
		URL    string   `json:"url"`
		Models []string `json:"models"`
	}{url, names}); err != nil {
		return errors.Join(err, listening.Stop(ctx))
	}
	var failure error
	select {
	case failure = <-listening.Failed():
	case <-ctx.Done():
		server.Drain()
		time.Sleep(s.drainDelay)
	}
	limit, cancel := context.WithTimeout(context.Background(), s.drain)
	defer cancel()
	return errors.Join(failure, listening.Stop(limit))
}
