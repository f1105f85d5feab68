package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph/foreign"
	"fasternet/internal/disk"
)

// HubConfigFile describes a model in a folder as timm and the Hugging Face hub have it.
const HubConfigFile = "config.json"

// HubWeightsFile holds its weights.
const HubWeightsFile = "model.safetensors"

// hubWeights are the names of files of weights in such a folder, the best first, as timm
// looks for them.
var hubWeights = []string{HubWeightsFile, "pytorch_model.bin", "pytorch_model.pth", "model.pth"}

// hubConfig is config.json.
type hubConfig struct {
	path          string
	Architecture  string                     `json:"architecture"`
	NumClasses    *int                       `json:"num_classes"`
	LabelNames    json.RawMessage            `json:"label_names"`
	Labels        json.RawMessage            `json:"labels"` // what label_names was called once
	Descriptions  json.RawMessage            `json:"label_descriptions"`
	ModelArgs     map[string]json.RawMessage `json:"model_args"`
	Pretrained    *hubPretrained             `json:"pretrained_cfg"`
	ModelType     string                     `json:"model_type"` // of a file of transformers, another library
	hubPretrained                            // of files before there was pretrained_cfg
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

// timmCropRatio is what timm takes where config.json has no crop_pct.
const timmCropRatio = 0.875

// findHubWeights finds the file of weights in a folder that is no run.
func findHubWeights(dir string) (string, error) {
	for _, name := range hubWeights {
		if p := filepath.Join(dir, name); exists(p) {
			return p, nil
		}
	}
	for _, ending := range []string{".safetensors", ".pth", ".pt", ".bin", ".ckpt"} {
		found, err := filepath.Glob(filepath.Join(globEscape(dir), "*"+ending))
		if err != nil {
			return "", fmt.Errorf("model: %s: %w", dir, err)
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return "", fmt.Errorf("model: %s holds no checkpoint of a run, and %d files *%s: name the one that is meant, e.g. %s", dir, len(found), ending, found[0])
		}
	}
	return "", fmt.Errorf("model: %s holds no checkpoint and no weights: want a file, the folder of a run, or one with %s and %s", dir, HubConfigFile, HubWeightsFile)
}

// globEscape lets a path stand for itself in a pattern.
func globEscape(path string) string {
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllStringFunc(path, func(s string) string { return "[" + s + "]" })
}

// readHubConfig reads config.json next to a file of weights; nil if there is none, or if
// the file has not the name that belongs to one.
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
	const limit = 4 << 20 // ImageNet-21k has descriptions of 21,843 classes in it
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if len(text) > limit {
		return nil, fmt.Errorf("%s: larger than 4 MiB: no description of a model", path)
	}
	c := &hubConfig{path: path}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, damagedHub{fmt.Errorf("%s: %s: repair it, or say with --config what the weights are for", path, jsonError(err))}
	}
	if c.Architecture == "" && c.ModelType == "" { // something else that is called so
		return nil, nil
	}
	if c.Pretrained == nil {
		c.Pretrained = &c.hubPretrained
	}
	return c, nil
}

// damagedHub is the error of a config.json that cannot be read. What the weights are for
// can be said in another way.
type damagedHub struct{ error }

// jsonError says in words what is wrong with a file of JSON.
func jsonError(err error) string {
	var kind *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &kind):
		return "no JSON: " + err.Error()
	case kind.Field == "":
		return fmt.Sprintf("it holds %s %s, and not an object", article(kind.Value), kind.Value)
	}
	return fmt.Sprintf("%s: %s %s is not possible here", foreign.Clip(kind.Field), article(kind.Value), foreign.Clip(kind.Value))
}

func article(noun string) string {
	if strings.ContainsAny(noun[:min(1, len(noun))], "aeiou") {
		return "an"
	}
	return "a"
}

// belongs says whether a config.json next to a file is about it: by its name, or since
// there is no other file of weights.
func belongs(weightsPath string) bool {
	if slices.Contains(hubWeights, filepath.Base(weightsPath)) {
		return true
	}
	only, err := findHubWeights(filepath.Dir(weightsPath))
	return err == nil && filepath.Clean(only) == filepath.Clean(weightsPath)
}

