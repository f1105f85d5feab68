package localhttp

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Pipes is a network in this process. With it, tests can have a time of their own (synctest).
type Pipes struct {
	calls chan net.Conn
	once  sync.Once
	ended chan struct{}
}

// StartOnPipes is Start without a real network.
func StartOnPipes(h http.Handler) (*Server, *Pipes) {
	p := &Pipes{calls: make(chan net.Conn), ended: make(chan struct{})}
	return serve(p, "127.0.0.1", h), p
}

// Dial connects to the server.
func (p *Pipes) Dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.calls <- server:
		return client, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

// Get asks for a page, over a connection of its own.
func (p *Pipes) Get() (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return p.Dial() },
	}}
	return client.Get("http://127.0.0.1/")
}

func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.calls:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *Pipes) Close() error {
	p.once.Do(func() { close(p.ended) })
	return nil
}

func (p *Pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }
