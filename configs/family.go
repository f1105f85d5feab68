package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Families are the kinds of backbones, the values of model.name.
var Families = []string{"fasternet", "vit", "swin"}

// DefaultModel is the model of a family whose file has no other keys:
// FasterNet-T0, ViT-B or Swin-B. Other names give that of FasterNet.
func DefaultModel(family string) Model {
	switch family {
	case "vit":
		return Model{
			Name: "vit", EmbedDim: 768, Depth: 12, NumHeads: Heads{12}, MLPRatio: 4, PatchSize: 16, QKVBias: true, GlobalPool: true,
			PosEmbed: "learned", NormEps: 1e-6, InitStd: 0.02, InChans: 3,
		}
	case "swin":
		return Model{
			Name: "swin", EmbedDim: 128, Depths: []int{2, 2, 18, 2}, NumHeads: Heads{4, 8, 16, 32}, MLPRatio: 4, PatchSize: 4, WindowSize: 7,
			QKVBias: true, PatchNorm: true, NormEps: 1e-6, Norm2Eps: 1e-5, InitStd: 0.02, InChans: 3,
		}
	}
	return Model{
		Name: "fasternet", EmbedDim: 40, Depths: []int{1, 2, 8, 2}, MLPRatio: 2, NDiv: 4, FeatureDim: 1280,
		PatchSize: 4, PatchStride: 4, PatchSize2: 2, PatchStride2: 2, ActLayer: "gelu", InitStd: 0.02, InChans: 3,
	}
}

// Heads are the numbers of attention heads. A file may give one number for a
// list of one.
type Heads []int

// UnmarshalYAML is part of yaml.Unmarshaler.
func (h *Heads) UnmarshalYAML(n *yaml.Node) error {
	var one int
	if n.Decode(&one) == nil {
		*h = Heads{one}
		return nil
	}
	var list []int
	if err := n.Decode(&list); err != nil {
		return err
	}
	*h = list
	return nil
}

// MarshalYAML is part of yaml.Marshaler. It writes the keys that the family has.
func (m Model) MarshalYAML() (any, error) {
	out := &yaml.Node{Kind: yaml.MappingNode}
	v := reflect.ValueOf(m)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !inFamily(f, m.Name) {
			continue
		}
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		var value yaml.Node
		if err := value.Encode(v.Field(i).Interface()); err != nil {
			return nil, fmt.Errorf("model.%s: %w", key, err)
		}
		if value.Kind == yaml.SequenceNode {
			value.Style = yaml.FlowStyle
			if key == "num_heads" && len(value.Content) == 1 {
				value = *value.Content[0]
			}
		}
		out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &value)
	}
	return out, nil
}

func inFamily(f reflect.StructField, family string) bool {
	tag, ok := f.Tag.Lookup("family")
	return !ok || slices.Contains(strings.Fields(tag), family)
}

// changeFamily looks for another model.name in a document before its other keys
// are read: what was set for the old family is void then.
func (l *loader) changeFamily(root *yaml.Node) {
	model := valueOf(root, "model")
	if model == nil {
		return
	}
	name := valueOf(model, "name")
	if name == nil || name.Value == l.config.Model.Name || !slices.Contains(Families, name.Value) {
		return
	}
	l.config.Model = DefaultModel(name.Value)
	for key := range l.origin {
		if strings.HasPrefix(key, "model.") {
			delete(l.origin, key)
		}
	}
}

// valueOf is the value of a key of a mapping, or nil.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// checkKeys refuses keys that only other families have.
func (l *loader) checkKeys() (found []*problem) {
	t := reflect.TypeOf(l.config.Model)
	var known []string
	for i := range t.NumField() {
		if f := t.Field(i); inFamily(f, l.config.Model.Name) {
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			known = append(known, key)
		}
	}
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if _, set := l.origin["model."+key]; set && !slices.Contains(known, key) {
			found = append(found, wrong("model."+key, "a %s has no such key%s: it has %s", l.config.Model.Name, suggest(key, known), strings.Join(known, ", ")))
		}
	}
	return found
}

// YAML is the section "model" of a configuration.
func (m Model) YAML() (string, error) {
	text, err := yaml.Marshal(struct {
		Model Model `yaml:"model"`
	}{m})
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	return string(text), nil
}
