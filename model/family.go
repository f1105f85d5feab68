package model

import (
	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/graph/foreign"
)

// What the user has to say, since the tensors do not tell it.
var (
	ErrActivation = foreign.ErrActivation
	ErrHeads      = foreign.ErrHeads
	ErrVariant    = foreign.ErrVariant
)

// weightsOf is what the family of a network knows of weights of other programs. It is empty
// if the network is not known.
func weightsOf(f torch.Family) foreign.Family {
	family, _ := graph.FamilyOf(string(f))
	return family.Weights
}

// title is the name of a family in messages.
func title(f torch.Family) string { return configs.Model{Name: string(f)}.Title() }

// shapes has the shapes of the tensors, for the family to read.
func (s *source) shapes() foreign.Shapes {
	return foreign.NewShapes(title(s.state.Family), s.state.Tensors)
}

// weights are the tensors with what is known of them, for the family to read.
func (s *source) weights(settings []string) *foreign.Weights {
	return &foreign.Weights{
		Path: s.path, Shapes: s.shapes(), Naming: s.state.Naming, Ignored: s.state.Ignored, Pretrained: s.pretrained(), Settings: settings,
		Note: s.note, Ask: s.ways.ask,
	}
}

// unsupported names a part of the network that ours does not have.
func (s *source) unsupported() error {
	if f := weightsOf(s.state.Family).Unsupported; f != nil {
		return f(s.shapes())
	}
	return nil
}
