package torch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fasternet/formats"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
)

// argument says what follows an operation code in a pickle.
type argument struct {
	fixed int // bytes
	count int // bytes of a length, followed by as many bytes as the length says
	lines int
}

// arguments has the arguments by operation code; codes without arguments are in plain.
var (
	arguments = map[byte]argument{
		'F': {lines: 1}, 'I': {lines: 1}, 'L': {lines: 1}, 'P': {lines: 1},
		'S': {lines: 1}, 'V': {lines: 1}, 'g': {lines: 1}, 'p': {lines: 1},
		'c': {lines: 2}, 'i': {lines: 2},
		'J': {fixed: 4}, 'K': {fixed: 1}, 'M': {fixed: 2}, 'h': {fixed: 1},
		'q': {fixed: 1}, 'j': {fixed: 4}, 'r': {fixed: 4}, 'G': {fixed: 8},
		0x80: {fixed: 1}, 0x82: {fixed: 1}, 0x83: {fixed: 2}, 0x84: {fixed: 4},
		'T': {count: 4}, 'U': {count: 1}, 'X': {count: 4}, 'B': {count: 4}, 'C': {count: 1},
		longCode1: {count: 1}, longCode4: {count: 4},
		0x8c: {count: 1}, 0x8d: {count: 8}, 0x8e: {count: 8}, 0x96: {count: 8},
		frameCode: {fixed: 8},
	}
	plain = []byte("(012NRabd}el]ostu)Q\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98")
)

// Operation codes, as in Python's pickletools, and limits.
const (
	stopCode  = '.'
	longCode1 = 0x8a
	longCode4 = 0x8b
	frameCode = 0x95
	maxLine   = 1 << 16 // bytes of a text argument
	maxLong   = 1 << 10 // bytes of an integer
)

var errPickle = errors.New("the pickle is damaged")

// scan walks through a pickle without interpreting it, and returns its length. The library trusts
// the lengths in a pickle when it allocates, so scan checks them first.
func scan(b []byte) (int, error) {
	at := 0
	take := func(n uint64) ([]byte, error) {
		if n > uint64(len(b)-at) {
			return nil, fmt.Errorf("%w: an operation claims %d bytes where %d are left", errPickle, n, len(b)-at)
		}
		at += int(n)
		return b[at-int(n) : at], nil
	}
	for ops := 0; ; ops++ {
		code, err := take(1)
		if err != nil {
			return 0, fmt.Errorf("%w: it has no end", errPickle)
		}
		if code[0] == stopCode {
			return at, nil
		}
		if ops >= maxOps {
			return 0, fmt.Errorf("the pickle has more than %d operations: not a checkpoint of tensors", maxOps)
		}
		arg, ok := arguments[code[0]]
		if !ok && !slices.Contains(plain, code[0]) {
			return 0, fmt.Errorf("%w: operation 0x%02x does not exist", errPickle, code[0])
		}
		n := uint64(arg.fixed)
		if arg.count > 0 {
			length, err := take(uint64(arg.count))
			if err != nil {
				return 0, err
			}
			n = little(length)
		}
		if (code[0] == longCode1 || code[0] == longCode4) && (n < 1 || n > maxLong) {
			return 0, fmt.Errorf("%w: an integer of %d bytes", errPickle, n)
		}
		value, err := take(n)
		if err != nil {
			return 0, err
		}
		if code[0] == frameCode && little(value) > uint64(len(b)-at) {
			return 0, fmt.Errorf("%w: a frame of %d bytes where %d are left", errPickle, little(value), len(b)-at)
		}
		for range arg.lines {
			end := bytes.IndexByte(b[at:min(len(b), at+maxLine)], '\n')
			if end < 0 {
				return 0, fmt.Errorf("%w: a line without end", errPickle)
			}
			at += end + 1
		}
	}
}

func little(b []byte) uint64 {
	var wide [8]byte
	copy(wide[:], b)
	return binary.LittleEndian.Uint64(wide[:])
}

// unpickler interprets the pickles of a file.
type unpickler struct {
	persistent func(id *types.Tuple) (any, error) // returns the object of an id
	inert      []string                           // classes and functions that were not interpreted
}

// load interprets the pickle at the start of b, and returns what follows it.
func (u *unpickler) load(b []byte) (v any, rest []byte, err error) {
	n, err := scan(b)
	if err != nil {
		return nil, nil, err
	}
	p := pickle.NewUnpickler(bytes.NewReader(b[:n]))
	p.FindClass = u.class
	p.PersistentLoad = func(id any) (any, error) {
		tuple, ok := id.(*types.Tuple)
		if !ok || u.persistent == nil {
			return nil, errors.New("a persistent id that is not a tuple")
		}
		return u.persistent(tuple)
	}
	if v, err = p.Load(); err != nil {
		return nil, nil, fmt.Errorf("%w: %s", errPickle, formats.Short(err.Error()))
	}
	return v, b[n:], nil
}

