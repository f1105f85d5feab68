package model

import (
	"errors"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph/fasternet"
	"fasternet/graph/foreign"
)

// Unknown families, activations and weights are refused, not guessed.
func TestUnknownKinds(t *testing.T) {
	c, err := configs.Load("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	net, err := New(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	other := *c
	other.Model.Name = "convnet"
	l := &Loaded{Model: net, Config: &other}
	if _, err := hubFileOf(l); !errors.Is(err, ErrNaming) {
		t.Errorf("a folder of timm: %v", err)
	}
	if err := l.computedBy(torch.Timm); !errors.Is(err, ErrNaming) {
		t.Errorf("what timm computes: %v", err)
	}
	if sameShapes(other.Model, other.Model) {
		t.Error("two models of an unknown family have the same tensors")
	}
	if name, err := hubArchitecture(
		&foreign.Hub{Default: func(configs.Model) string { return "" }},
		other.Model,
	); err == nil {
		t.Errorf("the architecture is %s", name)
	}
	other.Model.Name = "fasternet"
	configs.Change(&other.Model, func(a *fasternet.Config) { a.ActLayer, a.EmbedDim = "silu", a.EmbedDim+1 })
	if name, err := hubArchitecture(weightsOf("fasternet").Hub, other.Model); !errors.Is(err, ErrOtherCode) {
		t.Errorf("with another activation the architecture is %s, %v", name, err)
	}
	if _, err := choose(&checkpoints.File{}, "newest", Remedies{}); err == nil {
		t.Error("weights of an unknown kind are chosen")
	}
}
