package picture

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// MaxFile is the largest image file that is read. An uncompressed image of
// [MaxPixels] with 16 bits for each of 4 channels is smaller.
const MaxFile = 8*MaxPixels + 1<<20

// ReadFile reads a file into the memory of buf, if it is large enough.
func ReadFile(path string, buf []byte) ([]byte, error) {
	f, info, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > MaxFile {
		return nil, fmt.Errorf("data: %s has %d bytes; no image that can be decoded is that large", path, info.Size())
	}
	buf, err = readInto(f, int(info.Size()), buf)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", path, err)
	}
	return buf, nil
}

// ReadPart reads size bytes of a file from offset on.
func ReadPart(path string, offset, size int64, buf []byte) ([]byte, error) {
	f, _, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf, err = readInto(io.NewSectionReader(f, offset, size), int(size), buf)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", path, err)
	}
	return buf, nil
}

// ErrShorter says that a file has become shorter while it was read, or since its size was read.
var ErrShorter = errors.New("the file has become shorter than it was")

func readInto(r io.Reader, n int, buf []byte) ([]byte, error) {
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, ErrShorter
		}
		return nil, err
	}
	return buf[:n], nil
}

// readError explains why a file cannot be opened, and what to do.
func readError(err error) error {
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &at) && IsLink(at.Path):
		return fmt.Errorf("data: %s is a symbolic link to nothing; repair or remove it", at.Path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("data: %w; was it removed after the data set was opened?", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("data: %w; make it readable for this user", err)
	}
	return fmt.Errorf("data: %w", err)
}

// IsLink says whether a path is a symbolic link.
func IsLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
