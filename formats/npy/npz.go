package npy

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"fasternet/internal/disk"
	"fasternet/internal/memory"
)

// Archive is a .npz file: a zip file of .npy files, as numpy.savez and savez_compressed write it.
// It reads an array when you ask for it.
type Archive struct {
	path  string
	names []string
	files map[string]*zip.File
	size  int64 // of the file
	close func() error
}

// maxArrays is how many arrays an archive may have: more than any network has named tensors.
const maxArrays = 1 << 16

// OpenArchive lists the arrays of a .npz file. Call Close when you are done.
func OpenArchive(path string) (*Archive, error) {
	f, size, err := disk.OpenSize(path)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	a, err := ParseArchive(f, size)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("npy: %s: %w", path, err), f.Close())
	}
	a.path, a.close = path, f.Close
	return a, nil
}

// ParseArchive lists the arrays of a .npz file with this size in bytes.
func ParseArchive(r io.ReaderAt, size int64) (*Archive, error) {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // a name never becomes a path
		return nil, fmt.Errorf("not a .npz file: %w", err)
	}
	if len(z.File) > maxArrays {
		return nil, fmt.Errorf("%d files: want %d or fewer", len(z.File), maxArrays)
	}
	a := &Archive{files: map[string]*zip.File{}, size: size, close: func() error { return nil }}
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			return nil, fmt.Errorf("it has a file %q: want only .npy files", f.Name)
		}
		if a.files[name] != nil {
			return nil, fmt.Errorf("two arrays are called %q", name)
		}
		a.files[name] = f
		a.names = append(a.names, name)
	}
	return a, nil
}

// Names lists the arrays in the order of the file.
func (a *Archive) Names() []string { return a.names }

// Has says whether there is an array of that name.
func (a *Archive) Has(name string) bool { return a.files[name] != nil }

// Read reads an array and its values.
func (a *Archive) Read(name string) (shape []int, values []float32, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("npy: %s: %q: %w", a.path, name, err)
		}
	}()
	f := a.files[name]
	if f == nil {
		return nil, nil, errors.New("there is no such array")
	}
	raw, err := unzip(f, a.size)
	if err != nil {
		return nil, nil, err
	}
	content := bytes.NewReader(raw)
	layout, err := ReadLayout(content, int64(len(raw)))
	if err != nil {
		return nil, nil, err
	}
	t, err := layout.Read(content)
	return t.Shape, t.F32, err
}

// Close closes the file.
func (a *Archive) Close() error { return a.close() }

// unzip reads a file of a zip archive with whole bytes. It checks what the header promises before
// it allocates memory.
func unzip(f *zip.File, whole int64) ([]byte, error) {
	const most = 1032 // how many bytes deflate can make from one
	size := f.UncompressedSize64
	if f.CompressedSize64 > uint64(whole) || size > most*(f.CompressedSize64+1) {
		return nil, fmt.Errorf("it promises %d bytes of %d, which is more than they can hold", size, f.CompressedSize64)
	}
	if err := memory.Check("an array", int(2*size)); err != nil {
		return nil, err
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw := make([]byte, size)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, fmt.Errorf("the file is damaged or truncated: %w", err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) { // at the end the checksum is verified
		err = errors.Join(err, errors.New("it does not end where its header says"))
		return nil, fmt.Errorf("the file is damaged: %w", err)
	}
	return raw, nil
}
