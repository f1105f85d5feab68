package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"fasternet/infer"
	"fasternet/model"
)

// entry is a model that is served under a name.
type entry struct {
	name, path string
	current    atomic.Pointer[infer.Model]
	loaded     atomic.Int64 // when, in seconds since 1970
	admission  admission

	stamp, tried string // of the files of the model that is served, and of those that were tried last
}

// stamp tells apart the files that a model was made of.
func stamp(path string) (string, error) {
	file, err := model.Find(path)
	if err != nil {
		return "", err
	}
	text := ""
	for _, name := range []string{file, filepath.Join(filepath.Dir(file), "config.json")} {
		info, err := os.Stat(name)
		switch {
		case err == nil:
			text += fmt.Sprintf("%s %d %d %v;", name, info.Size(), info.ModTime().UnixNano(), inode(info))
		case name == file:
			return "", err
		}
	}
	return text, nil
}

// load opens the model for the first time.
func (e *entry) load(open func(path string) (*infer.Model, error)) error {
	was, err := stamp(e.path)
	if err != nil {
		return err
	}
	m, err := open(e.path)
	if err != nil {
		return err
	}
	e.stamp, e.tried = was, was
	e.put(m)
	return nil
}

func (e *entry) put(m *infer.Model) (old *infer.Model) {
	e.loaded.Store(time.Now().Unix())
	return e.current.Swap(m)
}

// compute computes with the model of the moment. The model that it returns is the one that did it.
func (e *entry) compute(ctx context.Context, in []infer.Input, out []infer.Output) (*infer.Model, error) {
	for {
		m := e.current.Load()
		err := m.Infer(ctx, in, out)
		if errors.Is(err, infer.ErrClosed) && e.current.Load() != m { // another one took its place right now
			continue
		}
		return m, err
	}
}

// watch looks for changes of the files of the models until the context ends.
func (s *Server) watch(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	seen := map[*entry]string{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, e := range s.entries {
			now, err := stamp(e.path)
			if err != nil { // it is being replaced, or is gone: the model that is served stays
				continue
			}
			before := seen[e]
			seen[e] = now
			if now == e.tried || now != before { // not changed, or still being written
				continue
			}
			s.reload(e, now)
		}
	}
}

// reload takes a changed file. One that cannot be read, or does not compute, changes nothing.
func (s *Server) reload(e *entry, now string) {
	m, err := s.options.Open(e.path)
	if after, lost := stamp(e.path); lost != nil || after != now { // it changed while it was read
		if err == nil {
			_ = m.Close()
		}
		return // the next look takes it, when it stays as it is
	}
	e.tried = now
	switch {
	case err != nil:
		s.metrics.reloads.WithLabelValues(e.name, "failed").Inc()
		s.options.Log("warning: model %s: the changed file is not taken, the old model goes on: %v", e.name, err)
	default:
		e.stamp = now
		old := e.put(m)
		s.metrics.reloads.WithLabelValues(e.name, "taken").Inc()
		s.options.Log("model %s: %s was read again", e.name, m.Info().File)
		_ = old.Close() // when requests in progress are done
	}
}
