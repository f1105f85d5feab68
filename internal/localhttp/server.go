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

// Limits of what the clients can hold of the process.
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

// Address completes an address "host:port": without a host it is this machine's
// loopback interface, not all of its interfaces as elsewhere in Go.
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

// Start listens at an address and serves, guarded by [Guard]. Port 0 takes one that
// is free.
func Start(address string, h http.Handler) (*Server, error) {
	address, err := Address(address)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(address) // it was put together above
	s := &Server{listener: l, http: &http.Server{
		Handler: Guard(h, host), ReadHeaderTimeout: readTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: headerBytes, ErrorLog: log.New(io.Discard, "", 0), // of clients; the terminal is the run's
	}}
	Limit(s.http, connections)
	go func() { _ = s.http.Serve(l) }() // ends when it is closed
	return s, nil
}

// URL is where a browser on this machine finds it.
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

// Close ends it; answers in progress have a second to be taken.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if s.http.Shutdown(ctx) == nil {
		return nil
	}
	return s.http.Close()
}

// Open says whether an address is reached from other machines.
func Open(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.EqualFold(host, "localhost") {
		return false
	}
	ip := net.ParseIP(host)
	return ip == nil || !ip.IsLoopback()
}
