// Package foreign describes what a family of models knows about weights that other programs
// read and write: names, the sizes that the shapes of tensors tell, what each program computes.
// A family fills in a [Family]; package model does the rest.
package foreign

import (
	"errors"
	"strings"

	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/torch"
)

// The user has to say what the tensors of a network do not tell.
var (
	ErrActivation = errors.New("the weights do not tell the activation")
	ErrHeads      = errors.New("the weights do not tell the number of attention heads")
	ErrVariant    = errors.New("the names of the tensors do not tell which Swin it is")
)

// Family is what is known of the weights of a family. Every field may be missing: the
// weights of the family are then read and written under their own names alone.
type Family struct {
	// Network has the names of the tensors in other programs, and recognises them.
	Network torch.Network
	// Shapes reads the sizes of a model off its tensors: the section model, and the side of
	// the images in pixels that it is for, 0 if the tensors do not tell it. The model must
	// have no more values than the file, but for a factor.
	Shapes func(s Shapes) (m configs.Model, imageSize int, err error)
	// ImageSize is a side of images in pixels that a model is likely for, if its tensors do
	// not tell one.
	ImageSize func(m configs.Model) int
	// SameShapes says whether two models have the same tensors, but for the number of classes
	// and what images they are for. Without it the sections are compared.
	SameShapes func(a, b configs.Model) bool
	// Told is what the names of the tensors tell, as settings on top of a preset. It completes
	// the model and the size of the images, and asks for what nothing tells.
	Told func(w *Weights, m *configs.Model, imageSize *int) (settings []string, err error)
	// Untold is the error for a model whose sizes are of no preset, if something that the
	// user has not set is not told by its tensors.
	Untold func(w *Weights, m configs.Model) error
	// Assumed is what is taken from a preset of the same shapes, or without one from the
	// defaults, since no tensor tells it.
	Assumed func(m configs.Model, preset bool) []string
	// Unsupported is an error that names a part of the network which ours does not have.
	Unsupported func(s Shapes) error
	// Doubts notes if weights without a configuration may be for another computation than
	// the user's configuration.
	Doubts func(w *Weights, m configs.Model)
	// Padding says if the program that wrote the weights computes something else of images
	// of a size in pixels; "" if not.
	Padding func(m configs.Model, height, width int, n torch.Naming) string
	// Alike says whether a difference in a key of the section model does not change what is
	// computed of the weights.
	Alike func(key string, weights, config configs.Model) bool
	// Trained notes how weights were trained in another way than the model computes.
	Trained func(weights, config configs.Model) (notes []string)
	// Differs is what a program has that the model has not, where the two would compute
	// different logits of the same tensors: settings with which ours would be the same, and
	// other things in words.
	Differs func(n torch.Naming, m configs.Model, imageSize int, folded bool) (settings, other []string)
	// Written changes a tensor, under its official name, into those that a program wants.
	Written func(n torch.Naming, m configs.Model, t Tensor) []Tensor
	// Added are tensors that a program wants besides, under official names.
	Added func(n torch.Naming, m configs.Model, imageSize int) []Tensor
	// Fit makes a tensor of the shape that the model wants of one for images or windows of
	// another size, and notes it: a %d in the note stands for the number of tensors with the
	// same. ok is false for a tensor that stays as it is.
	Fit func(t Tensor, want []int, antialias bool) (fitted Tensor, note string, ok bool)
	// Hub is how timm describes models of the family; nil if it has none.
	Hub *Hub
}

// Tensor is a tensor of a file.
type Tensor = formats.Tensor

// Weights are those of a file, of which nobody has said what they are for.
type Weights struct {
	Path       string
	Shapes     Shapes
	Naming     torch.Naming
	Ignored    []string // what else the file holds, in words
	Pretrained bool     // they are of a LocalMIM, which has no classifier
	Settings   []string // of the user, "key=value"
	// Note tells the user something.
	Note func(format string, args ...any)
	// Ask is how the user can set what nothing tells, to end an error with.
	Ask func(settings string) string
}

// Setting is the value that the user has set for a key.
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

// WithBias puts a bias of zeros before the weights of queries, keys and values, which is the
// same as none; other tensors stay alone.
func WithBias(t Tensor) []Tensor {
	block, ok := strings.CutSuffix(t.Name, ".attn.qkv.weight")
	if !ok {
		return []Tensor{t}
	}
	return []Tensor{{Name: block + ".attn.qkv.bias", Shape: t.Shape[:1], F32: make([]float32, t.Shape[0])}, t}
}
