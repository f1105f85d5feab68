package serve

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
)

// read reads and decompresses the body of a request. Give its memory back with bodies.put.
func (s *Server) read(w http.ResponseWriter, r *http.Request) (*body, error) {
	x := s.bodies.get()
	if err := s.fill(x, w, r); err != nil {
		s.bodies.put(x)
		return nil, err
	}
	return x, nil
}

func (s *Server) fill(x *body, w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength > s.options.MaxBody {
		w.Header().Set("Connection", "close")
		return &http.MaxBytesError{Limit: s.options.MaxBody}
	}
	var in io.Reader = http.MaxBytesReader(w, r.Body, s.options.MaxBody)
	switch coding := strings.ToLower(r.Header.Get("Content-Encoding")); coding {
	case "", "identity":
		if r.ContentLength > int64(cap(x.bytes)) && r.ContentLength <= keptBody {
			x.bytes = make([]byte, 0, r.ContentLength+1)
		}
	case "gzip", "deflate":
		unpacked, err := decompress(coding, in)
		if err != nil {
			return bodyError(coding, err)
		}
		in = &limited{unpacked, s.options.MaxBody, s.options.MaxBody}
	default:
		return &failure{
			status: http.StatusUnsupportedMediaType,
			err:    errors.New("Content-Encoding: want gzip, deflate or none"),
		}
	}
	for {
		if len(x.bytes) == cap(x.bytes) {
			size := min(max(2*cap(x.bytes), 16<<10), int(s.options.MaxBody)+1)
			if err := s.bodies.hold(x, int64(size)); err != nil {
				w.Header().Set("Connection", "close") // the rest of the body is not read
				return err
			}
			grown := make([]byte, len(x.bytes), size)
			copy(grown, x.bytes)
			x.bytes = grown
		} else if err := s.bodies.hold(x, int64(cap(x.bytes))); err != nil {
			w.Header().Set("Connection", "close")
			return err
		}
		n, err := in.Read(x.bytes[len(x.bytes):cap(x.bytes)])
		x.bytes = x.bytes[:len(x.bytes)+n]
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return bodyError(r.Header.Get("Content-Encoding"), err)
		}
	}
}

func decompress(coding string, in io.Reader) (io.Reader, error) {
	if coding == "gzip" {
		return gzip.NewReader(in)
	}
	return zlib.NewReader(in)
}

// bodyError explains why a body cannot be read.
func bodyError(coding string, err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	if coding != "" {
		return bad("the body cannot be decompressed (%s): %w", coding, err)
	}
	return bad("the body ends too early, or comes too slowly: %w", err)
}

// limited reads up to a number of bytes; more is an error.
type limited struct {
	in          io.Reader
	left, limit int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, &http.MaxBytesError{Limit: l.limit}
	}
	return n, err
}
