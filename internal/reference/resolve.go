package reference

import (
	"errors"
	"fmt"
	"sync"
)

// ErrNoFetcher says that the program has nobody who fetches weights.
var ErrNoFetcher = errors.New("this program does not fetch weights: fetch them with fasternet-train weights fetch, and name the file; a program in Go imports infer/fetch")

var fetcher struct {
	sync.Mutex
	fetch func(reference string) (path string, err error)
}

// Use sets who fetches weights in this process, and gives the path where they are.
func Use(fetch func(reference string) (path string, err error)) {
	fetcher.Lock()
	defer fetcher.Unlock()
	fetcher.fetch = fetch
}

// Resolve is the path of the weights that a reference names, which are fetched if they are not
// there. Any other path stays as it is. The whole program comes here with what a user names as
// weights.
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
