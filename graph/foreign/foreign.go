// Package foreign describes how other programs store the weights of a family of models: the names,
// the sizes that follow from the shapes of tensors, and what each program computes. A family fills
// in a [Family]; package model does the rest.
package foreign

import (
	"errors"
	"strings"

	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
)

// The user must say what the tensors of a network do not show.
var (
	ErrActivation = errors.New("the weights do not show the activation")
	ErrHeads      = errors.New("the weights do not show the number of attention heads")
	ErrVariant    = errors.New("the names of the tensors do not show which Swin it is")
)

// Family describes the weights of a family. Every field may be missing: then weights of the family
// are read and written only under their own names.
type Family struct {
	// Network has the names of the tensors in other programs, and recognises them.
	Network torch.Network
	// Shapes reads the sizes of a model from its tensors: the section model, and the side of the
	// images in pixels, or 0 if the tensors do not show it. The model must have no more values than
	// the file, up to a factor.
	Shapes func(s Shapes) (m configs.Model, imageSize int, err error)
	// ImageSize returns the likely side of images in pixels for a model whose tensors do not show it.
	ImageSize func(m configs.Model) int
	// SameShapes says whether two models have the same tensors, except for the number of classes
	// and the images they are for. If it is nil, the sections are compared.
	SameShapes func(a, b configs.Model) bool
	// Told returns what the names of the tensors show, as settings on top of a preset. It completes
	// the model and the size of the images, and asks for everything that nothing shows.
	Told func(w *Weights, m *configs.Model, imageSize *int) (settings []string, err error)
	// Untold returns the error for a model whose sizes belong to no preset, if the tensors do not
	// show something that the user has not set.
	Untold func(w *Weights, m configs.Model) error
	// Assumed lists what is taken from a preset of the same shapes, or else from the defaults,
	// because no tensor shows it.
	Assumed func(m configs.Model, preset bool) []string
	// Unsupported returns an error that names a part of the network that this project does not have.
	Unsupported func(s Shapes) error
	// Doubts notes if weights without a configuration may be made for a different computation from the
	// user's configuration.
	Doubts func(w *Weights, m configs.Model)
	// Padding says if the program that wrote the weights computes something else for images of a
	// size in pixels; "" if not.
	Padding func(m configs.Model, height, width int, n torch.Naming) string
	// Alike says whether two values of a key of the section model compute the same from the weights.
	Alike func(key string, weights, config configs.Model) bool
	// Trained notes if weights were trained in a different way than the model computes.
	Trained func(weights, config configs.Model) (notes []string)
	// Differs returns what a program has and the model does not, if the two would compute different
	// logits from the same tensors: settings that make ours the same, and other differences in
	// words.
	Differs func(n torch.Naming, m configs.Model, imageSize int, folded bool) (settings, other []string)
	// Written turns a tensor, under its official name, into the tensors that a program wants.
	Written func(n torch.Naming, m configs.Model, t Tensor) []Tensor
	// Added returns further tensors that a program wants, under official names.
	Added func(n torch.Naming, m configs.Model, imageSize int) []Tensor
	// Fit converts a tensor for images or windows of another size to the shape that the model
	// wants, and notes it: a %d in the note stands for the number of tensors with the same note. ok
	// is false for a tensor that stays as it is.
	Fit func(t Tensor, want []int, antialias bool) (fitted Tensor, note string, ok bool)
	// Hub describes how timm stores models of the family; nil if it has none.
	Hub *Hub
}

// Tensor is a tensor of a file.
type Tensor = formats.Tensor

// Weights holds the weights of a file without a configuration.
type Weights struct {
	Path       string
	Shapes     Shapes
	Naming     torch.Naming
	Ignored    []string // other contents of the file, in words
	Pretrained bool     // weights of a LocalMIM, which has no classifier
	Settings   []string // of the user, "key=value"
	// Note tells the user something.
	Note func(format string, args ...any)
	// Ask returns the end of an error: how the user can set what nothing shows.
	Ask func(settings string) string
}

// Setting returns the value that the user has set for a key.
func (w *Weights) Setting(key string) (value string, ok bool) {
	for _, s := range w.Settings {
		if v, is := strings.CutPrefix(s, key+"="); is {
			value, ok = v, true
		}
	}
	return value, ok
}

// Sets says whether the user has set a key.
func (w *Weights) Sets(key string) bool { _, ok := w.Setting(key); return ok }

// WithBias adds a bias of zeros, which is the same as none, before the weights of queries, keys and
// values. It returns other tensors unchanged.
func WithBias(t Tensor) []Tensor {
	block, ok := strings.CutSuffix(t.Name, ".attn.qkv.weight")
	if !ok {
		return []Tensor{t}
	}
	return []Tensor{{Name: block + ".attn.qkv.bias", Shape: t.Shape[:1], F32: make([]float32, t.Shape[0])}, t}
}
