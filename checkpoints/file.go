package checkpoints

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unsafe"

	"fasternet/internal/disk"

	"github.com/nlpodyssey/safetensors"
)

// Tensor is a tensor of float32 or int64 values in row-major order.
type Tensor struct {
	Name  string
	Shape []int
	F32   []float32 // one of the two is set
	I64   []int64
}

// File is the content of a checkpoint.
type File struct {
	Meta    map[string]string
	Tensors []Tensor

	sealed bool // it was read with a checksum
}

// Lookup finds a tensor by its name.
func (f *File) Lookup(name string) (Tensor, bool) {
	i := slices.IndexFunc(f.Tensors, func(t Tensor) bool { return t.Name == name })
	if i < 0 {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// ErrDamaged says that a file is no whole checkpoint: torn, altered or not one
// at all.
var ErrDamaged = errors.New("damaged checkpoint")

// checksumKey is the key of the checksum in the metadata.
const checksumKey = "sha256"

// view is a tensor as the library writes it.
type view struct{ t Tensor }

func (v view) DType() safetensors.DType {
	if v.t.I64 != nil {
		return safetensors.I64
	}
	return safetensors.F32
}

func (v view) Shape() []uint64 {
	s := make([]uint64, len(v.t.Shape))
	for i, d := range v.t.Shape {
		s[i] = uint64(d)
	}
	return s
}

func (v view) DataLen() uint64 { return uint64(4*len(v.t.F32) + 8*len(v.t.I64)) }

// Data are the bytes of the file: the memory of the values itself where that has them
// in the same order.
func (v view) Data() []byte {
	if little := binary.NativeEndian.Uint16([]byte{1, 0}) == 1; little {
		if len(v.t.F32) > 0 {
			return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v.t.F32))), 4*len(v.t.F32))
		}
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v.t.I64))), 8*len(v.t.I64))
	}
	return v.encode()
}

func (v view) encode() []byte {
	b := make([]byte, 0, v.DataLen())
	for _, x := range v.t.F32 {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	for _, x := range v.t.I64 {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return b
}

// checksum covers names, types, shapes, values and metadata.
func (f *File) checksum() string {
	h := sha256.New()
	text := func(s string) {
		fmt.Fprintf(h, "%d:", len(s))
		io.WriteString(h, s)
	}
	for _, k := range slices.Sorted(maps.Keys(f.Meta)) {
		if k != checksumKey {
			text(k)
			text(f.Meta[k])
		}
	}
	sorted := slices.Clone(f.Tensors)
	slices.SortFunc(sorted, func(a, b Tensor) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	for _, t := range sorted {
		text(t.Name)
		text(fmt.Sprint(view{t}.DType(), t.Shape))
		h.Write(view{t}.Data())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Write puts a checkpoint on disk. The file at path, if there is one, is
// replaced when the new one is complete and synced; after an error it is
// unchanged, and nothing else is left behind.
func Write(path string, f File) error {
	views := make(map[string]view, len(f.Tensors))
	for _, t := range f.Tensors {
		n := 1
		for _, d := range t.Shape {
			n *= d
		}
		if n != len(t.F32)+len(t.I64) {
			return fmt.Errorf("checkpoints: tensor %s has shape %v and %d values", t.Name, t.Shape, len(t.F32)+len(t.I64))
		}
		if _, ok := views[t.Name]; ok {
			return fmt.Errorf("checkpoints: two tensors are called %s", t.Name)
		}
		views[t.Name] = view{t}
	}
	meta := maps.Clone(f.Meta)
	if meta == nil {
		meta = map[string]string{}
	}
	meta[checksumKey] = f.checksum()
	return WriteAtomic(path, func(w io.Writer) error { return safetensors.SerializeToWriter(views, meta, w) })
}

// Read reads a checkpoint and verifies its checksum. An error that wraps
// ErrDamaged means that the file is there but is not a whole checkpoint.
func Read(path string) (*File, error) {
	f, err := ReadOpen(path)
	if err != nil {
		return nil, err
	}
	if !f.sealed {
		return nil, fmt.Errorf("%s: %w: it has no checksum, so it is not a checkpoint of a run", path, ErrDamaged)
	}
	return f, nil
}

// ReadOpen is Read of a file that may have been written again by another program, without
// the checksum. If there is one, it is verified.
func ReadOpen(path string) (*File, error) {
	raw, err := disk.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	f, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
	}
	want, ok := f.Meta[checksumKey]
	if ok && f.checksum() != want {
		return nil, fmt.Errorf("%s: %w: the checksum does not match", path, ErrDamaged)
	}
	f.sealed = ok
	delete(f.Meta, checksumKey)
	return f, nil
}

// maxHeader is the largest header of a safetensors file, as the format has it.
const maxHeader = 100_000_000

// ReadMeta reads the metadata of a checkpoint and nothing else: its tensors may be
// damaged. The checksum is not part of the result.
func ReadMeta(path string) (map[string]string, error) {
	f, err := disk.Open(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	var length [8]byte
	_, err = io.ReadFull(f, length[:])
	n := binary.LittleEndian.Uint64(length[:])
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), err == nil && n > uint64(min(info.Size()-8, maxHeader)):
		return nil, fmt.Errorf("%s: %w: it is cut off in its header", path, ErrDamaged)
	case err != nil:
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(f, header); err != nil {
		return nil, fmt.Errorf("checkpoints: %s: %w", path, err)
	}
	var h struct {
		Meta map[string]string `json:"__metadata__"`
	}
	if err := json.Unmarshal(header, &h); err != nil {
		return nil, fmt.Errorf("%s: %w: its header: %w", path, ErrDamaged, err)
	}
	if _, ok := h.Meta[checksumKey]; !ok {
		return nil, fmt.Errorf("%s: %w: it has no checksum, so it is not a checkpoint of a run", path, ErrDamaged)
	}
	delete(h.Meta, checksumKey)
	return h.Meta, nil
}

func parse(raw []byte) (*File, error) {
	_, meta, err := safetensors.ReadMetadata(raw)
	if err != nil {
		return nil, err
	}
	tensors, err := safetensors.Deserialize(raw)
	if err != nil {
		return nil, err
	}
	f := &File{Meta: maps.Clone(meta.Metadata())}
	for _, e := range tensors.Tensors() {
		t := Tensor{Name: e.Name, Shape: []int{}}
		for _, d := range e.TensorView.Shape() {
			if d > math.MaxInt32 { // in a tensor without values: else it would be larger than the file
				return nil, fmt.Errorf("tensor %s has shape %v", e.Name, e.TensorView.Shape())
			}
			t.Shape = append(t.Shape, int(d))
		}
		b := e.TensorView.Data()
		switch e.TensorView.DType() {
		case safetensors.F32:
			t.F32 = make([]float32, len(b)/4)
			for i := range t.F32 {
				t.F32[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
			}
		case safetensors.I64:
			t.I64 = make([]int64, len(b)/8)
			for i := range t.I64 {
				t.I64[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
			}
		default:
			return nil, fmt.Errorf("tensor %s is of type %v: want F32 or I64", e.Name, e.TensorView.DType())
		}
		f.Tensors = append(f.Tensors, t)
	}
	return f, nil
}
