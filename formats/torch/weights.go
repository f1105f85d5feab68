package torch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"fasternet/formats"
	"fasternet/internal/disk"
)

// State is the state dict of a file.
type State struct {
	Container string // what kind of file it is
	Key       string // where in the file the state dict was, e.g. "model_ema"; "" for the file itself
	Prefix    string // the prefix that was cut off all names, e.g. "module."
	Averaged  bool   // they are averaged weights (EMA)
	Family    Family // "" if the network is not known
	Naming    Naming // of its tensors
	Tensors   []formats.Tensor
	Others    []string          // the other sets of weights in the file, in words
	Ignored   []string          // other content of the file: keys, and classes that stay inert
	Meta      map[string]string // text in the header of a safetensors file
}

// Options says what to read. The zero value takes the averaged weights if there are any.
type Options struct {
	Choice Choice
	Key    string // of the state dict, e.g. "model_ema" or "checkpoint.net"; "" looks for it
	// ChoiceOption and KeyOption are how the user sets the two, for errors; "" for --weights and
	// --state-key.
	ChoiceOption, KeyOption string
}

func (o *Options) complete() {
	if o.ChoiceOption == "" {
		o.ChoiceOption = "--weights"
	}
	if o.KeyOption == "" {
		o.KeyOption = "--state-key"
	}
}

// ErrFormat says that a file has no format that can be read.
var ErrFormat = errors.New("not a file of weights: want a PyTorch checkpoint (.pth, .pt, .ckpt, .bin) or safetensors")

// Limits on what a file may claim; several times what real ones need.
const (
	maxDims       = 16
	maxPickle     = 64 << 20 // bytes of the pickles in a file
	maxOps        = 1 << 21  // operations of a pickle
	spareElements = 1 << 16  // elements more than bytes of the file, because views may share a storage
)

// Read reads the state dict of a file: the dictionary of tensors that looks most like the weights
// of a network, whatever its key. If there are averaged weights too, Options.Choice decides. If it
// is not clear which of several is meant, the error lists them. Read cuts off prefixes that all
// names share (module., model., backbone. …) and leaves out tensors of an optimizer or a training
// criterion. It executes nothing in the file.
func Read(path string, o Options) (*State, error) {
	f, err := disk.Open(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("weights: %s is not a file", path)
	}
	s, err := Parse(f, info.Size(), o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Parse is Read for a file of this size in r.
func Parse(r io.ReaderAt, size int64, o Options) (s *State, err error) {
	// The decoders below this package panic on some impossible input.
	defer func() {
		if v := recover(); v != nil {
			s, err = nil, fmt.Errorf("damaged or hostile file: %s", formats.Short(fmt.Sprint(v)))
		}
	}()
	switch kind(r) {
	case zipFile:
		s, err = parseZip(r, size, o)
	case legacyFile:
		s, err = parseLegacy(r, size, o)
	case safetensorsFile:
		s, err = parseSafetensors(r, size, o)
	default:
		err = ErrFormat
	}
	if err != nil {
		return nil, err
	}
	if len(s.Tensors) == 0 {
		return nil, fmt.Errorf("there are no tensors in this %s%s", s.Container, alsoThere(s.Ignored))
	}
	return s, nil
}

func alsoThere(ignored []string) string {
	if len(ignored) == 0 {
		return ""
	}
	return ", only " + formats.Short(strings.Join(ignored, ", "))
}

type fileKind int

const (
	unknownFile fileKind = iota
	zipFile
	legacyFile
	safetensorsFile
)

// kind finds the kind of a file by its first bytes.
func kind(r io.ReaderAt) fileKind {
	var b [9]byte
	n, _ := r.ReadAt(b[:], 0) // a short file gives fewer bytes
	switch head := string(b[:n]); {
	case strings.HasPrefix(head, "PK\x03\x04"):
		return zipFile
	case n == len(b) && b[8] == '{' && binary.LittleEndian.Uint64(b[:8]) < 1<<32:
		return safetensorsFile
	case n > 1 && b[0] == 0x80 && b[1] <= 5:
		return legacyFile
	}
	return unknownFile
}
