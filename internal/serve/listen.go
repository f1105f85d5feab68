package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"fasternet/internal/localhttp"
)

// Limits on what connections can take from the process.
const (
	connections = 2048
	headerBytes = 16 << 10
	headerTime  = 10 * time.Second
	idleTime    = 2 * time.Minute
)

// Listening is a server at an address.
type Listening struct {
	server   *Server
	listener net.Listener
	http     *http.Server
	failed   chan error
}

// Listen listens at an address and answers. With a certificate and its key, files in PEM, it uses
// TLS, and reads them again when they change.
func Listen(address, certFile, keyFile string, s *Server) (*Listening, error) {
	var certificates *certificates
	if certFile != "" {
		certificates = newCertificates(certFile, keyFile)
		if _, err := certificates.get(nil); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       headerTime + s.options.Timeout,
		WriteTimeout:      headerTime + 2*s.options.Timeout,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          log.New(io.Discard, "", 0), // drop errors of clients: they could fill a disk
	}
	localhttp.Limit(h, connections)
	if certificates != nil {
		h.TLSConfig = &tls.Config{GetCertificate: certificates.get, MinVersion: tls.VersionTLS12}
	}
	n := &Listening{server: s, listener: l, http: h, failed: make(chan error, 1)}
	go func() {
		if certificates != nil {
			err = h.ServeTLS(l, "", "")
		} else {
			err = h.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			n.failed <- err
		}
	}()
	return n, nil
}

// Address returns the address that it listens at.
func (n *Listening) Address() string { return n.listener.Addr().String() }

// Failed gets the error when it cannot go on listening.
func (n *Listening) Failed() <-chan error { return n.failed }

// Stop takes no more connections, waits for requests in progress, but not longer than the context,
// and closes the models. The error says that requests were cut off.
func (n *Listening) Stop(ctx context.Context) error {
	n.server.Drain()
	defer n.listener.Close() // if the server has not begun to serve, Shutdown does not know the listener
	err := n.http.Shutdown(ctx)
	if err != nil {
		_ = n.http.Close()
		err = fmt.Errorf("requests in progress were cut off: %w", err)
	}
	n.server.Close()
	return err
}

// certificates reads a certificate again when its file has changed. It keeps the old one if the new
// one cannot be read.
type certificates struct {
	certFile, keyFile string

	mu    sync.Mutex
	stamp string
	last  *tls.Certificate
}

func newCertificates(certFile, keyFile string) *certificates {
	return &certificates{certFile: certFile, keyFile: keyFile}
}

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := ""
	for _, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			now += fmt.Sprint(info.Size(), info.ModTime().UnixNano(), inode(info), ";")
		}
	}
	if c.last != nil && now == c.stamp {
		return c.last, nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	switch {
	case err == nil:
		c.last, c.stamp = &pair, now
	case c.last == nil:
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return c.last, nil
}
