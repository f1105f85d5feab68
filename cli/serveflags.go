package cli

import (
	"errors"
	"fmt"
	"net/http"

	"fasternet/internal/localhttp"
	"fasternet/internal/metrics"
	"fasternet/report"
	"fasternet/train"

	"github.com/spf13/cobra"
)

// watching lets people look at a run in progress. It never changes the run.
type watching struct {
	page, metrics string // addresses, or ""

	handler *report.Handler
	run     *metrics.Run
	servers []*localhttp.Server
}

func (w *watching) register(c *cobra.Command) {
	c.Flags().StringVar(&w.page, "serve", "", "show the report at this `address` during the run, e.g. 127.0.0.1:8080")
	c.Flags().StringVar(&w.metrics, "metrics-addr", "",
		"serve Prometheus metrics at this `address` under /metrics, e.g. 127.0.0.1:9090")
}

// start begins to serve. An impossible address is found before any work.
func (w *watching) start(dir string) error {
	show := display()
	if w.page != "" {
		w.handler = report.NewHandler("", dir)
		if err := w.serve(show, "--serve", "report", w.page, "", w.handler); err != nil {
			return err
		}
	}
	if w.metrics != "" {
		w.run = metrics.New(dir)
		return w.serve(show, "--metrics-addr", "metrics", w.metrics, "metrics", w.run.Handler())
	}
	return nil
}

func (w *watching) serve(show *train.Display, option, what, address, path string, h http.Handler) error {
	if _, err := localhttp.Address(address); err != nil {
		return usageError{fmt.Errorf("%s: %w", option, err)}
	}
	s, err := localhttp.Start(address, h)
	if err != nil {
		return fmt.Errorf("%s: %w", option, err)
	}
	w.servers = append(w.servers, s)
	note := ""
	if localhttp.Open(address) {
		note = " (other machines can read it)"
	}
	show.Line("%s: %s%s%s", what, s.URL(), path, note)
	return nil
}

// observe gets every step.
func (w *watching) observe(s train.Status) {
	if w.run != nil {
		w.run.Observe(s)
	}
}

// stop ends it. Open pages get the last state, unless the user is waiting.
func (w *watching) stop(hurry bool) error {
	if w.handler != nil && !hurry {
		w.handler.Finish()
	}
	var errs []error
	for _, s := range w.servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
