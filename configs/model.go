package configs

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// checkName checks that the family of the model is known.
func (m Model) checkName() *problem {
	if p := noFamily(); p != nil {
		return p
	}
	p := oneOf("model.name", m.Name, FamilyNames()...)
	if p != nil && closest(m.Name, FamilyNames()) == "" {
		p.text += ": only programs that register this family can use it"
	}
	return p
}

// check checks the keys of all models, and lets the family check its own.
func (m Model) check() *problem {
	if p := first(
		m.checkName(),
		within("model.drop_path_rate", m.DropPathRate, 0, 0.99),
		within("model.init_std", m.InitStd, 0, 1),
		atLeast("model.num_classes", m.NumClasses, 0),
	); p != nil {
		return p
	}
	if p := inside(
		"model.in_chans",
		float64(m.InChans),
		Domain{Least: 1, Most: 3, Numbers: []int{1, 3}},
		"want 1 (grey) or 3 (RGB), got %d",
		m.InChans,
	); p != nil {
		return p
	}
	return m.Arch.Check(m)
}

// CheckImageSize returns an error unless an image of that size keeps a pixel up to the last stage.
func (m Model) CheckImageSize(size int) error {
	if p := m.checkImage("image size", size); p != nil {
		return fmt.Errorf("%s: %s", p.key, p.text)
	}
	return nil
}

// checkImage returns a problem if the family cannot compute images of a size.
func (m Model) checkImage(key string, size int) *problem {
	if a, ok := m.Arch.(ImageChecker); ok {
		return a.CheckImage(key, size)
	}
	return nil
}

// YAML returns the section as a file of its own.
func (m Model) YAML() (string, error) {
	text, err := yaml.Marshal(struct {
		Model Model `yaml:"model"`
	}{m})
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	return string(text), nil
}

// noFamily is a mistake of the program: it registered no family.
func noFamily() *problem {
	if len(families) > 0 {
		return nil
	}
	return wrong("model.name", "no model family is registered: import fasternet/graph/families, or register your own")
}
