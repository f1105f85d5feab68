package export

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"fasternet/checkpoints"
	"fasternet/formats/onnx"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
)

// Format is the kind of a file.
type Format string

// The formats.
const (
	SafetensorsFormat Format = "safetensors"
	ONNXFormat        Format = "onnx"
)

// FormatOf returns the format for the ending of a file's name.
func FormatOf(path string) (Format, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".safetensors":
		return SafetensorsFormat, nil
	case ".onnx":
		return ONNXFormat, nil
	}
	return "", fmt.Errorf("%s: want a name that ends with .safetensors or .onnx", path)
}

// The precisions of weights and maps in a file.
const (
	Float32 = "float32"
	Int8    = "int8"
	Float16 = "float16"
)

// DefaultOpset is the operator set of ONNX files unless Options.Opset is set. In newer sets, of the
// operators used here, only the axes of reductions have changed.
const DefaultOpset = 17

// Options say how to export.
type Options struct {
	Opset   int  // of the ONNX file, 13 to [onnx.LastOpset] or [onnx.LastInt8Opset]; 0 for DefaultOpset
	Half    bool // float16; ONNX only
	Dynamic bool // height and width are chosen at run time; ONNX only
	// images are bytes [batch, height, width, channels], which the graph normalises; ONNX only
	Pixels  bool
	NoFold  bool   // keep the batch norms; safetensors only
	Version string // of the program, to write into the file
}

// Result says what was written, and how far it is from the original.
type Result struct {
	Path      string `json:"path"`
	Format    Format `json:"format"`
	Opset     int    `json:"opset,omitempty"`
	Folded    bool   `json:"folded"`
	Precision string `json:"precision"` // of weights and maps: float32 or int8
	Weights   string `json:"weights"`   // ema for averaged weights, or plain
	// Features is set for an encoder without a classifier: see [model.Loaded.Features].
	Features string `json:"features,omitempty"`
	// Temperature divides the logits of the model; 0 for none.
	Temperature float64 `json:"temperature,omitempty"`
	Parameters  int     `json:"parameters"`
	Bytes       int64   `json:"bytes"`
	Difference
}

// Write exports a model to a file; an encoder (model.Loaded.Headless) without its classifier, and in
// safetensors without folding, to fine-tune it. The name of the file says its format. The file appears when
// it has been verified; after an error there is no new file, and an older one stays.
func Write(l *model.Loaded, path string, pool *kernels.Pool, o Options) (Result, error) {
	format, err := FormatOf(path)
	if err != nil {
		return Result{}, err
	}
	if err := writable(path); err != nil {
		return Result{}, err
	}
	out := *l
	if out.Model, err = graph.ForSize(l.Model, l.Config.Data.ImageSize); err != nil {
		return Result{}, fmt.Errorf("export: %w", err)
	}
	// An encoder in safetensors is for fine-tuning.
	if o.NoFold = o.NoFold || l.Headless && format == SafetensorsFormat; !o.NoFold {
		if f, ok := out.Model.(graph.Foldable); ok {
			if out.Model, err = f.Fold(); err != nil {
				return Result{}, fmt.Errorf("export: folding: %w", err)
			}
		}
	}
	r := Result{
		Path:        path,
		Format:      format,
		Precision:   Float32,
		Weights:     l.Used(),
		Temperature: l.Temperature,
		Parameters:  out.Parameters(),
	}
	if l.Headless {
		r.Features = l.Features()
	}
	if f, ok := out.Model.(graph.Foldable); ok {
		r.Folded = f.Folded()
	}
	if graph.IsInt8(out.Model) {
		r.Precision = Int8
		if o.Opset > onnx.LastInt8Opset {
			return Result{}, fmt.Errorf("export: opset %d: want %d to %d for an int8 model, "+
				"because ONNX Runtime has no int8 operators of newer sets",
				o.Opset, onnx.FirstOpset, onnx.LastInt8Opset)
		}
	}
	if o.Half {
		r.Precision = Float16
		if out.Model, err = halved(out.Model, l.Config.Data.ImageSize); err != nil {
			return Result{}, err
		}
	}
	want, err := outputs(l, pool)
	if err != nil {
		return Result{}, err
	}
	got, err := outputs(&out, pool)
	if err != nil {
		return Result{}, err
	}
	if r.Difference, err = compare(got, want); err != nil {
		return Result{}, err
	}
	if o.Half {
		if err := fitsHalf(&out, pool); err != nil {
			return Result{}, err
		}
	}
	if err := r.check(tolerance(r.Precision), what(l)); err != nil {
		return Result{}, err
	}

	ending := filepath.Ext(path)
	part := strings.TrimSuffix(path, ending) + ".part" + ending
	defer os.Remove(part)
	switch format {
	case ONNXFormat:
		if r.Opset = o.Opset; r.Opset == 0 {
			r.Opset = DefaultOpset
		}
		o.Opset = r.Opset
		err = writeONNX(&out, part, o)
	case SafetensorsFormat:
		err = writeSafetensors(&out, part)
	default:
		err = fmt.Errorf("export: there is no format %q; want safetensors or onnx", format)
	}
	if err != nil {
		return Result{}, err
	}
	if err := readBack(part, got, pool); err != nil {
		return Result{}, err
	}
	info, err := os.Stat(part)
	if err != nil {
		return Result{}, fmt.Errorf("export: %w", err)
	}
	r.Bytes = info.Size()
	if err := os.Rename(part, path); err != nil {
		return Result{}, fmt.Errorf("export: %w", err)
	}
	return r, nil
}

// writable finds errors of the path before the work begins.
func writable(path string) error {
	if info, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("export: the folder of %s: %w", path, err)
	} else if !info.IsDir() {
		return fmt.Errorf("export: %s: %s is not a folder", path, filepath.Dir(path))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("export: %s is a folder: want a file", path)
	}
	if err := checkpoints.Writable(path); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// Safetensors returns the model as a file: its tensors and the metadata of an export.
func Safetensors(l *model.Loaded) (checkpoints.File, error) {
	meta, err := l.Exported()
	return checkpoints.File{Meta: meta, Tensors: l.State()}, err
}

func writeSafetensors(l *model.Loaded, path string) error {
	f, err := Safetensors(l)
	if err != nil {
		return err
	}
	return checkpoints.Write(path, f)
}

func writeONNX(l *model.Loaded, path string, o Options) error {
	m, err := ONNX(l, o)
	if err != nil {
		return err
	}
	return checkpoints.WriteAtomic(path, func(w io.Writer) error { return onnx.Write(w, m) })
}
