package swin

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph/foreign"
)

// program describes what a program computes with the tensors of a Swin.
type program struct {
	normBeforePool bool
	eps, eps2      float64 // of all norms except norm2, and of norm2
}

// The Swin of Microsoft, timm and torchvision, and the Swin of LocalMIM's fine-tuning.
var (
	microsoft = program{true, 1e-5, 1e-5}
	localMIM  = program{false, 1e-6, 1e-5}
)

func (p program) settings() []string {
	return []string{
		fmt.Sprintf("model.norm_before_pool=%v", p.normBeforePool),
		fmt.Sprintf("model.norm_eps=%g", p.eps),
		fmt.Sprintf("model.norm2_eps=%g", p.eps2),
	}
}

// settingsOf returns what a configuration computes, as settings.
func settingsOf(m configs.Model) []string {
	c, _ := m.Arch.(Config)
	return program{c.NormBeforePool, c.NormEps, c.Norm2Eps}.settings()
}

// missing returns the settings of the program that a model does not have.
func (p program) missing(m configs.Model) (out []string) {
	have := settingsOf(m)
	for i, s := range p.settings() {
		if s != have[i] {
			out = append(out, s)
		}
	}
	return out
}

// programOf returns what the program that wrote foreign weights computes; nil if several programs
// use such names.
func programOf(w *foreign.Weights) *program {
	switch w.Naming {
	case torch.Timm, torch.Torchvision, torch.Microsoft:
		return &microsoft
	}
	// The training program of Microsoft keeps its configuration next to the weights.
	if slices.Contains(w.Ignored, "yacs.config.CfgNode") {
		return &microsoft
	}
	return nil
}

func doubts(w *foreign.Weights, m configs.Model) {
	of := programOf(w)
	switch {
	case of == nil:
		w.Note("the names of the tensors do not tell Microsoft's Swin (%s) from LocalMIM's (%s): "+
			"it is taken as the configuration says (%s)",
			strings.Join(microsoft.settings(), ", "),
			strings.Join(localMIM.settings(), ", "),
			strings.Join(settingsOf(m), ", "))
	case len(of.missing(m)) > 0:
		w.Note("warning: the Swin with such names computes something else (%s) than the configuration (%s); "+
			"set these keys if the weights come from that program",
			strings.Join(of.settings(), ", "), strings.Join(settingsOf(m), ", "))
	}
}

func differs(n torch.Naming, m configs.Model, imageSize int, _ bool) (settings, other []string) {
	c, ok := m.Arch.(Config)
	if !ok {
		return nil, nil
	}
	of := localMIM
	if n != torch.Official && n != torch.LocalMIM {
		of = microsoft
		if stage := paddedStage(c, imageSize, n); stage > 0 {
			other = append(
				other,
				fmt.Sprintf(
					"maps that are multiples of the windows: "+
						"for images of %d pixels (data.image_size) stage %d has others",
					imageSize, stage,
				),
			)
		}
	}
	if !c.PatchNorm && (n == torch.Timm || n == torch.Torchvision) {
		other = append(other, "a norm after the patches (model.patch_norm)")
	}
	return of.missing(m), other
}

// padding says if the program that wrote the weights pads maps of images of a size, for which ours
// uses smaller windows.
func padding(m configs.Model, height, width int, n torch.Naming) string {
	c, ok := m.Arch.(Config)
	if !ok || n != torch.Timm && n != torch.Torchvision {
		return ""
	}
	stage, size := paddedStage(c, height, n), fmt.Sprint(height)
	if height != width {
		size = fmt.Sprintf("%d×%d", height, width)
		if other := paddedStage(c, width, n); stage == 0 || other > 0 && other < stage {
			stage = other
		}
	}
	if stage == 0 {
		return ""
	}
	return fmt.Sprintf("warning: for images of %s pixels the maps of stage %d are not a multiple of the windows: "+
		"%s pads them with zeros, which count as tokens, and this program cuts windows, so the logits differ",
		size, stage, n)
}

// paddedStage returns the first stage, from 1, that other code pads for images of a size; 0 if
// there is none. If a map is smaller than a window, timm uses a smaller window, as ours does, and
// torchvision pads.
func paddedStage(c Config, size int, n torch.Naming) int {
	for i := range c.Depths {
		side := c.Side(size) >> i
		if side > c.WindowSize && side%c.WindowSize != 0 || side < c.WindowSize && n == torch.Torchvision {
			return i + 1
		}
	}
	return 0
}
