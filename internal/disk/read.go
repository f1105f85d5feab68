package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Open opens a file, or a link to a file, to read it. It returns an error for a pipe, which would
// wait, and for a device, which may have no end.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// OpenSize is Open, and also returns the size of the file.
func OpenSize(path string) (f *os.File, size int64, err error) {
	if f, err = Open(path); err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// ReadFile reads a file like Open.
func ReadFile(path string) ([]byte, error) {
	f, size, err := OpenSize(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content := make([]byte, 0, size+1)
	for {
		n, err := f.Read(content[len(content):cap(content)])
		content = content[:len(content)+n]
		switch {
		case errors.Is(err, io.EOF):
			return content, nil
		case err != nil:
			return content, err
		case len(content) == cap(content): // the file grows
			content = append(content, 0)[:len(content)]
		}
	}
}
