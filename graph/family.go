package graph

import (
	"fmt"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/formats/torch"
	"fasternet/graph/foreign"
	"fasternet/layers"
)

// Family is a kind of backbone. Its folder holds everything about it, and a line in package
// graph/families registers it.
type Family struct {
	// Config describes the section model of its configurations.
	Config configs.Family
	// New makes a model. The configuration has passed the checks of package configs and has the
	// number of classes; images are square, with sides of imageSize pixels. Parameters and buffers
	// belong to the store, under the names of checkpoints. Large ones are filled after New has
	// returned: give the store an Init, and do not write to them in New.
	New func(c configs.Model, imageSize int, s *layers.Store) (Model, error)
	// Weights says how other programs store weights of the family.
	Weights foreign.Family
	// Counted changes a configuration whose parameters are to be counted, if some values may be
	// learned or not; nil changes nothing.
	Counted func(configs.Model) configs.Model
}

// families is in the order of registration.
var families []Family

// Register adds a family, before any model is made. It panics if the name is taken.
func Register(f Family) {
	if f.New == nil {
		panic(fmt.Sprintf("graph: Register of a family %q without New", f.Config.Name))
	}
	configs.RegisterFamily(f.Config)
	if f.Weights.Network.Family = torch.Family(f.Config.Name); f.Weights.Network.Title == "" {
		f.Weights.Network.Title = configs.Model{Name: f.Config.Name}.Title()
	}
	if len(f.Weights.Network.Namings) == 0 {
		f.Weights.Network.Namings = []torch.Names{{Naming: torch.Official}}
	}
	torch.Register(f.Weights.Network)
	families = append(families, f)
}

// FamilyOf finds a family by its name.
func FamilyOf(name string) (Family, bool) {
	i := slices.IndexFunc(families, func(f Family) bool { return f.Config.Name == name })
	if i < 0 {
		return Family{}, false
	}
	return families[i], true
}

// family returns the family of a configuration.
func family(c configs.Model) (Family, error) {
	if f, ok := FamilyOf(c.Name); ok {
		return f, nil
	}
	return Family{}, fmt.Errorf("graph: model.name: want %s, got %q",
		strings.Join(configs.FamilyNames(), " or "), c.Name)
}

// New makes the model that a configuration describes, with parameters drawn from the seed.
func New(c configs.Model, imageSize int, seed uint64) (Model, error) {
	return fromStore(c, imageSize, layers.NewStore(seed, c.InitStd))
}

// NewShape makes the model that a configuration describes without values for its parameters, to
// count them.
func NewShape(c configs.Model, imageSize int) (Model, error) {
	return fromStore(c, imageSize, layers.NewShapeStore(false))
}

// NewFolded makes the model that a configuration describes in folded form (see [Foldable]), with
// parameters of zeros. It returns an error for families without a folded form.
func NewFolded(c configs.Model, imageSize int) (Model, error) {
	m, err := fromStore(c, imageSize, layers.NewFoldedStore())
	if err != nil {
		return nil, err
	}
	if f, ok := m.(Foldable); !ok || !f.Folded() {
		return nil, fmt.Errorf("a %s has no batch norms, and no folded form", c.Name)
	}
	return m, nil
}

func fromStore(c configs.Model, imageSize int, s *layers.Store) (Model, error) {
	f, err := family(c)
	if err != nil {
		return nil, err
	}
	return f.make(c, imageSize, s)
}

// Maker turns a function that returns a family's type into the New of a [Family].
func Maker[M Model](
	make func(c configs.Model, imageSize int, s *layers.Store) (M, error),
) func(configs.Model, int, *layers.Store) (Model, error) {
	return func(c configs.Model, imageSize int, s *layers.Store) (Model, error) {
		m, err := make(c, imageSize, s)
		if err != nil { // a typed nil would become an interface that is not nil
			return nil, err
		}
		return m, nil
	}
}

// Make makes a model of a family, of a known type.
func Make[M Model](f Family, c configs.Model, imageSize int, s *layers.Store) (m M, err error) {
	c.Name = f.Config.Name
	made, err := f.make(c, imageSize, s)
	if err != nil {
		return m, err
	}
	m, ok := made.(M)
	if !ok {
		return m, fmt.Errorf("graph: family %s makes a %T", f.Config.Name, made)
	}
	return m, nil
}

// make makes every model: it refuses models that do not fit into memory.
func (f Family) make(c configs.Model, imageSize int, s *layers.Store) (Model, error) {
	if c.NumClasses < 1 {
		return nil, fmt.Errorf("graph: model.num_classes: want 1 or more, got %d", c.NumClasses)
	}
	if !s.ShapesOnly {
		parameters, err := f.parameters(c, imageSize, s.Folded)
		if err != nil {
			return nil, err
		}
		if err := CheckMemory(parameters); err != nil {
			return nil, err
		}
	}
	s.DrawLater()
	m, err := f.New(c, imageSize, s)
	if err != nil {
		return nil, err
	}
	s.Draw()
	if m == nil || m.Store() != s {
		return nil, fmt.Errorf("graph: New of family %s: want a model whose Store is the one that it was given",
			f.Config.Name)
	}
	if _, ok := c.Arch.(configs.BatchNormed); !ok && len(s.Norms) > 0 {
		return nil, fmt.Errorf("graph: a %s has batch norms: %T must have the method LastSide of configs.BatchNormed",
			c.Title(), c.Arch)
	}
	return m, nil
}

// parameters is [Parameters] for a model of the family.
func (f Family) parameters(c configs.Model, imageSize int, folded bool) (int, error) {
	if f.Counted != nil {
		c = f.Counted(c)
	}
	c.NumClasses = max(c.NumClasses, 1)
	m, err := f.make(c, imageSize, layers.NewShapeStore(folded))
	if err != nil {
		return 0, err
	}
	return m.Store().Parameters(), nil
}