// configuration makes a configuration of what config.json says, of the shapes of the
// tensors, and of settings, which come last. Whatever it does not understand is an error.
func (h *hubConfig) configuration(s *source, settings []string) (*configs.Config, error) {
	if h.Architecture == "" {
		return nil, fmt.Errorf("%s is of Hugging Face transformers (model_type %s), whose models are not read: export the model from timm", h.path, foreign.Clip(h.ModelType))
	}
	f := weightsOf(s.state.Family)
	if name, _, _ := strings.Cut(h.Architecture, "."); f.Hub == nil || !f.Hub.Architecture(name) {
		return nil, fmt.Errorf("%s: architecture %q is none of those whose computation is known (%s)%s", h.path, foreign.Clip(h.Architecture), describedHubs(), option(": ", s.ways.Config, ""))
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
		return nil, fmt.Errorf("%s: model_args.img_size: it is %d, but the position embeddings are for images of %d pixels", h.path, given, size)
	default:
		size = given
	}
	text, err := h.yaml(m, size, s)
	if err != nil {
		return nil, err
	}
	return configs.Parse(h.path+", as a configuration", text, settings...)
}

// setsKey says whether settings have a key.
func setsKey(settings []string, key string) bool {
	return slices.ContainsFunc(settings, func(s string) bool { return strings.HasPrefix(s, key+"=") })
}

// describedHubs lists the architectures of timm that are known.
func describedHubs() string {
	var all []string
	for _, name := range configs.FamilyNames() {
		if hub := weightsOf(torch.Family(name)).Hub; hub != nil {
			all = append(all, hub.Described)
		}
	}
	return strings.Join(all, ", ")
}

// yaml is a configuration of a model and of what images must look like.
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
			s.note("%s: %s of three channels, of which the model has one: it gets %.4g, their average", h.path, key, values[0])
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
		s.note("%s: interpolation %q is not there: bicubic is taken", h.path, foreign.Clip(p.Interpolation))
	}
	// timm reads files by Pillow, without these.
	data = append(data, "orientation: "+configs.IgnoreEXIF, "sixteen_bit: "+configs.ClipSixteenBit)
	if p.CropMode == "squash" {
		data = append(data, "test_crop: "+configs.SquashTestCrop)
	} else {
		if p.CropMode != "" && p.CropMode != "center" {
			s.note("%s: crop_mode %q is not there: images are cropped in their centre", h.path, foreign.Clip(p.CropMode))
		}
		ratio := timmCropRatio
		if p.CropPct > 0 && p.CropPct <= 1 {
			ratio = p.CropPct
		} else if p.CropPct != 0 {
			s.note("%s: crop_pct %v is not possible: %v is taken", h.path, p.CropPct, ratio)
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

// labels are the names of the classes, if they are as many as the classifier has.
func (h *hubConfig) labels(classes int) ([]string, string) {
	names := said(h.LabelNames, h.Labels, h.Pretrained.LabelNames)
	if names == nil {
		return nil, ""
	}
	var list []string
	if json.Unmarshal(names, &list) != nil {
		var byNumber map[string]string
		if err := json.Unmarshal(names, &byNumber); err != nil {
			return nil, fmt.Sprintf("%s: label_names is no list of names: the classes have numbers", h.path)
		}
		list = make([]string, len(byNumber))
		for number, name := range byNumber {
			i, err := strconv.Atoi(number)
			if err != nil || i < 0 || i >= len(list) {
				return nil, fmt.Sprintf("%s: label_names has gaps: the classes have numbers", h.path)
			}
			list[i] = name
		}
	}
	if len(list) != classes {
		return nil, fmt.Sprintf("%s: %d label_names for a classifier of %d classes: the classes have numbers", h.path, len(list), classes)
	}
	return list, ""
}

// said is the first of some values that is there, or nil.
func said(values ...json.RawMessage) json.RawMessage {
	for _, v := range values {
		if len(v) > 0 && string(v) != "null" {
			return v
		}
	}
	return nil
}

// descriptions are what people call classes, by the names of the classes: of the names of
// ImageNet, which are numbers of WordNet, the words. They are nil if there are none; the note
// says what is wrong with them.
func (h *hubConfig) descriptions() (byName map[string]string, note string) {
	text := said(h.Descriptions, h.Pretrained.Descriptions)
	if text == nil {
		return nil, ""
	}
	if err := json.Unmarshal(text, &byName); err != nil {
		return nil, fmt.Sprintf("%s: label_descriptions is not an object of texts: the classes keep their names", h.path)
	}
	return byName, ""
}
