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
	loaded     atomic.Int64 // when it was loaded, in seconds since 1970
	admission  admission

	stamp, tried string // of the files of the served model, and of the files that were tried last
}

// stamp identifies the files of a model: it changes when they change.
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

// compute computes with the current model, and returns the model that did it.
func (e *entry) compute(ctx context.Context, in []infer.Input, out []infer.Output) (*infer.Model, error) {
	for {
		m := e.current.Load()
		err := m.Infer(ctx, in, out)
		if errors.Is(err, infer.ErrClosed) && e.current.Load() != m { // it was replaced in this moment
			continue
		}
		return m, err
	}
}

// watch checks the files of the models for changes until the context ends.
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
			if err != nil { // the file is being replaced, or is gone: keep the model
				continue
			}
			before := seen[e]
			seen[e] = now
			if now == e.tried || now != before { // unchanged, or still being written
				continue
			}
			s.reload(e, now)
		}
	}
}

// reload loads a changed file. If the file cannot be read, or does not compute, it changes nothing.
func (s *Server) reload(e *entry, now string) {
	m, err := s.options.Open(e.path)
	if after, lost := stamp(e.path); lost != nil || after != now { // the file changed during reading
		if err == nil {
			_ = m.Close()
		}
		return // the next check takes it, if it stays the same
	}
	e.tried = now
	switch {
	case err != nil:
		s.metrics.reloads.WithLabelValues(e.name, "failed").Inc()
		s.options.Log("warning: model %s: cannot load the changed file, keeping the old model: %v", e.name, err)
	default:
		e.stamp = now
		old := e.put(m)
		s.metrics.reloads.WithLabelValues(e.name, "taken").Inc()
		s.options.Log("model %s: loaded %s again", e.name, m.Info().File)
		_ = old.Close() // after requests in progress
	}
}
