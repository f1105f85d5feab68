//go:build linux

package soak

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"fasternet/configs"
	"fasternet/internal/localhttp"
	"fasternet/internal/metrics"
	"fasternet/report"
	"fasternet/train"
)

// jobVariable tells a process of this test to run a job, in JSON.
const jobVariable = "FASTERNET_SOAK_JOB"

// job is a run of NAME.yaml in the folder NAME, for a number of epochs or a time.
type job struct {
	Name   string
	Epochs int           `json:",omitempty"`
	Time   time.Duration `json:",omitempty"`
}

// work runs a job in this process, with the live page and the metrics like the program. It prints their
// addresses, one per line, and at the end its findings. The pages stay until the standard input is closed.
func work(text string) int {
	if err := worked(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func worked(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	config, err := configs.Load(j.Name + ".yaml")
	if err != nil {
		return err
	}
	if j.Epochs > 0 {
		config.Train.Epochs = j.Epochs
	}
	state := metrics.New(j.Name)
	for _, h := range []http.Handler{report.NewHandler("", j.Name), state.Handler()} {
		s, err := localhttp.Start("127.0.0.1:0", h)
		if err != nil {
			return err
		}
		defer s.Close()
		fmt.Println(s.URL())
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	w := &watch{total: j.Time}
	_, err = train.Run(ctx, config, train.Options{Dir: j.Name, Log: os.Stderr, Observe: func(s train.Status) {
		state.Observe(s)
		if j.Time == 0 || s.Step < s.Steps {
			return
		}
		if w.epoch(); w.over() {
			stop()
		}
	}})
	switch {
	case j.Time == 0 && err != nil:
		return err
	case j.Time > 0 && !errors.Is(err, train.ErrInterrupted):
		return fmt.Errorf("the run ended before its time: %w", err)
	case w.err != nil:
		return w.err
	}
	if err := json.NewEncoder(os.Stdout).Encode(w.findings); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// launch runs a job and reads its pages until it ends.
func launch(dir string, j job) (findings, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return findings{}, err
	}
	var log bytes.Buffer
	self, err := os.Executable()
	if err != nil {
		return findings{}, err
	}
	cmd := exec.Command(self)
	cmd.Dir, cmd.Stderr, cmd.Env = dir, &log, append(os.Environ(), jobVariable+"="+string(text))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return findings{}, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return findings{}, err
	}
	if err := cmd.Start(); err != nil {
		return findings{}, err
	}
	lines := bufio.NewScanner(out)
	var addresses []string
	for len(addresses) < 2 && lines.Scan() {
		addresses = append(addresses, lines.Text())
	}
	ctx, stop := context.WithCancel(context.Background())
	polled := make(chan error, 1)
	if len(addresses) < 2 { // the job has failed
		polled <- nil
	} else {
		go func() { polled <- poll(ctx, addresses) }()
	}
	lines.Scan()
	stop()
	err = errors.Join(<-polled, in.Close(), cmd.Wait())
	var found findings
	if err == nil {
		err = json.Unmarshal(lines.Bytes(), &found)
	}
	if err != nil {
		tail := log.String()
		return found, fmt.Errorf("%w\n%s", err, tail[max(0, len(tail)-2000):])
	}
	return found, nil
}

// poll reads the page like an open browser, every two seconds, sometimes like a new one, and reads the
// metrics.
func poll(ctx context.Context, addresses []string) error {
	client := http.Client{Timeout: time.Minute}
	tag := ""
	get := func(url string) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		request.Header.Set("If-None-Match", tag)
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if t := answer.Header.Get("ETag"); t != "" {
			tag = t
		}
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	for i := 0; ; i++ {
		urls := []string{addresses[0] + "content", addresses[1] + "metrics"}
		if i%30 == 0 {
			urls = append(urls, addresses[0])
		}
		for _, url := range urls {
			err := get(url)
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the run is over
			}
			if err != nil {
				return fmt.Errorf("%s: %w", strings.TrimPrefix(url, "http://"), err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(2 * time.Second):
		}
	}
}
