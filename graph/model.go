package graph

import (
	"fasternet/layers"

	"gorgonia.org/gorgonia"
)

// Model is a classifier: the parameters and how they enter a graph.
type Model interface {
	// Store holds the parameters and buffers under their official names.
	Store() *layers.Store
	// Forward adds the model to a graph: images [batch, height, width,
	// channels] to logits [batch, classes].
	Forward(p *layers.Pass, images *gorgonia.Node) (*gorgonia.Node, error)
	// Channels is the number of channels of an image, Classes that of logits.
	Channels() int
	Classes() int
}
