package torch

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"path"
	"strings"

	"fasternet/formats"

	"github.com/nlpodyssey/gopickle/types"
)

var storageTypes = map[string]formats.DType{
	"torch.HalfStorage":     formats.Float16,
	"torch.BFloat16Storage": formats.BFloat16,
	"torch.FloatStorage":    formats.Float32,
	"torch.DoubleStorage":   formats.Float64,
	"torch.BoolStorage":     formats.Bool,
	"torch.ByteStorage":     formats.Uint8,
	"torch.CharStorage":     formats.Int8,
	"torch.ShortStorage":    formats.Int16,
	"torch.IntStorage":      formats.Int32,
	"torch.LongStorage":     formats.Int64,
}

// storage is a block of elements in a file. Tensors are views of it.
type storage struct {
	key   string
	dtype formats.DType // 0 for a type that cannot be read
	name  string        // of the type
	size  int           // elements
	at    int64         // where its bytes are in a legacy file
	data  []byte        // kept after the first read if several tensors may share the storage
}

// torchFile is a PyTorch file: the storages that its pickle names, and the function that reads
// their bytes.
type torchFile struct {
	unpickler
	size     int64
	storages map[string]*storage
	read     func(s *storage) ([]byte, error)
}

func newTorchFile(size int64) *torchFile {
	f := &torchFile{size: size, storages: map[string]*storage{}}
	f.persistent = f.open
	return f
}

// open finds the storage of an id ("storage", type, key, location, size, …).
func (f *torchFile) open(id *types.Tuple) (any, error) {
	if id.Len() >= 2 && id.Get(0) == "module" { // a class with its source, in old files
		return &inert{"module"}, nil
	}
	if id.Len() < 5 || id.Get(0) != "storage" {
		return nil, errors.New("a persistent id that is not a storage")
	}
	key, ok1 := id.Get(2).(string)
	size, ok2 := id.Get(4).(int)
	if !ok1 || !ok2 || size < 0 || int64(size) > f.size {
		return nil, fmt.Errorf("a storage of %v elements in a file of %d bytes", id.Get(4), f.size)
	}
	if id.Len() > 5 && id.Get(5) != nil {
		return nil, errors.New("a view of a storage, as PyTorch before 0.4 wrote: save it again with a newer version")
	}
	s, ok := f.storages[key]
	if !ok {
		s = &storage{key: key, size: size}
		f.storages[key] = s
		switch t := id.Get(1).(type) {
		case formats.DType:
			s.dtype, s.name = t, t.String()
		case *inert:
			s.name = t.name
		default:
			return nil, errors.New("a storage without a type")
		}
	}
	if s.size != size {
		return nil, fmt.Errorf("storage %s has %d and %d elements", formats.Short(key), s.size, size)
	}
	return s, nil
}

// tensor reads the values of a view of a storage.
func (f *torchFile) tensor(name string, v *view, budget *int64) (formats.Tensor, error) {
	s := v.storage
	if s.dtype == 0 {
		return formats.Tensor{}, fmt.Errorf("tensor %s is of type %s, which is not supported",
			formats.Short(name), s.name)
	}
	n, err := elements(v.shape, budget)
	if err != nil {
		return formats.Tensor{}, fmt.Errorf("tensor %s: %w", formats.Short(name), err)
	}
	if n == 0 {
		return v.take(s.dtype, name, 0, nil), nil
	}
	last, err := v.last()
	if err == nil && last >= s.size {
		err = fmt.Errorf("it reaches element %d of a storage of %d", last, s.size)
	}
	data := s.data
	if err == nil && data == nil {
		data, err = f.read(s)
	}
	if err != nil {
		return formats.Tensor{}, fmt.Errorf("tensor %s: %w", formats.Short(name), err)
	}
	if n < s.size { // other tensors may need the rest
		s.data = data
	}
	return v.take(s.dtype, name, n, data), nil
}

