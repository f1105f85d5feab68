package configs

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// source is this package: the comments of its structs are the only explanation of the keys.
//
//go:embed *.go
var source embed.FS

// Commented returns the full configuration with a comment for every key that has one.
func (c *Config) Commented() ([]byte, error) {
	text, err := c.YAML()
	if err != nil {
		return nil, err
	}
	notes, err := readComments()
	if err != nil {
		return nil, err
	}
	if f, ok := FamilyOf(c.Model.Name); ok {
		if err := notes.parse(f.Name+".go", []byte(f.Source), f.Name+"."); err != nil {
			return nil, err
		}
	}
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	notes.annotate(n.Content[0], reflect.ValueOf(*c), "", "")
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&n); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return b.Bytes(), nil
}

// comments holds the comments of a struct's fields under "Struct.Field", and the first sentence about
// the struct under "Struct".
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
		if err := found.parse(e.Name(), text, ""); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// parse reads the comments from Go source, and stores them under names with a prefix. The source may be empty.
func (c comments) parse(name string, text []byte, prefix string) error {
	if len(text) == 0 {
		return nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok {
			c.add(g, prefix)
		}
	}
	return nil
}

// add stores the comments of struct declarations.
func (c comments) add(g *ast.GenDecl, prefix string) {
	for _, spec := range g.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		s, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		c[prefix+t.Name.Name] = new(doc.Package).Synopsis(g.Doc.Text())
		for _, f := range s.Fields.List {
			for _, name := range f.Names {
				c[prefix+t.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()),
					" ")
			}
		}
	}
}

// annotate adds to each key of a section the comment of its struct field and the limit of its value.
func (c comments) annotate(n *yaml.Node, v reflect.Value, section, prefix string) {
	t := v.Type()
	for k := range t.NumField() {
		f := t.Field(k)
		if f.Type == reflect.TypeFor[Arch]() && !v.Field(k).IsNil() {
			c.annotate(n, v.Field(k).Elem(), section, v.FieldByName("Name").String()+".")
			continue
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			comment := cmp.Or(c[prefix+t.Name()+"."+f.Name], f.Tag.Get("doc"))
			switch name := join(section, key.Value); {
			case keyOf(f) != key.Value:
			case f.Type.Kind() == reflect.Struct:
				key.HeadComment = wrapped(c[f.Type.Name()])
				c.annotate(value, v.Field(k), name, "")
			case name == "model.name":
				value.LineComment = comment + describeKinds(FamilyNames())
			case name == "data.name":
				value.LineComment = comment + describeKinds(dataNames())
			case name == "data.options":
				key.HeadComment = wrapped(comment)
				annotateOptions(value, dataFormat(valueOf(n, "name").Value))
			case name == "loss.class_weights" && value.Kind == yaml.MappingNode:
				key.HeadComment = wrapped(comment)
			case name == "augment.extra":
				key.HeadComment = wrapped(comment + describeKinds(kindNames(Augmentations())))
			default:
				place(key, value, withLimit(comment, mostOfField(name, f)))
			}
		}
	}
}

// place puts a comment next to a value, or above its key if the line would be long.
func place(key, value *yaml.Node, comment string) {
	if utf8.RuneCountInString(comment) <= 80 {
		value.LineComment = comment
		return
	}
	key.HeadComment = wrapped(comment)
}

// wrapped is a comment in lines.
func wrapped(comment string) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(comment) {
		if line != "" && utf8.RuneCountInString(line+word) >= 96 {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return strings.Join(append(lines, line), "\n")
}

// withLimit adds the largest value of a key to its comment.
func withLimit(comment string, most int) string {
	if most == 0 {
		return comment
	}
	limit := fmt.Sprintf("at most %d", most)
	if comment == "" {
		return limit
	}
	return comment + "; " + limit
}

// describeKinds lists the values of a key.
func describeKinds(names []string) string {
	if names == nil {
		return ""
	}
	return "; there are " + listed(names)
}

// annotateOptions adds the explanations of a format's options.
func annotateOptions(n *yaml.Node, f *DataFormat) {
	if f == nil {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		n.Content[i+1].LineComment = kindDoc(f.options(), n.Content[i].Value)
	}
}
