package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// stringTable is the field of a profile.proto message that has all its strings.
const stringTable = 6

// profile rewrites the names of functions in a profile of pprof. The compiler finds hot functions by
// these names; with the old names it would find nothing, and would not say so.
func (p paths) profile(content []byte) ([]byte, error) {
	packed := bytes.HasPrefix(content, []byte{0x1f, 0x8b})
	rest := content
	if packed {
		r, err := gzip.NewReader(bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		if rest, err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
	var out []byte
	var changed bool
	for len(rest) > 0 {
		number, kind, n := protowire.ConsumeField(rest)
		if n < 0 {
			return nil, fmt.Errorf("not a profile of pprof: %w", protowire.ParseError(n))
		}
		field := rest[:n]
		rest = rest[n:]
		if number != stringTable || kind != protowire.BytesType {
			out = append(out, field...)
			continue
		}
		_, _, tag := protowire.ConsumeTag(field)
		old, _ := protowire.ConsumeString(field[tag:])
		made := p.text(old)
		changed = changed || made != old
		out = protowire.AppendString(protowire.AppendTag(out, number, kind), made)
	}
	if !changed {
		return content, nil
	}
	if !packed {
		return out, nil
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level of Go's runtime
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(out); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
