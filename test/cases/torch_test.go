package cases

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"fasternet/formats"
	"fasternet/formats/torch"
)

// torch.save writes a zip archive with a pickle, data.pkl, and the values of each tensor. The test makes
// the pickle operation by operation.
type torchFile struct {
	storages []string
}

// pair is an entry of a dict.
type pair struct {
	key   string
	value any // []pair, []formats.Tensor, int or formats.Tensor
}

// torch writes a file with an object.
func (f folder) torch(name string, object any) {
	f.t.Helper()
	var t torchFile
	pickle := "\x80\x02" + t.pickle(object) + "."
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	add := func(name, content string) {
		out, err := w.CreateHeader(&zip.FileHeader{Name: "x/" + name, Method: zip.Store})
		if err == nil {
			_, err = out.Write([]byte(content))
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
	add("data.pkl", pickle)
	for i, s := range t.storages {
		add(fmt.Sprintf("data/%d", i), s)
	}
	if err := w.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.write(name, b.Bytes())
}

func (t *torchFile) pickle(v any) string {
	switch v := v.(type) {
	case []pair:
		out := "}("
		for _, p := range v {
			out += text(p.key) + t.pickle(p.value)
		}
		return out + "u"
	case []formats.Tensor:
		var all []pair
		for _, x := range v {
			all = append(all, pair{x.Name, x})
		}
		return t.pickle(all)
	case formats.Tensor:
		return t.tensor(v)
	case int:
		return integer(v)
	}
	panic(fmt.Sprintf("a %T cannot be pickled", v))
}

func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func integer(n int) string { return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }

func (t *torchFile) tensor(x formats.Tensor) string {
	kind, raw := "FloatStorage", []byte(nil)
	for _, v := range x.F32 {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	for _, v := range x.I64 {
		kind, raw = "LongStorage", binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	id := fmt.Sprintf("(%sctorch\n%s\n%s%s%sNtQ",
		text("storage"), kind, text(fmt.Sprint(len(t.storages))), text("cpu"), integer(x.Size()))
	t.storages = append(t.storages, string(raw))
	shape, stride, n := "", "", x.Size()
	for _, d := range x.Shape {
		n /= d
		shape, stride = shape+integer(d), stride+integer(n)
	}
	return "ctorch._utils\n_rebuild_tensor_v2\n(" + id + integer(0) + "(" + shape + "t(" + stride + "t\x89NtR"
}

// tensors reads the weights in a file.
func (f folder) tensors(name string) []formats.Tensor {
	f.t.Helper()
	s, err := torch.Read(f.file(name), torch.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	return s.Tensors
}

// renamed renames tensors, and leaves out those that become "".
func renamed(ts []formats.Tensor, name func(string) string) []formats.Tensor {
	out := slices.Clone(ts)
	for i := range out {
		out[i].Name = name(out[i].Name)
	}
	return slices.DeleteFunc(out, func(x formats.Tensor) bool { return x.Name == "" })
}
