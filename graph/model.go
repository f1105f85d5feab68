package graph

import (
	"fasternet/configs"
	"fasternet/layers"

	"gorgonia.org/gorgonia"
)

// Model is a classifier: its parameters, and how to add it to a graph.
type Model interface {
	// Store returns the parameters and buffers under their official names.
	Store() *layers.Store
	// Forward adds the model to a graph: images [batch, height, width, channels] to logits [batch,
	// classes].
	Forward(p *layers.Pass, images *gorgonia.Node) (*gorgonia.Node, error)
	// Channels is the number of channels of an image, and Classes the number of logits.
	Channels() int
	Classes() int
}

// Base is the common part of all families: embed it in the type of a model. A is the part of the
// configuration that belongs to the family.
type Base[A configs.Arch] struct {
	store  *layers.Store
	config configs.Model
	arch   A
}

// NewBase returns the base of a model that puts its parameters and buffers into a store. It returns
// an error for a configuration of another family.
func NewBase[A configs.Arch](c configs.Model, s *layers.Store) (Base[A], error) {
	arch, err := configs.ArchOf[A](c)
	return Base[A]{s, c, arch}, err
}

// Store implements [Model].
func (b *Base[A]) Store() *layers.Store { return b.store }

// Channels implements [Model].
func (b *Base[A]) Channels() int { return b.config.InChans }

// Classes implements [Model].
func (b *Base[A]) Classes() int { return b.config.NumClasses }

// Config returns the configuration of the model.
func (b *Base[A]) Config() configs.Model { return b.config }

// Arch returns the part of the configuration that only this family has.
func (b *Base[A]) Arch() A { return b.arch }
