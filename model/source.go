package model

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/internal/finite"
	"fasternet/internal/reference"
)

// source is a file of weights.
type source struct {
	path    string
	own     *checkpoints.File // a checkpoint or an export of this program, or nil
	hub     *hubConfig        // config.json of foreign weights, or nil
	damaged error             // why config.json cannot be read
	config  *configs.Config   // from the file or its folder, or nil
	classes []string          // class names in the file
	called  map[string]string // what people call the classes, by name; nil if the file has no such names
	state   *torch.State      // the tensors under official names
	average bool              // the tensors are averaged weights
	int8    *graph.Int8State  // of a model in 8 bits
	model   graph.Model       // of an ONNX file: the model of its configuration, without the tensors
	newHead bool              // without a classifier: the model keeps its own
	// untrained are the tensors between encoder and classifier that have random values: see Loaded.Untrained.
	untrained []string
	ways      Remedies // for errors and notes
	notes     []string // about the choice of the weights, and changes of the tensors
}

// folded reports whether the batch norms are folded.
func (s *source) folded() bool { return s.own != nil && s.own.Meta[FoldedKey] == "true" }

func (s *source) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// headless reports whether there is no classifier.
func (s *source) headless() bool { return !s.pretrained() && classesOf(s.state.Tensors) == 0 }

// readSource reads a file, the best checkpoint in the folder of a run, or the weights in a folder of
// timm. NaN and infinite values are the first error.
func readSource(path string, o LoadOptions) (*source, error) {
	s, err := readWeights(path, o)
	if err != nil {
		return nil, err
	}
	s.ways = o.remedies()
	var numbers finite.Count
	for _, t := range s.state.Tensors {
		numbers.Add(t.Name, t.F32)
	}
	if err := numbers.Err(); err != nil {
		if o.AllowNaN {
			s.note("%v", err)
			return s, nil
		}
		if remedy := o.remedies().AllowNaN; remedy != "" {
			err = fmt.Errorf("%w; %s goes on anyway", err, remedy)
		}
		return nil, fmt.Errorf("%s: %w: %w", s.path, ErrNotFinite, err)
	}
	return s, nil
}

// ErrNotFinite says that there are NaN or infinite values among the weights.
var ErrNotFinite = errors.New("the weights are damaged")

func readWeights(path string, o LoadOptions) (*source, error) {
	path, err := find(path)
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(filepath.Ext(path), ".onnx") {
		return readONNX(path, o)
	}
	meta, err := torch.Meta(path)
	if err == nil && strings.HasPrefix(meta[FormatKey], formatFamily) {
		return readOwn(path, o)
	}
	if err != nil && filepath.Ext(path) == ".safetensors" {
		err = torch.ErrFormat
	}
	s := &source{path: path}
	if err == nil {
		s.state, err = torch.Read(path, o.reading())
	}
	if errors.Is(err, torch.ErrFormat) && filepath.Ext(path) == ".safetensors" {
		if _, torn := checkpoints.Read(path); torn != nil {
			return nil, torn // it says how the container is damaged
		}
	}
	if err != nil {
		return nil, err
	}
	s.average = s.state.Averaged
	for i := range s.state.Tensors {
		t := &s.state.Tensors[i]
		t.Name = torch.OfficialName(s.state.Family, s.state.Naming, t.Name)
	}
	s.noteChoice(o)
	s.hub, err = readHubConfig(path)
	if errors.As(err, new(damagedHub)) {
		s.damaged, err = err, nil
	}
	return s, err
}

// noteChoice says which of several sets of weights is used.
func (s *source) noteChoice(o LoadOptions) {
	if len(s.state.Others) == 0 || o.StateKey != "" {
		return
	}
	what := ""
	if s.average {
		what = ", averaged weights (EMA)"
	}
	how := ""
	if r := o.remedies(); r.StateKey != "" {
		how = fmt.Sprintf("; %s chooses others", r.StateKey)
		if r.Weights != "" && o.Weights != torch.Plain {
			how = fmt.Sprintf("; %s plain or %s chooses others", r.Weights, r.StateKey)
		}
	}
	taken := strings.TrimSuffix(strings.Trim(s.state.Key+"."+s.state.Prefix, "."), ".")
	s.note("the weights are from %s%s; the file has %s too%s", taken, what, strings.Join(s.state.Others, ", "), how)
}

func readOwn(path string, o LoadOptions) (*source, error) {
	f, err := checkpoints.Read(path)
	if err != nil {
		return nil, err
	}
	s, err := fromFile(f, "checkpoint", o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.path = path
	return s, nil
}

// fromFile makes the source of a checkpoint or an exported model.
func fromFile(f *checkpoints.File, container string, o LoadOptions) (s *source, err error) {
	r := o.remedies()
	if o.StateKey != "" {
		return nil, fmt.Errorf("this program wrote it, and it has no keys: leave out %s", r.StateKey)
	}
	s = &source{own: f, state: &torch.State{Container: container, Naming: torch.Official}}
	if s.config, s.classes, err = Describe(f); err != nil {
		return nil, err
	}
	s.state.Family = torch.Family(s.config.Model.Name)
	if f, s.int8, err = unpackInt8(f); err != nil {
		return nil, err
	}
	s.own = f
	if s.average, err = choose(f, o.Weights, r); err != nil {
		return nil, err
	}
	if both := HasAverage(f); both && s.average {
		if s.own, err = averaged(f); err != nil {
			return nil, err
		}
		if o.Weights != torch.EMA {
			s.note("using the averaged weights (EMA), which the run measured%s",
				option("; ", r.Weights, " plain takes the weights of the last step"))
		}
	} else if both {
		s.note("using the weights of the last step; the run measured the averaged ones (EMA)%s",
			option(", which ", r.Weights, " ema takes"))
	}
	for _, t := range s.own.Tensors {
		if strings.HasPrefix(t.Name, checkpoints.OptimizerPrefix) || strings.HasPrefix(t.Name, checkpoints.EMAPrefix) {
			s.state.Ignored = []string{"state of the training"}
			continue
		}
		s.state.Tensors = append(s.state.Tensors, t)
	}
	return s, nil
}

// IsOwn reports whether a path leads to a checkpoint, a run or an export of this program.
func IsOwn(path string) bool {
	path, err := find(path)
	if err != nil {
		return false
	}
	meta, err := torch.Meta(path)
	return strings.EqualFold(filepath.Ext(path), ".onnx") ||
		err == nil && strings.HasPrefix(meta[FormatKey], formatFamily)
}

// option returns a part of a sentence about an option that the user can set, else "".
func option(before, name, after string) string {
	if name == "" {
		return ""
	}
	return before + name + after
}

// Find returns the file with the weights of a path: the path itself, the best or else the last checkpoint
// of a run, or the weights in a folder of timm.
func Find(path string) (string, error) { return find(path) }

// find returns the path of a file of weights. For the folder of a run it is the best checkpoint, or else the
// last one; for a folder of timm its weights; for the hub or a URL the file in the cache.
func find(path string) (string, error) {
	path, err := reference.Resolve(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && reference.LooksLikeRepository(path) && !exists(filepath.Dir(path)) {
		return "", fmt.Errorf("model: %w; for the model on the hub, write hf://%s", err, path)
	}
	if err != nil {
		return "", fmt.Errorf("model: %w", err)
	}
	if !info.IsDir() {
		return path, nil
	}
	for _, name := range []string{checkpoints.Best, checkpoints.Last} {
		for _, dir := range []string{filepath.Join(path, "checkpoints"), path} {
			if p := filepath.Join(dir, name); exists(p) {
				return p, nil
			}
		}
	}
	return findHubWeights(path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
