package data

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"fasternet/data/picture"
)

// Broken is a sample that cannot be used.
type Broken struct {
	Index int
	Name  string
	Err   error
}

// Sized is a sample of an unusual size.
type Sized struct {
	Index         int
	Name          string
	Height, Width int
}

// VerifyOptions says what [Verify] looks for. The zero value only decodes.
type VerifyOptions struct {
	Workers   int  // goroutines; 0 means GOMAXPROCS
	MinSide   int  // images with a shorter side are tiny; 0 for none
	MaxPixels int  // images with more pixels are huge; 0 for none
	Copies    bool // keep digests of the contents for [FindCopies]: 16 bytes per sample
	Progress  func(done, total int)
}

// Verified is what [Verify] found in a dataset, in the order of the samples.
type Verified struct {
	Dataset
	Broken     []Broken
	Tiny, Huge []Sized
	Traits     Traits
	digests    []digest // of each sample; zero for broken ones
}

// Verify decodes every sample of a dataset. It finds samples that cannot be decoded, that
// have a label which is not one of the classes, or that have an unusual size. It is stricter
// than training: in a JPEG file all coded data must be valid. A bad sample is a result, not
// an error.
func Verify(ctx context.Context, ds Dataset, o VerifyOptions) (*Verified, error) {
	n := ds.Len()
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	v := &verification{VerifyOptions: o, ds: ds}
	if o.Copies {
		v.digests = make([]digest, n)
	}
	var group sync.WaitGroup
	for range min(o.Workers, n) {
		group.Go(func() {
			var buf []byte
			for i, ok := v.take(ctx); ok; i, ok = v.take(ctx) {
				var m *picture.Image
				var err error
				var t Traits
				m, t, buf, err = verifySample(ds, i, buf)
				v.found(i, m, t, err)
			}
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return v.verified(), nil
}

// verification is the state of a running [Verify].
type verification struct {
	VerifyOptions
	ds      Dataset
	digests []digest // the goroutine that takes a sample writes its digest

	mu         sync.Mutex
	next, done int
	broken     map[int]error
	tiny, huge map[int][2]int // height and width
	traits     Traits
}

func (v *verification) take(ctx context.Context) (int, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.next++
	return v.next - 1, v.next <= v.ds.Len() && ctx.Err() == nil
}

// found remembers the result for a sample.
func (v *verification) found(i int, m *picture.Image, t Traits, err error) {
	if err == nil && v.Copies {
		v.digests[i] = digestOf(m)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.traits.add(t)
	switch {
	case err != nil:
		put(&v.broken, i, err)
	case min(m.Height, m.Width) < v.MinSide:
		put(&v.tiny, i, [2]int{m.Height, m.Width})
	case v.MaxPixels > 0 && m.Height*m.Width > v.MaxPixels:
		put(&v.huge, i, [2]int{m.Height, m.Width})
	}
	if v.done++; v.Progress != nil {
		v.Progress(v.done, v.ds.Len())
	}
}

func put[V any](m *map[int]V, i int, v V) {
	if *m == nil {
		*m = map[int]V{}
	}
	(*m)[i] = v
}

// verified sorts the results by sample.
func (v *verification) verified() *Verified {
	out := &Verified{Dataset: v.ds, digests: v.digests, Traits: v.traits}
	for i := range v.ds.Len() {
		if err := v.broken[i]; err != nil {
			out.Broken = append(out.Broken, Broken{i, v.ds.Name(i), err})
		}
		if s, ok := v.tiny[i]; ok {
			out.Tiny = append(out.Tiny, Sized{i, v.ds.Name(i), s[0], s[1]})
		}
		if s, ok := v.huge[i]; ok {
			out.Huge = append(out.Huge, Sized{i, v.ds.Name(i), s[0], s[1]})
		}
	}
	return out
}

// verifySample decodes a sample. It reads it into the memory of buf and returns this memory.
func verifySample(ds Dataset, i int, buf []byte) (*picture.Image, Traits, []byte, error) {
	var t Traits
	if _, err := checkLabelSet(ds, i); err != nil {
		return nil, t, buf, err
	}
	content, ok, err := Encoded(ds, i, buf)
	switch {
	case err != nil:
		return nil, t, buf, err
	case !ok:
		m, err := ds.Image(i)
		if err == nil {
			t, buf = traitsOf(ds, i, buf)
		}
		return m, t, buf, err
	}
	m, err := DecodingOf(ds).Decode(content)
	if err == nil && picture.Format(content) == "jpg" {
		err = picture.VerifyJPEG(content)
	}
	if err != nil {
		return nil, t, content[:0], fmt.Errorf("data: %s: %w", ds.Name(i), err)
	}
	return m, traitsOfFile(content), content[:0], nil
}
