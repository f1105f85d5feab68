package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/layers"
)

// Family makes the models of a kind. The configuration has passed the checks of package
// configs and names the number of classes; images are square, with sides of imageSize
// pixels. Parameters belong to the store.
type Family func(c configs.Model, imageSize int, s *layers.Store) (Model, error)

// families are the models by model.name.
var families = map[string]Family{}

func init() { // not in the declaration: to make a model, its parameters are counted
	families["fasternet"] = func(c configs.Model, _ int, s *layers.Store) (Model, error) { return orNil(newFasterNet(c, s)) }
	families["vit"] = func(c configs.Model, size int, s *layers.Store) (Model, error) { return orNil(newViT(c, size, s)) }
	families["swin"] = func(c configs.Model, size int, s *layers.Store) (Model, error) { return orNil(newSwin(c, size, s)) }
}

// orNil keeps the nil of a type from becoming an interface that is not nil.
func orNil[M Model](m M, err error) (Model, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

// New makes the model that a configuration names, with parameters drawn from the seed.
func New(c configs.Model, imageSize int, seed uint64) (Model, error) {
	return fromStore(c, imageSize, layers.NewStore(seed, c.InitStd))
}

// NewShape makes the model that a configuration names without values for its parameters,
// to be counted.
func NewShape(c configs.Model, imageSize int) (Model, error) {
	return fromStore(c, imageSize, layers.NewShapeStore(false))
}

// made makes a model of a known type.
func made[M Model](name string, c configs.Model, imageSize int, s *layers.Store) (m M, err error) {
	c.Name = name
	made, err := fromStore(c, imageSize, s)
	if err != nil {
		return m, err
	}
	return made.(M), nil
}

// fromStore makes every model: nothing is made that does not fit into memory.
func fromStore(c configs.Model, imageSize int, s *layers.Store) (Model, error) {
	family, ok := families[c.Name]
	if !ok {
		return nil, fmt.Errorf("graph: model.name: want %s, got %q", strings.Join(slices.Sorted(maps.Keys(families)), " or "), c.Name)
	}
	if c.NumClasses < 1 {
		return nil, fmt.Errorf("graph: model.num_classes: want 1 or more, got %d", c.NumClasses)
	}
	if !s.ShapesOnly {
		parameters, err := Parameters(c, imageSize, s.Folded)
		if err != nil {
			return nil, err
		}
		if err := checkMemory(parameters); err != nil {
			return nil, err
		}
	}
	return family(c, imageSize, s)
}
