package serve

import (
	"sync"
	"sync/atomic"
)

// admission counts the images of a model that are in progress or waiting, up to a limit.
type admission struct {
	most int64
	now  atomic.Int64
}

// enter lets n images in, or returns an error.
func (a *admission) enter(n int) error {
	if int64(n) > a.most {
		return bad("a request with %d images: want at most %d", n, a.most)
	}
	if a.now.Add(int64(n)) > a.most {
		a.now.Add(int64(-n))
		return unavailable("queue", "%d images are already waiting: try again later", a.most)
	}
	return nil
}

func (a *admission) leave(n int) { a.now.Add(int64(-n)) }

// bodies is the memory for the bodies of all requests.
type bodies struct {
	most int64 // bytes
	used atomic.Int64
	pool sync.Pool // of *body
}

// body is the body of a request. Its memory is used again.
type body struct {
	bytes []byte
	held  int64 // bytes that are counted
}

// hold counts the memory of a body, or returns an error if it is too much.
func (b *bodies) hold(x *body, size int64) error {
	more := size - x.held
	if more <= 0 {
		return nil
	}
	if b.used.Add(more) > b.most {
		b.used.Add(-more)
		return unavailable("bodies", "requests already take %d bytes in memory: try again later", b.most)
	}
	x.held = size
	return nil
}

func (b *bodies) get() *body {
	if x, ok := b.pool.Get().(*body); ok {
		return x
	}
	return new(body)
}

// keptBody is the largest memory of a body that is kept for the next request.
const keptBody = 1 << 20

// put takes back a body that is no longer read.
func (b *bodies) put(x *body) {
	b.used.Add(-x.held)
	x.held = 0
	if cap(x.bytes) <= keptBody {
		x.bytes = x.bytes[:0]
		b.pool.Put(x)
	}
}
