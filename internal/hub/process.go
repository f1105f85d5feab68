package hub

import (
	"context"
	"sync"
	"time"

	"fasternet/internal/reference"
)

// process is the client of this process, and what it has fetched: a reference means the same as
// long as the process runs.
var process struct {
	sync.Mutex
	ctx     context.Context //nolint:containedctx // of the process
	make    func() (*Client, error)
	client  *Client
	fetched map[string]Fetched
	failed  map[string]failure
}

// failure is a reference that could not be fetched a moment ago. Who asks again at once, since
// several parts of a command need the same weights, gets the same error.
type failure struct {
	err error
	at  time.Time
}

const moment = 30 * time.Second

// Use has this process fetch weights with a client that create makes at first use, whenever
// somebody names a reference ([reference.Resolve]). The end of the context ends downloads.
func Use(ctx context.Context, create func() (*Client, error)) {
	process.Lock()
	defer process.Unlock()
	process.ctx, process.make, process.client = ctx, create, nil
	process.fetched, process.failed = map[string]Fetched{}, map[string]failure{}
	reference.Use(func(text string) (string, error) {
		f, err := Fetch(text)
		return f.Weights, err
	})
}

// Fetch is [Client.Fetch] of the client of this process.
func Fetch(text string) (Fetched, error) {
	process.Lock()
	defer process.Unlock()
	if f, ok := process.fetched[text]; ok {
		return f, nil
	}
	if err := connect(); err != nil {
		return Fetched{}, err
	}
	if f, ok := process.failed[text]; ok && time.Since(f.at) < moment {
		return Fetched{}, f.err
	}
	f, err := process.client.Fetch(process.ctx, text)
	if err != nil {
		process.failed[text] = failure{err, time.Now()}
		return Fetched{}, err
	}
	process.fetched[text] = f
	return f, nil
}

// connect makes the client, unless it is there.
func connect() (err error) {
	if process.client == nil {
		process.client, err = process.make()
	}
	return err
}

// InCache says whether weights can be had without asking any host.
func InCache(text string) bool {
	r, err := reference.Parse(text)
	if err != nil {
		return false
	}
	process.Lock()
	defer process.Unlock()
	if connect() != nil {
		return false
	}
	if r.URL != "" {
		return process.client.place(r).whole()
	}
	_, there := process.client.cached(r)
	return there
}

// List is [Client.List] of the client of this process, and the folders of its caches.
func List() (c Contents, folders []string, err error) {
	process.Lock()
	defer process.Unlock()
	if err := connect(); err != nil {
		return c, nil, err
	}
	s := process.client.settings
	return process.client.List(), []string{s.Cache, s.URLCache}, nil
}