// parseZip reads the form of PyTorch 1.6 and later: a zip archive with a pickle and a file for
// every storage.
func parseZip(r io.ReaderAt, size int64, o Options) (*State, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("a zip archive that is torn or damaged (%s)", strings.TrimPrefix(err.Error(), "zip: "))
	}
	records := make(map[string]*zip.File, len(archive.File))
	dir := ""
	for _, f := range archive.File {
		records[f.Name] = f
		if d, name := path.Split(f.Name); name == "data.pkl" && strings.Count(d, "/") <= 1 {
			dir = d
		}
	}
	main, ok := records[dir+"data.pkl"]
	if !ok {
		return nil, errors.New("a zip archive without data.pkl: not a PyTorch checkpoint")
	}
	if _, ok := records[dir+"constants.pkl"]; ok {
		return nil, errors.New("a TorchScript module, which is a program: save its state_dict() instead")
	}
	// PyTorch stores without compression. An archive that was compressed later may be smaller than
	// its content, but not by orders of magnitude.
	inflated := 8*size + 1<<20
	content := func(f *zip.File) ([]byte, error) {
		if f.UncompressedSize64 > uint64(inflated) {
			return nil, fmt.Errorf("%s claims %d bytes, too many for an archive of %d",
				formats.Short(f.Name), f.UncompressedSize64, size)
		}
		inflated -= int64(f.UncompressedSize64)
		in, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", formats.Short(f.Name), err)
		}
		defer in.Close()
		var b bytes.Buffer // grows with the content, not with the size that is claimed
		if f.Method == zip.Store {
			b.Grow(int(min(f.UncompressedSize64, uint64(size))) + bytes.MinRead)
		}
		if _, err := b.ReadFrom(io.LimitReader(in, int64(f.UncompressedSize64)+1)); err != nil {
			return nil, fmt.Errorf("%s: %w", formats.Short(f.Name), err)
		}
		return b.Bytes(), nil
	}
	if order, ok := records[dir+"byteorder"]; ok {
		if b, err := content(order); err != nil || string(b) != "little" {
			return nil, fmt.Errorf("its byte order is %q: only little is supported", formats.Short(string(b)))
		}
	}
	if main.UncompressedSize64 > maxPickle {
		return nil, fmt.Errorf("data.pkl claims %d bytes: not a checkpoint of tensors", main.UncompressedSize64)
	}
	text, err := content(main)
	if err != nil {
		return nil, err
	}
	f := newTorchFile(size)
	f.read = func(s *storage) ([]byte, error) {
		record, ok := records[dir+"data/"+s.key]
		if !ok {
			return nil, fmt.Errorf("its storage %s is not in the archive", formats.Short(s.key))
		}
		b, err := content(record)
		if err == nil && len(b) < s.size*s.dtype.Size() {
			err = fmt.Errorf("its storage has %d bytes, want %d", len(b), s.size*s.dtype.Size())
		}
		return b, err
	}
	root, _, err := f.load(text)
	if err != nil {
		return nil, err
	}
	return f.state("PyTorch file", root, o)
}

// magic is the first number in the form before PyTorch 1.6.
var magic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

// parseLegacy reads the form before PyTorch 1.6: pickles of a magic number, a version, the system,
// the object and the keys of storages, followed by the storages.
func parseLegacy(r io.ReaderAt, size int64, o Options) (*State, error) {
	rest := make([]byte, min(size, maxPickle))
	if n, err := r.ReadAt(rest, 0); n < len(rest) {
		return nil, err
	}
	head := int64(len(rest))
	f := newTorchFile(size)
	next := func() (v any, err error) {
		v, rest, err = f.load(rest)
		return v, err
	}
	if v, err := next(); err != nil {
		return nil, fmt.Errorf("a pickle that torch.save did not write: %w", err)
	} else if n, ok := v.(*big.Int); !ok || n.Cmp(magic) != 0 {
		return nil, errors.New("a pickle that torch.save did not write")
	}
	if v, err := next(); err != nil || v != 1001 {
		return nil, errors.New("a PyTorch file of an unknown version")
	}
	system, err := next()
	if err != nil {
		return nil, err
	}
	for _, e := range entries(system) {
		if e.key == "little_endian" && e.value != true {
			return nil, errors.New("its byte order is big: only little is supported")
		}
	}
	root, err := next()
	if err != nil {
		return nil, err
	}
	keys, err := next()
	if err != nil {
		return nil, err
	}
	list, ok := keys.(*types.List)
	if !ok {
		return nil, fmt.Errorf("%w: it has no list of storages", errPickle)
	}
	at := head - int64(len(rest))
	for _, k := range *list {
		key, _ := k.(string)
		s, ok := f.storages[key]
		if !ok || s.dtype == 0 {
			return nil, fmt.Errorf("storage %s is of an unknown type, so the bytes after it cannot be found",
				formats.Short(fmt.Sprint(key)))
		}
		var count [8]byte
		if _, err := r.ReadAt(count[:], at); err != nil {
			return nil, fmt.Errorf("the file ends before storage %s", formats.Short(key))
		}
		if little(count[:]) != uint64(s.size) {
			return nil, fmt.Errorf("storage %s has %d elements, but its tensors say %d",
				formats.Short(key), little(count[:]), s.size)
		}
		s.at = at + 8
		if at = s.at + int64(s.size)*int64(s.dtype.Size()); at > size {
			return nil, fmt.Errorf("the file ends within storage %s", formats.Short(key))
		}
	}
	f.read = func(s *storage) ([]byte, error) {
		if s.at == 0 {
			return nil, fmt.Errorf("its storage %s is not in the file", formats.Short(s.key))
		}
		b := make([]byte, s.size*s.dtype.Size())
		_, err := io.ReadFull(io.NewSectionReader(r, s.at, int64(len(b))), b)
		return b, err
	}
	return f.state("PyTorch file (form before 1.6)", root, o)
}
