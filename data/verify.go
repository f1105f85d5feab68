package data

import (
	"context"
	"fmt"
	"runtime"
	"sync"
)

// Broken is a sample that cannot be used.
type Broken struct {
	Index int
	Name  string
	Err   error
}

// Verify decodes every sample of a dataset and returns those that cannot be
// decoded or whose label is not one of the classes, in their order. It is stricter
// than training: of a JPEG file all coded data must be valid. progress may be nil.
func Verify(ctx context.Context, ds Dataset, workers int, progress func(done, total int)) ([]Broken, error) {
	n := ds.Len()
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	found := make([]error, n)
	var mu sync.Mutex
	next, done := 0, 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= n && ctx.Err() == nil
	}
	var group sync.WaitGroup
	for range min(workers, n) {
		group.Go(func() {
			var buf []byte
			for i, ok := take(); ok; i, ok = take() {
				buf, found[i] = verifySample(ds, i, buf)
				mu.Lock()
				if done++; progress != nil {
					progress(done, n)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var broken []Broken
	for i, err := range found {
		if err != nil {
			broken = append(broken, Broken{i, ds.Name(i), err})
		}
	}
	return broken, nil
}

func verifySample(ds Dataset, i int, buf []byte) ([]byte, error) {
	if l := ds.Label(i); l < 0 || l >= len(ds.Classes()) {
		return buf, fmt.Errorf("data: %s: label %d is not one of the %d classes", ds.Name(i), l, len(ds.Classes()))
	}
	content, ok, err := Encoded(ds, i, buf)
	switch {
	case err != nil:
		return buf, err
	case !ok:
		_, err := ds.Image(i)
		return buf, err
	}
	if _, err = Decode(content); err == nil && sniff(content) == "jpg" {
		err = strictJPEG(content)
	}
	if err != nil {
		err = fmt.Errorf("data: %s: %w", ds.Name(i), err)
	}
	return content[:0], err
}
