package localhttp

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// visits holds the open connections. Their number is limited. A new client gets the place of the
// connection that has been idle longest, or, if all are being answered, of the one whose answer takes
// longest. So clients that hold idle connections cost a limited amount of memory, and keep nobody
// out.
type visits struct {
	most int
	now  func() time.Time

	mu   sync.Mutex
	open map[net.Conn]*visit
}

type visit struct {
	answering bool
	since     time.Time // since when it is answering, or idle
}

func newVisits(most int) *visits {
	return &visits{most: most, now: time.Now, open: map[net.Conn]*visit{}}
}

// add takes a connection, and closes another one if there are too many. It is for
// http.Server.ConnContext; the context leads from a request to its connection.
func (v *visits) add(ctx context.Context, c net.Conn) context.Context {
	v.mu.Lock()
	var gone net.Conn
	if len(v.open) >= v.most {
		gone = v.leastNeeded()
		delete(v.open, gone)
	}
	v.open[c] = &visit{since: v.now()}
	v.mu.Unlock()
	if gone != nil {
		_ = gone.Close()
	}
	return context.WithValue(ctx, visitKey{}, c)
}

type visitKey struct{}

// leastNeeded returns the connection to close.
func (v *visits) leastNeeded() (c net.Conn) {
	var worst *visit
	for other, o := range v.open {
		if worst == nil ||
			worst.answering && !o.answering ||
			worst.answering == o.answering && o.since.Before(worst.since) {
			c, worst = other, o
		}
	}
	return c
}

// changed forgets connections that are closed. It is for http.Server.ConnState.
func (v *visits) changed(c net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		v.mu.Lock()
		delete(v.open, c)
		v.mu.Unlock()
	}
}

// during marks the connections of a handler as being answered while it works.
func (v *visits) during(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(visitKey{}).(net.Conn)
		v.mark(c, true)
		defer v.mark(c, false)
		h.ServeHTTP(w, r)
	})
}

func (v *visits) mark(c net.Conn, answering bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if o := v.open[c]; o != nil {
		o.answering, o.since = answering, v.now()
	}
}

// Limit limits the connections of a server: a new one gets the place of the one that is needed
// least. Call it after setting the handler, and before the server serves.
func Limit(s *http.Server, most int) {
	v := newVisits(most)
	s.Handler, s.ConnContext, s.ConnState = v.during(s.Handler), v.add, v.changed
}
