package configs

import (
	"bytes"
	"embed"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// source is this package: the comments of its structs are the only place where the
// keys are explained.
//
//go:embed *.go
var source embed.FS

// Commented is the configuration in full with a comment for every key that has one.
func (c *Config) Commented() ([]byte, error) {
	text, err := c.YAML()
	if err != nil {
		return nil, err
	}
	notes, err := readComments()
	if err != nil {
		return nil, err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	notes.annotate(n.Content[0], reflect.TypeOf(*c), "")
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&n); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return b.Bytes(), nil
}

// comments has those of a struct's fields under "Struct.Field", and the first
// sentence about the struct itself under "Struct".
type comments map[string]string

func readComments() (comments, error) {
	entries, err := source.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	found := comments{}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		text, err := source.ReadFile(e.Name())
		if err != nil {
			return nil, fmt.Errorf("config: %w", err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), text, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("config: %w", err)
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				found.add(g)
			}
		}
	}
	return found, nil
}

// add takes the comments of a declaration of structs.
func (c comments) add(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		s, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		c[t.Name.Name] = new(doc.Package).Synopsis(g.Doc.Text())
		for _, f := range s.Fields.List {
			for _, name := range f.Names {
				c[t.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
			}
		}
	}
}

// annotate puts the comments of the struct of a section, and the limits of its values, to
// the keys of its mapping.
func (c comments) annotate(n *yaml.Node, t reflect.Type, section string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		for k := range t.NumField() {
			f := t.Field(k)
			if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != key.Value {
				continue
			}
			switch name := join(section, key.Value); {
			case f.Type.Kind() == reflect.Struct:
				key.HeadComment = c[f.Type.Name()]
				c.annotate(value, f.Type, name)
			case name == "data.name":
				value.LineComment = c[t.Name()+"."+f.Name] + describeKinds(dataNames())
			case name == "data.options":
				key.HeadComment = c[t.Name()+"."+f.Name]
				annotateOptions(value, dataFormat(valueOf(n, "name").Value))
			case name == "augment.extra":
				key.HeadComment = c[t.Name()+"."+f.Name] + describeKinds(kindNames(Augmentations()))
			default:
				value.LineComment = withLimit(c[t.Name()+"."+f.Name], name)
			}
		}
	}
}

// withLimit adds the largest value of a key to its comment.
func withLimit(comment, key string) string {
	most, ok := mostOf(key)
	if !ok {
		return comment
	}
	limit := fmt.Sprintf("at most %d", most)
	if comment == "" {
		return limit
	}
	return comment + "; " + limit
}

// describeKinds is the list of what a key can name.
func describeKinds(names []string) string {
	if names == nil {
		return ""
	}
	return "; there are " + listed(names)
}

// annotateOptions puts the explanations of a format's options to them.
func annotateOptions(n *yaml.Node, f *DataFormat) {
	if f == nil {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		n.Content[i+1].LineComment = kindDoc(f.options(), n.Content[i].Value)
	}
}
