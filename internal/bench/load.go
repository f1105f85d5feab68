package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Load says how to ask a server for the classes of images.
type Load struct {
	URL     string
	Token   string   // "" for none
	Bodies  [][]byte // image files that the clients send in turn
	Clients int      // each sends its next request as soon as it has an answer
	Seconds float64  // time to measure, after Warmup
	Warmup  float64
}

// LoadResult is the result of a Load.
type LoadResult struct {
	Clients int     `json:"clients"`
	Seconds float64 `json:"seconds"`
	Images  int     `json:"images"` // answered with status 200
	ImgPerS float64 `json:"img_per_s"`
	P50MS   float64 `json:"p50_ms"` // from the first byte sent to the last received, for these
	P90MS   float64 `json:"p90_ms"`
	P99MS   float64 `json:"p99_ms"`
	MostMS  float64 `json:"max_ms"`
	Refused int     `json:"refused"` // answered with status 503
}

// pause is how long a client waits after a refusal. It is less than the server asks for, so that the
// server stays overloaded.
const pause = 20 * time.Millisecond

// Run sends the requests. A status other than 200 and 503 is an error.
func (l Load) Run(ctx context.Context) (LoadResult, error) {
	warmup, timed := time.Duration(l.Warmup*float64(time.Second)), time.Duration(l.Seconds*float64(time.Second))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client := &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: l.Clients,
			MaxConnsPerHost:     l.Clients,
			DisableCompression:  true,
		},
	}
	defer client.CloseIdleConnections()
	began := time.Now()
	from, to := began.Add(warmup), began.Add(warmup+timed)
	var mu sync.Mutex
	var times []float64
	r := LoadResult{Clients: l.Clients, Seconds: l.Seconds}
	var all sync.WaitGroup
	for c := range l.Clients {
		all.Go(func() {
			for n := c; time.Now().Before(to) && ctx.Err() == nil; n++ {
				start := time.Now()
				status, err := l.ask(ctx, client, l.Bodies[n%len(l.Bodies)])
				end := time.Now()
				if err != nil {
					cancel(err)
					return
				}
				if end.After(from) && end.Before(to) {
					mu.Lock()
					if status == http.StatusOK {
						times = append(times, milliseconds(end.Sub(start)))
					} else {
						r.Refused++
					}
					mu.Unlock()
				}
				if status != http.StatusOK {
					time.Sleep(pause)
				}
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return r, err
	}
	if len(times) == 0 {
		return r, errors.New("the server answered no request with 200 in that time: " +
			"try more --seconds, or fewer clients")
	}
	slices.Sort(times)
	r.Images, r.ImgPerS = len(times), float64(len(times))/l.Seconds
	r.P50MS = quantile(times, 0.5)
	r.P90MS = quantile(times, 0.9)
	r.P99MS = quantile(times, 0.99)
	r.MostMS = times[len(times)-1]
	return r, nil
}

func (l Load) ask(ctx context.Context, client *http.Client, body []byte) (status int, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	q.Header.Set("Content-Type", "application/octet-stream")
	if l.Token != "" {
		q.Header.Set("Authorization", "Bearer "+l.Token)
	}
	reply, err := client.Do(q)
	if err != nil {
		return 0, err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	if err != nil {
		return 0, err
	}
	if reply.StatusCode != http.StatusOK && reply.StatusCode != http.StatusServiceUnavailable {
		return 0, fmt.Errorf("the server answers %s: %.200s", reply.Status, text)
	}
	return reply.StatusCode, nil
}
