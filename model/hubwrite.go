package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/data/preprocess"
	"fasternet/formats/torch"
	"fasternet/graph/foreign"
)

// hubFile is config.json as timm writes it.
type hubFile struct {
	Architecture string   `json:"architecture"`
	NumClasses   int      `json:"num_classes"`
	NumFeatures  int      `json:"num_features"`
	GlobalPool   string   `json:"global_pool"`
	LabelNames   []string `json:"label_names,omitempty"`
	// Descriptions map class names to what people call the classes, if that differs.
	Descriptions map[string]string `json:"label_descriptions,omitempty"`
	ModelArgs    map[string]any    `json:"model_args"`
	Pretrained   struct {
		CustomLoad     bool      `json:"custom_load"`
		InputSize      []int     `json:"input_size"`
		FixedInputSize bool      `json:"fixed_input_size"`
		Interpolation  string    `json:"interpolation"`
		CropPct        float64   `json:"crop_pct"`
		CropMode       string    `json:"crop_mode"`
		Mean           []float64 `json:"mean"`
		Std            []float64 `json:"std"`
		NumClasses     int       `json:"num_classes"`
		FirstConv      string    `json:"first_conv"`
		Classifier     string    `json:"classifier"`
	} `json:"pretrained_cfg"`
}

// WriteHub writes a model as a folder that timm's create_model("local-dir:FOLDER", pretrained=True)
// loads: config.json and model.safetensors with timm's names, and a card. It makes the folder. An
// existing folder may only have such files: WriteHub replaces them, except a card that a person has
// written. The note says what timm does differently with images; it may be "".
func WriteHub(l *Loaded, dir string) (note string, err error) {
	if err := l.NeedOneLabel("a timm folder, which cannot say that an image has several classes,"); err != nil {
		return "", err
	}
	if err := l.needsAll("timm"); err != nil {
		return "", err
	}
	ts, err := Export(l, torch.Timm)
	if err != nil {
		return "", err
	}
	file, err := hubFileOf(l)
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return "", fmt.Errorf("model: %s: %w", HubConfigFile, err)
	}
	if err := hubFolder(dir); err != nil {
		return "", err
	}
	notes, err := otherImages(l)
	if err != nil {
		return "", err
	}
	// Python's safetensors package writes "pt" for PyTorch.
	meta := map[string]string{FormatKey: "pt", UsedKey: l.Used()}
	err = checkpoints.Write(filepath.Join(dir, HubWeightsFile), checkpoints.File{Meta: meta, Tensors: ts})
	if err != nil {
		return "", err
	}
	err = checkpoints.WriteAtomic(filepath.Join(dir, HubConfigFile), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
	if err != nil {
		return "", err
	}
	return notes, writeCard(dir, l, file)
}

// otherImages says which images timm prepares in a different way than our evaluation; "" if none.
func otherImages(l *Loaded) (string, error) {
	p, err := preprocess.Of(l.Config.Data, l.Model.Channels())
	if err != nil {
		return "", fmt.Errorf("model: %w", err)
	}
	var notes []string
	if cut := p.Transform.Cut(); cut.KeepTo > 0 {
		notes = append(notes, fmt.Sprintf("images of %d to %d pixels are not resized here, and timm resizes them",
			cut.KeepFrom, cut.KeepTo))
	}
	if !p.Decoding.IgnoreOrientation {
		notes = append(notes,
			"images are turned by their EXIF orientation here, and timm does not turn them (data.orientation)")
	}
	if !p.Decoding.Clip16Bit {
		notes = append(notes, "grey images of 16 bits are scaled here, and timm clips their values (data.sixteen_bit)")
	}
	return strings.Join(notes, "; "), nil
}

// CheckHubFolder returns an error if WriteHub cannot write to a folder.
func CheckHubFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{HubConfigFile, HubWeightsFile, HubCardFile, ".gitattributes"}, e.Name()) {
			return fmt.Errorf("folder %s has other files (%s): give a new one", dir, e.Name())
		}
	}
	return nil
}

func hubFolder(dir string) error {
	if err := CheckHubFolder(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}

// hubFileOf describes a model for timm.
func hubFileOf(l *Loaded) (hubFile, error) {
	m, d := l.Config.Model, l.Config.Data
	classes := l.Model.Classes()
	if l.Headless {
		classes = 0
	}
	hub := weightsOf(torch.Family(m.Name)).Hub
	if hub == nil {
		return hubFile{}, fmt.Errorf("model: timm has no %s: %w", m.Name, ErrNaming)
	}
	timms := hub.Write(m, d.ImageSize)
	f := hubFile{
		NumClasses:  classes,
		GlobalPool:  timms.GlobalPool,
		NumFeatures: timms.NumFeatures,
		ModelArgs:   timms.Args,
	}
	f.ModelArgs["in_chans"], f.ModelArgs["num_classes"] = m.InChans, classes
	if len(l.Classes) == classes {
		f.LabelNames = l.Classes
		f.Descriptions = described(l)
	}
	p := &f.Pretrained
	cut := preprocess.Evaluation(d, m.InChans).Cut()
	p.InputSize = []int{m.InChans, d.ImageSize, d.ImageSize}
	p.Interpolation, p.CropPct, p.CropMode = d.Interpolation, cut.Ratio, string(cut.Mode)
	p.Mean, p.Std, p.NumClasses = d.Mean, d.Std, classes
	p.FirstConv, p.Classifier, p.FixedInputSize = timms.FirstConv, timms.Classifier, timms.FixedInputSize
	var err error
	f.Architecture, err = hubArchitecture(hub, m)
	return f, err
}

// described returns what people call the classes if that differs from their names, else nil.
func described(l *Loaded) map[string]string {
	labels, _ := l.Labels(l.Classes)
	out := map[string]string{}
	for i, name := range l.Classes {
		if i < len(labels) && labels[i] != name {
			out[name] = labels[i]
		}
	}
	return out
}

// hubArchitecture returns timm's architecture for a model: one of its size, else one with the same
// computation, and the other sizes as arguments.
func hubArchitecture(hub *foreign.Hub, m configs.Model) (string, error) {
	for _, preset := range configs.Presets() {
		c, err := configs.Load(preset)
		if err != nil || c.Task != "classify" || !sameShapes(c.Model, m) {
			continue
		}
		if name := hub.Preset(preset, c.Model, m); name != "" {
			return name, nil
		}
	}
	if name := hub.Default(m); name != "" {
		return name, nil
	}
	return "", fmt.Errorf("model: timm has no %s that computes the same: %w", m.Title(), ErrOtherCode)
}
