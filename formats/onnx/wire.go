package onnx

import (
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxItems limits the nodes, names, attributes, dimensions and so on of a file: each takes more
// memory than bytes in the file.
const maxItems = 1 << 20

// fields maps the numbers of a message's fields to their names, for errors.
type fields map[protowire.Number]string

var (
	modelFields = fields{
		1: "ir_version", 2: "producer_name", 3: "producer_version", 4: "domain", 5: "model_version",
		6: "doc_string", 7: "graph", 8: "opset_import", 14: "metadata_props", 20: "training_info",
		25: "functions",
	}
	graphFields = fields{
		1: "node", 2: "name", 5: "initializer", 10: "doc_string", 11: "input", 12: "output",
		13: "value_info", 14: "quantization_annotation", 15: "sparse_initializer", 16: "metadata_props",
	}
	nodeFields = fields{
		1: "input", 2: "output", 3: "name", 4: "op_type", 5: "attribute", 6: "doc_string", 7: "domain",
		8: "overload", 9: "metadata_props",
	}
	attributeFields = fields{
		1: "name", 2: "f", 3: "i", 4: "s", 5: "t", 6: "g", 7: "floats", 8: "ints", 9: "strings",
		10: "tensors", 11: "graphs", 13: "doc_string", 20: "type", 21: "ref_attr_name",
	}
	tensorFields = fields{
		1: "dims", 2: "data_type", 3: "segment", 4: "float_data", 5: "int32_data", 6: "string_data",
		7: "int64_data", 8: "name", 9: "raw_data", 10: "double_data", 11: "uint64_data",
		12: "doc_string", 13: "external_data", 14: "data_location",
	}
	opsetFields    = fields{1: "domain", 2: "version"}
	propertyFields = fields{1: "key", 2: "value"}
	valueFields    = fields{1: "name", 2: "type", 3: "doc_string"}
	typeFields     = fields{
		1: "tensor_type", 4: "sequence_type", 5: "map_type", 6: "denotation", 8: "sparse_tensor_type",
		9: "optional_type",
	}
	tensorTypeFields = fields{1: "elem_type", 2: "shape"}
	shapeFields      = fields{1: "dim"}
	dimFields        = fields{1: "dim_value", 2: "dim_param", 3: "denotation"}
)

type decoder struct {
	items   int
	unknown []string
}

// field is a field of a message as it is in the file.
type field struct {
	*decoder
	parent *field
	name   string
	number protowire.Number
	typ    protowire.Type
	n      uint64 // the value, if it is a number
	b      []byte // the value of any other type
}

// path returns the names down to a field, e.g. "graph.node.op_type".
func (f *field) path() string {
	if f.parent == nil {
		return f.name
	}
	return f.parent.path() + "." + f.name
}

func (f *field) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s", f.path(), fmt.Sprintf(format, args...))
}

// message calls visit for each field of a message. visit returns false for an unknown field.
func (d *decoder) message(parent *field, names fields, b []byte, visit func(f *field) (known bool, err error)) error {
	for len(b) > 0 {
		number, typ, n := protowire.ConsumeTag(b)
		f := &field{decoder: d, parent: parent, name: names[number], number: number, typ: typ}
		if f.name == "" {
			f.name = fmt.Sprintf("field %d", number)
		}
		if n < 0 {
			return f.errorf("a damaged tag: not an ONNX file, or cut off")
		}
		b = b[n:]
		switch typ {
		case protowire.VarintType:
			f.n, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.b, n = protowire.ConsumeBytes(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.n = uint64(v)
		case protowire.Fixed64Type:
			f.n, n = protowire.ConsumeFixed64(b)
		default:
			return f.errorf("wire type %d: not an ONNX file", typ)
		}
		if n < 0 {
			return f.errorf("cut off, or a damaged length: not an ONNX file")
		}
		b = b[n:]
		if d.items++; d.items > maxItems {
			return f.errorf("more than %d nodes, names and numbers", maxItems)
		}
		known, err := visit(f)
		if err != nil {
			return err
		}
		if !known {
			f.skip("")
		}
	}
	return nil
}

// skip records a field that has no place in the types of this package.
func (f *field) skip(what string) {
	const most = 8
	if len(f.unknown) < most {
		f.unknown = append(f.unknown, f.path()+what)
	}
}

// sub decodes the message in a field.
func (f *field) sub(names fields, visit func(f *field) (known bool, err error)) (bool, error) {
	if f.typ != protowire.BytesType {
		return true, f.errorf("want a message")
	}
	return true, f.message(f, names, f.b, visit)
}

func (f *field) text(to *string) (bool, error) {
	if f.typ != protowire.BytesType || !utf8.Valid(f.b) {
		return true, f.errorf("want text")
	}
	*to = string(f.b)
	return true, nil
}

func (f *field) texts(to *[]string) (bool, error) {
	var s string
	known, err := f.text(&s)
	*to = append(*to, s)
	return known, err
}

func (f *field) int(to *int64) (bool, error) {
	if f.typ != protowire.VarintType {
		return true, f.errorf("want an integer")
	}
	*to = int64(f.n)
	return true, nil
}

func (f *field) float(to *float32) (bool, error) {
	if f.typ != protowire.Fixed32Type {
		return true, f.errorf("want a float32")
	}
	*to = math.Float32frombits(uint32(f.n))
	return true, nil
}

// ints reads integers, one by one or packed.
func (f *field) ints(to *[]int64) (bool, error) {
	if f.typ == protowire.VarintType {
		*to = append(*to, int64(f.n))
		return true, nil
	}
	if f.typ != protowire.BytesType {
		return true, f.errorf("want integers")
	}
	for b := f.b; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return true, f.errorf("want packed integers")
		}
		if f.items++; f.items > maxItems {
			return true, f.errorf("more than %d nodes, names and numbers", maxItems)
		}
		*to = append(*to, int64(v))
		b = b[n:]
	}
	return true, nil
}
