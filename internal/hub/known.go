package hub

import "github.com/agnivade/levenshtein"

// Model is a model of the hub with an architecture that this program has.
type Model struct {
	Repo    string `json:"repo"`
	Preset  string `json:"preset,omitempty"` // preset with the same shapes; "" if there is none
	Trained string `json:"trained"`          // data set that it was trained on
	Size    int    `json:"size"`             // side of the images in pixels
	License string `json:"license"`          // license of the weights; see also the card of the model
}

// Reference returns the model's reference.
func (m Model) Reference() string { return "hf://" + m.Repo }

// Known lists models of the hub with pretrained weights; the first one with a preset is the one to
// take for it. Names, sizes and licenses come from the registry of timm 1.0. Many more can be read:
// each model of timm with an architecture of the families here.
var Known = []Model{
	{"timm/fasternet_t0.in1k", "fasternet_t0", "ImageNet-1k", 224, "apache-2.0"},
	{"timm/fasternet_t1.in1k", "fasternet_t1", "ImageNet-1k", 224, "apache-2.0"},
	{"timm/fasternet_t2.in1k", "fasternet_t2", "ImageNet-1k", 224, "apache-2.0"},
	{"timm/fasternet_s.in1k", "fasternet_s", "ImageNet-1k", 224, "apache-2.0"},
	{"timm/fasternet_m.in1k", "fasternet_m", "ImageNet-1k", 224, "apache-2.0"},
	{"timm/fasternet_l.in1k", "fasternet_l", "ImageNet-1k", 224, "apache-2.0"},
	{"timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", "vit_tiny", "ImageNet-21k, then 1k", 224, "apache-2.0"},
	{"timm/deit_tiny_patch16_224.fb_in1k", "vit_tiny", "ImageNet-1k", 224, "apache-2.0"},
	{"timm/vit_small_patch16_224.augreg_in21k_ft_in1k", "vit_small", "ImageNet-21k, then 1k", 224, "apache-2.0"},
	{"timm/deit_small_patch16_224.fb_in1k", "vit_small", "ImageNet-1k", 224, "apache-2.0"},
	{"timm/vit_base_patch16_224.augreg2_in21k_ft_in1k", "vit_base", "ImageNet-21k, then 1k", 224, "apache-2.0"},
	{"timm/deit_base_patch16_224.fb_in1k", "vit_base", "ImageNet-1k", 224, "apache-2.0"},
	{"timm/vit_large_patch16_224.augreg_in21k_ft_in1k", "vit_large", "ImageNet-21k, then 1k", 224, "apache-2.0"},
	{"timm/swin_tiny_patch4_window7_224.ms_in1k", "swin_tiny", "ImageNet-1k", 224, "mit"},
	{"timm/swin_tiny_patch4_window7_224.ms_in22k_ft_in1k", "swin_tiny", "ImageNet-22k, then 1k", 224, "mit"},
	{"timm/swin_small_patch4_window7_224.ms_in1k", "swin_small", "ImageNet-1k", 224, "mit"},
	{"timm/swin_small_patch4_window7_224.ms_in22k_ft_in1k", "swin_small", "ImageNet-22k, then 1k", 224, "mit"},
	{"timm/swin_base_patch4_window7_224.ms_in22k_ft_in1k", "swin_base", "ImageNet-22k, then 1k", 224, "mit"},
	{"timm/swin_base_patch4_window7_224.ms_in1k", "swin_base", "ImageNet-1k", 224, "mit"},
	{"timm/swin_large_patch4_window7_224.ms_in22k_ft_in1k", "", "ImageNet-22k, then 1k", 224, "mit"},
}

// KnownFor returns the model to take for a preset; false if there is none.
func KnownFor(preset string) (Model, bool) {
	for _, m := range Known {
		if m.Preset == preset && preset != "" {
			return m, true
		}
	}
	return Model{}, false
}

// nearest returns the known model with the most similar name; "" if none is near.
func nearest(repo string) string {
	best, distance := "", 5
	for _, m := range Known {
		if d := levenshtein.ComputeDistance(repo, m.Repo); d < distance && d > 0 {
			best, distance = m.Repo, d
		}
	}
	return best
}
