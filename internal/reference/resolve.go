package reference

import (
	"errors"
	"fmt"
	"sync"
)

// ErrNoFetcher says that the program cannot download weights.
var ErrNoFetcher = errors.New("this program does not download weights: " +
	"download them with fasternet-train weights fetch, and name the file; a Go program can import infer/fetch")

var fetcher struct {
	sync.Mutex
	fetch func(reference string) (path string, err error)
}

// Use sets the function that downloads weights in this process and returns their path.
func Use(fetch func(reference string) (path string, err error)) {
	fetcher.Lock()
	defer fetcher.Unlock()
	fetcher.fetch = fetch
}

// Resolve returns the path of the weights that a reference names, and downloads them if needed. It
// returns any other path unchanged. Every path of weights from a user goes through it.
func Resolve(path string) (string, error) {
	if !IsReference(path) {
		return path, nil
	}
	if _, err := Parse(path); err != nil {
		return "", err
	}
	fetcher.Lock()
	fetch := fetcher.fetch
	fetcher.Unlock()
	if fetch == nil {
		return "", fmt.Errorf("%s: %w", path, ErrNoFetcher)
	}
	return fetch(path)
}
