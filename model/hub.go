package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph/foreign"
	"fasternet/internal/disk"
	"fasternet/internal/reference"
)

// HubConfigFile describes a model in a folder of timm or of the Hugging Face hub.
const HubConfigFile = "config.json"

// HubWeightsFile holds the weights in such a folder.
const HubWeightsFile = "model.safetensors"

// hubWeights lists the names of weight files in such a folder, the best first, in the order of timm.
var hubWeights = []string{HubWeightsFile, "pytorch_model.bin", "pytorch_model.pth", "model.pth"}

// hubConfig is config.json.
type hubConfig struct {
	path          string
	Architecture  string                     `json:"architecture"`
	NumClasses    *int                       `json:"num_classes"`
	LabelNames    json.RawMessage            `json:"label_names"`
	Labels        json.RawMessage            `json:"labels"` // the older name of label_names
	Descriptions  json.RawMessage            `json:"label_descriptions"`
	ModelArgs     map[string]json.RawMessage `json:"model_args"`
	Pretrained    *hubPretrained             `json:"pretrained_cfg"`
	ModelType     string                     `json:"model_type"` // only in files of the library transformers
	hubPretrained                            // of older files, without pretrained_cfg
}

type hubPretrained struct {
	InputSize     []int     `json:"input_size"`
	Interpolation string    `json:"interpolation"`
	CropPct       float64   `json:"crop_pct"`
	CropMode      string    `json:"crop_mode"`
	Mean          []float64 `json:"mean"`
	Std           []float64 `json:"std"`

	LabelNames   json.RawMessage `json:"label_names"`
	Descriptions json.RawMessage `json:"label_descriptions"`
}

// timmCropRatio is timm's default if config.json has no crop_pct.
const timmCropRatio = 0.875

// findHubWeights finds the file of weights in a folder that is not a run.
func findHubWeights(dir string) (string, error) {
	for _, name := range hubWeights {
		if p := filepath.Join(dir, name); exists(p) {
			return p, nil
		}
	}
	for _, ending := range []string{".safetensors", ".pth", ".pt", ".bin", ".ckpt"} {
		found, err := disk.Glob(dir, "*"+ending)
		if err != nil {
			return "", fmt.Errorf("model: %s: %w", dir, err)
		}
		if err := reference.CheckWhole(found...); err != nil {
			return "", fmt.Errorf("model: %s: %w", dir, err)
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return "", fmt.Errorf("model: %s holds no checkpoint of a run, and %d files *%s: name one of them, e.g. %s",
				dir, len(found), ending, found[0])
		}
	}
	return "", fmt.Errorf("model: %s holds no checkpoint and no weights: want a file, the folder of a run, "+
		"or one with %s and %s",
		dir, HubConfigFile, HubWeightsFile)
}

// readHubConfig reads config.json next to a file of weights. It returns nil if there is none, or if the
// file does not have the name that belongs to one.
func readHubConfig(weightsPath string) (*hubConfig, error) {
	path := filepath.Join(filepath.Dir(weightsPath), HubConfigFile)
	if !exists(path) || !belongs(weightsPath) {
		return nil, nil
	}
	f, err := disk.Open(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	defer f.Close()
	const limit = 4 << 20 // enough for ImageNet-21k, with descriptions of 21,843 classes
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if len(text) > limit {
		return nil, fmt.Errorf("%s: larger than 4 MiB: this is not a description of a model", path)
	}
	c := &hubConfig{path: path}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, damagedHub{fmt.Errorf("%s: %s: repair it, or describe the model with --config",
			path, jsonError(err))}
	}
	if c.Architecture == "" && c.ModelType == "" { // some other file called config.json
		return nil, nil
	}
	if c.Pretrained == nil {
		c.Pretrained = &c.hubPretrained
	}
	return c, nil
}

// damagedHub is the error of a config.json that cannot be read. The user can describe the weights in
// another way.
type damagedHub struct{ error }

// jsonError puts an error of a JSON file into words.
func jsonError(err error) string {
	var kind *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &kind):
		return "no JSON: " + err.Error()
	case kind.Field == "":
		return fmt.Sprintf("it holds %s %s, want an object", article(kind.Value), kind.Value)
	}
	return fmt.Sprintf("%s: %s %s is not possible here",
		foreign.Clip(kind.Field), article(kind.Value), foreign.Clip(kind.Value))
}

func article(noun string) string {
	if strings.ContainsAny(noun[:min(1, len(noun))], "aeiou") {
		return "an"
	}
	return "a"
}

// belongs reports whether a config.json describes the file next to it: the file has the usual name, or
// is the only file of weights.
func belongs(weightsPath string) bool {
	if slices.Contains(hubWeights, filepath.Base(weightsPath)) {
		return true
	}
	only, err := findHubWeights(filepath.Dir(weightsPath))
	return err == nil && filepath.Clean(only) == filepath.Clean(weightsPath)
}

// configuration makes a configuration from config.json, the shapes of the tensors and the settings, which
// come last. Anything that it does not understand is an error.
func (h *hubConfig) configuration(s *source, settings []string) (*configs.Config, error) {
	if h.Architecture == "" {
		return nil, fmt.Errorf("%s comes from Hugging Face transformers (model_type %s), "+
			"whose models are not supported: export the model from timm",
			h.path, foreign.Clip(h.ModelType))
	}
	f := weightsOf(s.state.Family)
	if name, _, _ := strings.Cut(h.Architecture, "."); f.Hub == nil || !f.Hub.Architecture(name) {
		return nil, fmt.Errorf("%s: architecture %q is not supported (known are %s)%s",
			h.path, foreign.Clip(h.Architecture), describedHubs(), option(": ", s.ways.Config, ""))
	}
	m, size, err := s.shapesOf()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	a := foreign.NewArgs(h.Architecture, h.path, h.ModelArgs, option(": ", s.ways.Config, ""))
	f.Hub.Args(a, &m, s.weights(settings))
	given := a.ImageSize()
	switch {
	case a.Err() != nil:
		return nil, a.Err()
	case given == 0:
	case f.Hub.FixedImageSize && given != size:
		return nil, fmt.Errorf("%s: model_args.img_size is %d, but the position embeddings are for %d pixels",
			h.path, given, size)
	default:
		size = given
	}
	text, err := h.yaml(m, size, s)
	if err != nil {
		return nil, err
	}
	return configs.Parse(h.path+", as a configuration", text, settings...)
}