// class returns the value for a name in a pickle: a function that makes tensors, the type of a
// storage, or an inert value for everything else.
func (u *unpickler) class(module, name string) (any, error) {
	full := module + "." + name
	if f, ok := rebuild[full]; ok {
		return f, nil
	}
	if d, ok := storageTypes[full]; ok {
		return d, nil
	}
	if full = formats.Short(full); !slices.Contains(u.inert, full) && len(u.inert) < 100 {
		u.inert = append(u.inert, full)
	}
	return &inert{full}, nil
}

// inert replaces a class, a function, and any value that they would return: it accepts everything
// and does nothing.
type inert struct{ name string }

func (i *inert) Call(...any) (any, error)  { return i, nil }
func (i *inert) PyNew(...any) (any, error) { return i, nil }
func (i *inert) PySetState(any) error      { return nil }
func (i *inert) Set(_, _ any)              {}
func (i *inert) Append(any)                {}
func (i *inert) Add(any)                   {}

// tensor says whether the value replaces a tensor of an unusual kind: sparse, quantised, of 8-bit
// floats, without values, or of a subclass.
func (i *inert) tensor() bool {
	return strings.HasPrefix(i.name, "torch._utils._rebuild_") || strings.HasPrefix(i.name, "torch._tensor._rebuild_")
}

// unread returns the error for such a tensor.
func (i *inert) unread(name string) error {
	kind := i.name[strings.LastIndexByte(i.name, '.')+1:]
	kind = strings.TrimSuffix(strings.TrimPrefix(kind, "_rebuild_"), "_no_storage")
	return fmt.Errorf("tensor %s is of a kind that is not supported (%s in PyTorch): "+
		"save it as dense floats, such as t.to_dense() or t.float()",
		formats.Short(name), formats.Short(kind))
}

// function is a function that pickles may call.
type function func(args []any) (any, error)

// Call implements types.Callable.
func (f function) Call(args ...any) (any, error) { return f(args) }

// rebuild has the functions that a pickle calls to make tensors.
var rebuild = map[string]function{}

func init() { // not in the declaration: rebuildFromType calls other functions of the table
	rebuild["torch._utils._rebuild_tensor"] = rebuildTensor
	rebuild["torch._utils._rebuild_tensor_v2"] = rebuildTensor
	rebuild["torch._utils._rebuild_parameter"] = rebuildParameter
	rebuild["torch._utils._rebuild_parameter_with_state"] = rebuildParameter
	rebuild["torch._tensor._rebuild_from_type_v2"] = rebuildFromType
}

// view is a tensor before its values are read.
type view struct {
	storage *storage
	strided
}

// rebuildTensor makes a tensor from (storage, offset, size, stride, …).
func rebuildTensor(args []any) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("want 4 arguments of a tensor, got %d", len(args))
	}
	s, ok1 := args[0].(*storage)
	offset, ok2 := args[1].(int)
	shape, ok3 := integers(args[2])
	stride, ok4 := integers(args[3])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return nil, errors.New("want the arguments storage, offset, size and stride of a tensor")
	}
	return &view{s, strided{offset, shape, stride}}, nil
}

func integers(v any) ([]int, bool) {
	t, ok := v.(*types.Tuple)
	if !ok || t.Len() > maxDims {
		return nil, false
	}
	out := make([]int, t.Len())
	for i, x := range *t {
		if out[i], ok = x.(int); !ok {
			return nil, false
		}
	}
	return out, true
}

// rebuildParameter returns the tensor in nn.Parameter(data, …).
func rebuildParameter(args []any) (any, error) {
	if len(args) < 1 {
		return nil, errors.New("a parameter without data")
	}
	return args[0], nil
}

// rebuildFromType makes a tensor of a subclass from (function, class, arguments of the function,
// attributes).
func rebuildFromType(args []any) (any, error) {
	if len(args) < 3 {
		return nil, fmt.Errorf("want 3 arguments of a tensor of a subclass, got %d", len(args))
	}
	f, ok1 := args[0].(function)
	inner, ok2 := args[2].(*types.Tuple)
	if !ok1 || !ok2 {
		return nil, errors.New("a tensor of a subclass that cannot be read")
	}
	// The file would control the depth of nested calls.
	if inner.Len() > 0 {
		if _, nested := inner.Get(0).(function); nested {
			return nil, errors.New("a tensor of a subclass of a subclass")
		}
	}
	return f(*inner)
}
