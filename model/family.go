package model

import (
	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/graph/foreign"
)

// What the user must say if the tensors do not tell it.
var (
	ErrActivation = foreign.ErrActivation
	ErrHeads      = foreign.ErrHeads
	ErrVariant    = foreign.ErrVariant
)

// weightsOf returns what a family knows about weights of other programs: nothing for an unknown family.
func weightsOf(f torch.Family) foreign.Family {
	family, _ := graph.FamilyOf(string(f))
	return family.Weights
}

// title returns the name of a family in messages.
func title(f torch.Family) string { return configs.Model{Name: string(f)}.Title() }

// shapes returns the shapes of the tensors, for the family to read.
func (s *source) shapes() foreign.Shapes {
	return foreign.NewShapes(title(s.state.Family), s.state.Tensors)
}

// weights returns the tensors and what is known about them, for the family to read.
func (s *source) weights(settings []string) *foreign.Weights {
	return &foreign.Weights{
		Path:       s.path,
		Shapes:     s.shapes(),
		Naming:     s.state.Naming,
		Ignored:    s.state.Ignored,
		Pretrained: s.pretrained(),
		Settings:   settings,
		Note:       s.note, Ask: s.ways.ask,
	}
}

// unsupported returns an error for a part of the network that our models do not have.
func (s *source) unsupported() error {
	if f := weightsOf(s.state.Family).Unsupported; f != nil {
		return f(s.shapes())
	}
	return nil
}