// setsKey reports whether settings contain a key.
func setsKey(settings []string, key string) bool {
	return slices.ContainsFunc(settings, func(s string) bool { return strings.HasPrefix(s, key+"=") })
}

// SetsClasses reports whether settings choose the number of classes.
func SetsClasses(settings []string) bool { return setsKey(settings, "model.num_classes") }

// describedHubs lists the architectures of timm that we know.
func describedHubs() string {
	var all []string
	for _, name := range configs.FamilyNames() {
		if hub := weightsOf(torch.Family(name)).Hub; hub != nil {
			all = append(all, hub.Described)
		}
	}
	return strings.Join(all, ", ")
}

// yaml returns the configuration of the model and of its images.
func (h *hubConfig) yaml(m configs.Model, size int, s *source) (string, error) {
	text, err := m.YAML()
	if err != nil {
		return "", err
	}
	p := h.Pretrained
	data := []string{}
	if size == 0 && len(p.InputSize) == 3 {
		size = p.InputSize[1]
	}
	if size > 0 {
		data = append(data, fmt.Sprintf("image_size: %d", size))
	}
	for _, statistic := range []struct {
		key    string
		values []float64
	}{{"mean", p.Mean}, {"std", p.Std}} {
		key, values := statistic.key, statistic.values
		if len(values) == 3 && m.InChans == 1 {
			values = []float64{(values[0] + values[1] + values[2]) / 3}
			s.note("%s: %s has three channels, the model one: it gets their average, %.4g", h.path, key, values[0])
		}
		if len(values) == 0 && m.InChans == 1 {
			values = []float64{0.5}
		}
		if len(values) > 0 {
			data = append(data, fmt.Sprintf("%s: [%s]", key, joined(values)))
		}
	}
	switch p.Interpolation {
	case "bilinear", "bicubic", "lanczos":
		data = append(data, "interpolation: "+p.Interpolation)
	case "":
	default:
		s.note("%s: interpolation %q is not supported: bicubic is used", h.path, foreign.Clip(p.Interpolation))
	}
	// timm reads files with Pillow, which does neither.
	data = append(data, "orientation: "+configs.IgnoreEXIF, "sixteen_bit: "+configs.ClipSixteenBit)
	if p.CropMode == "squash" {
		data = append(data, "test_crop: "+configs.SquashTestCrop)
	} else {
		if p.CropMode != "" && p.CropMode != "center" {
			s.note("%s: crop_mode %q is not supported: images are cropped at the centre",
				h.path, foreign.Clip(p.CropMode))
		}
		ratio := timmCropRatio
		if p.CropPct > 0 && p.CropPct <= 1 {
			ratio = p.CropPct
		} else if p.CropPct != 0 {
			s.note("%s: crop_pct %v is not possible: %v is used", h.path, p.CropPct, ratio)
		}
		data = append(data, "test_crop: "+configs.CenterTestCrop, fmt.Sprintf("test_crop_ratio: %v", ratio))
	}
	return text + "data: {" + strings.Join(data, ", ") + "}\n", nil
}

func joined(values []float64) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strings.Join(out, ", ")
}

// labels returns the names of the classes if there is one for each output of the classifier.
func (h *hubConfig) labels(classes int) ([]string, string) {
	names := said(h.LabelNames, h.Labels, h.Pretrained.LabelNames)
	if names == nil {
		return nil, ""
	}
	var list []string
	if json.Unmarshal(names, &list) != nil {
		var byNumber map[string]string
		if err := json.Unmarshal(names, &byNumber); err != nil {
			return nil, fmt.Sprintf("%s: label_names is not a list of names: the classes are numbered", h.path)
		}
		list = make([]string, len(byNumber))
		for number, name := range byNumber {
			i, err := strconv.Atoi(number)
			if err != nil || i < 0 || i >= len(list) {
				return nil, fmt.Sprintf("%s: label_names has gaps: the classes are numbered", h.path)
			}
			list[i] = name
		}
	}
	if len(list) != classes {
		return nil, fmt.Sprintf("%s: %d label_names for a classifier of %d classes: the classes are numbered",
			h.path, len(list), classes)
	}
	return list, ""
}

// said returns the first of some values that is present, or nil.
func said(values ...json.RawMessage) json.RawMessage {
	for _, v := range values {
		if len(v) > 0 && string(v) != "null" {
			return v
		}
	}
	return nil
}

// descriptions returns what people call the classes, by the names of the classes. For the names of
// ImageNet, which are WordNet numbers, these are words. It returns nil if there are none; the note says
// what is wrong with them.
func (h *hubConfig) descriptions() (byName map[string]string, note string) {
	text := said(h.Descriptions, h.Pretrained.Descriptions)
	if text == nil {
		return nil, ""
	}
	if err := json.Unmarshal(text, &byName); err != nil {
		return nil, fmt.Sprintf("%s: label_descriptions must map names to texts: the classes keep their names", h.path)
	}
	return byName, ""
}
