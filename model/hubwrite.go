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
)

// hubFile is config.json as timm writes it.
type hubFile struct {
	Architecture string         `json:"architecture"`
	NumClasses   int            `json:"num_classes"`
	NumFeatures  int            `json:"num_features"`
	GlobalPool   string         `json:"global_pool"`
	LabelNames   []string       `json:"label_names,omitempty"`
	ModelArgs    map[string]any `json:"model_args"`
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

// WriteHub writes a model as a folder that timm's create_model("local-dir:FOLDER",
// pretrained=True) loads: config.json and model.safetensors, with timm's names. The folder
// is made; one that is there may have such files alone, which are replaced. The note says
// what timm does differently with images; it may be "".
func WriteHub(l *Loaded, dir string) (note string, err error) {
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
	// "pt" is what Python's safetensors package writes for PyTorch.
	meta := map[string]string{FormatKey: "pt", UsedKey: l.Used()}
	if err := checkpoints.Write(filepath.Join(dir, HubWeightsFile), checkpoints.File{Meta: meta, Tensors: ts}); err != nil {
		return "", err
	}
	return notes, checkpoints.WriteAtomic(filepath.Join(dir, HubConfigFile), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// otherImages says which images timm treats in another way than the model's evaluation; ""
// if none.
func otherImages(l *Loaded) (string, error) {
	p, err := preprocess.Of(l.Config.Data, l.Model.Channels())
	if err != nil {
		return "", fmt.Errorf("model: %w", err)
	}
	var notes []string
	if cut := p.Transform.Cut(); cut.KeepTo > 0 {
		notes = append(notes, fmt.Sprintf("images of %d to %d pixels are not resized here, and timm resizes them", cut.KeepFrom, cut.KeepTo))
	}
	if !p.Decoding.IgnoreOrientation {
		notes = append(notes, "images are turned by their EXIF orientation here, and timm does not turn them (data.orientation)")
	}
	if !p.Decoding.Clip16Bit {
		notes = append(notes, "grey images of 16 bits are scaled here, and timm clips their values (data.sixteen_bit)")
	}
	return strings.Join(notes, "; "), nil
}

// CheckHubFolder says whether WriteHub can write to a folder.
func CheckHubFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	for _, e := range entries {
		if !slices.Contains([]string{HubConfigFile, HubWeightsFile, "README.md", ".gitattributes"}, e.Name()) {
			return fmt.Errorf("%s is a folder with other files (%s): want a new one", dir, e.Name())
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
	f := hubFile{NumClasses: classes, GlobalPool: "avg", ModelArgs: map[string]any{
		"embed_dim": m.EmbedDim, "mlp_ratio": m.MLPRatio, "patch_size": m.PatchSize, "in_chans": m.InChans, "num_classes": classes,
	}}
	if len(l.Classes) == classes {
		f.LabelNames = l.Classes
	}
	p := &f.Pretrained
	cut := preprocess.Evaluation(d, m.InChans).Cut()
	p.InputSize, p.Interpolation, p.CropPct, p.CropMode = []int{m.InChans, d.ImageSize, d.ImageSize}, d.Interpolation, cut.Ratio, string(cut.Mode)
	p.Mean, p.Std, p.NumClasses, p.FirstConv, p.FixedInputSize = d.Mean, d.Std, classes, "patch_embed.proj", m.Name != "fasternet"
	a := f.ModelArgs
	switch m.Name {
	case "fasternet":
		a["depths"], a["n_div"], a["feature_dim"], a["merge_size"] = m.Depths, m.NDiv, m.FeatureDim, m.PatchSize2
		a["layer_scale_init_value"], a["global_pool"] = m.LayerScaleInitValue, "avg"
		f.NumFeatures, p.Classifier = m.EmbedDim<<(len(m.Depths)-1), "classifier"
	case "vit":
		if !m.GlobalPool {
			f.GlobalPool = "token"
		}
		a["depth"], a["num_heads"], a["img_size"], a["qkv_bias"] = m.Depth, m.NumHeads[0], d.ImageSize, m.QKVBias
		a["global_pool"], a["class_token"], a["fc_norm"] = f.GlobalPool, true, m.GlobalPool && !m.NormBeforePool
		f.NumFeatures, p.Classifier = m.EmbedDim, "head"
	case "swin":
		a["depths"], a["num_heads"], a["img_size"], a["qkv_bias"] = m.Depths, []int(m.NumHeads), d.ImageSize, m.QKVBias
		a["window_size"], a["global_pool"] = m.WindowSize, "avg"
		f.NumFeatures, p.Classifier = m.EmbedDim<<(len(m.Depths)-1), "head.fc"
	default:
		return f, fmt.Errorf("model: timm has no architecture of the family %s: %w", m.Name, ErrNaming)
	}
	var err error
	f.Architecture, err = hubArchitecture(m)
	return f, err
}

// hubArchitecture is timm's architecture for a model: one of its size, or else one with the
// same computation, and other sizes in the arguments. The activation of a FasterNet
// follows from the architecture alone.
func hubArchitecture(m configs.Model) (string, error) {
	names := map[string]string{
		"vit_tiny": "vit_tiny_patch16_224", "vit_small": "vit_small_patch16_224", "vit_base": "vit_base_patch16_224", "vit_large": "vit_large_patch16_224",
		"swin_tiny": "swin_tiny_patch4_window7_224", "swin_small": "swin_small_patch4_window7_224", "swin_base": "swin_base_patch4_window7_224", "swin_large": "swin_large_patch4_window7_224",
	}
	for _, preset := range configs.Presets() {
		c, err := configs.Load(preset)
		if err != nil || c.Task != "classify" || !sameShapes(c.Model, m) || c.Model.ActLayer != m.ActLayer {
			continue
		}
		if plainArchitectures[torch.FasterNet].MatchString(preset) {
			return preset, nil
		}
		if name, ok := names[preset]; ok {
			return name, nil
		}
	}
	switch {
	case m.Name == "vit":
		return names["vit_base"], nil
	case m.Name == "swin":
		return names["swin_tiny"], nil
	case m.Name == "fasternet" && m.ActLayer == "gelu":
		return "fasternet_t0", nil
	case m.Name == "fasternet" && m.ActLayer == "relu":
		return "fasternet_t2", nil
	}
	return "", fmt.Errorf("model: timm has no %s with the activation %s: %w", m.Name, m.ActLayer, ErrOtherCode)
}
