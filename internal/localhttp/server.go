package localhttp

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"
)

// Limits on what clients can take from the process.
const (
	connections = 32
	headerBytes = 16 << 10
	readTime    = 10 * time.Second
	writeTime   = 30 * time.Second
	idleTime    = time.Minute
	closeTime   = time.Second
)

// Server serves a handler in the background.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// Address completes an address "host:port". Without a host it is the loopback interface of this
// machine, not all interfaces as usual in Go.
func Address(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" {
		return "", fmt.Errorf("want host:port or :port, e.g. 127.0.0.1:8080, got %q", text)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return "", fmt.Errorf("want a port from 0 to 65535, got %q", port)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// Start listens at an address and serves, guarded by [Guard]. Port 0 takes a free port.
func Start(address string, h http.Handler) (*Server, error) {
	address, err := Address(address)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(address) // Address has made it
	return serve(l, host, h), nil
}

func serve(l net.Listener, host string, h http.Handler) *Server {
	s := &Server{listener: l, http: &http.Server{
		Handler:           Guard(h, host),
		ReadHeaderTimeout: readTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          log.New(io.Discard, "", 0), // drop errors of clients: the terminal belongs to the run
	}}
	Limit(s.http, connections)
	go func() { _ = s.http.Serve(l) }() // it ends when the server is closed
	return s
}

// URL returns the address for a browser on this machine.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return s.listener.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// Close ends the server; answers in progress have a second.
func (s *Server) Close() error {
	defer s.listener.Close() // if the server has not begun to serve, Shutdown does not know the listener
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if s.http.Shutdown(ctx) == nil {
		return nil
	}
	return s.http.Close()
}

// Open reports whether other machines can reach an address.
func Open(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.EqualFold(host, "localhost") {
		return false
	}
	ip := net.ParseIP(host)
	return ip == nil || !ip.IsLoopback()
}
