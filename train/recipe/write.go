package recipe

import (
	"bytes"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// text writes the choices as a YAML file, with a comment at each that has a reason.
func (d *draft) text() ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, c := range d.choices {
		if err := put(root, strings.Split(c.key, "."), c.value, c.why); err != nil {
			return nil, fmt.Errorf("recipe: %s: %w", c.key, err)
		}
	}
	if len(root.Content) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	return b.Bytes(), nil
}

// put sets a value in a mapping, and makes missing sections.
func put(n *yaml.Node, path []string, value any, why string) error {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value != path[0] {
			continue
		}
		if len(path) > 1 {
			return put(n.Content[i+1], path[1:], value, why)
		}
		return fmt.Errorf("it was chosen twice")
	}
	key, child := &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}, &yaml.Node{Kind: yaml.MappingNode}
	if len(path) > 1 {
		n.Content = append(n.Content, key, child)
		return put(child, path[1:], value, why)
	}
	if err := child.Encode(value); err != nil {
		return err
	}
	if child.Kind != yaml.ScalarNode {
		child.Style = yaml.FlowStyle
	}
	key.HeadComment = comment(why, 92)
	n.Content = append(n.Content, key, child)
	return nil
}

// comment formats a text as lines of YAML comments.
func comment(text string, width int) string {
	var lines []string
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width && line != "#" {
			lines = append(lines, line)
			line = "#"
		}
		line += " " + word
	}
	if line != "#" {
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// whole returns the recipe with the user's settings. The first settings come with the weights.
func (d *draft) whole(adopted int) ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, c := range d.choices {
		if err := put(root, strings.Split(c.key, "."), c.value, c.why); err != nil {
			return nil, fmt.Errorf("recipe: %s: %w", c.key, err)
		}
	}
	for i, s := range d.settings {
		key, value, _ := strings.Cut(s, "=")
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(value), &n); err != nil {
			return nil, fmt.Errorf("--set %s: %w", s, err)
		}
		leaf := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle}
		if len(n.Content) > 0 {
			leaf = n.Content[0]
		}
		why := "given"
		if i < adopted {
			why = "from the weights"
		}
		replace(root, strings.Split(key, "."), leaf, why)
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	return b.Bytes(), nil
}

// replace sets the value of a setting; a mapping sets its keys.
func replace(n *yaml.Node, path []string, value *yaml.Node, why string) {
	at := -1
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == path[0] {
			at = i
		}
	}
	if at < 0 {
		n.Content = append(
			n.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Value: path[0]},
			&yaml.Node{Kind: yaml.MappingNode},
		)
		at = len(n.Content) - 2
	}
	switch {
	case len(path) > 1:
		if n.Content[at+1].Kind != yaml.MappingNode {
			n.Content[at+1] = &yaml.Node{Kind: yaml.MappingNode}
		}
		replace(n.Content[at+1], path[1:], value, why)
	case value.Kind == yaml.MappingNode && n.Content[at+1].Kind == yaml.MappingNode:
		for i := 0; i+1 < len(value.Content); i += 2 {
			replace(n.Content[at+1], []string{value.Content[i].Value}, value.Content[i+1], why)
		}
	default:
		n.Content[at].HeadComment = comment(why, 92)
		n.Content[at+1] = value
	}
}
