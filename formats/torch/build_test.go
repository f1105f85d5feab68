package torch_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
)

// Pickles for tests, written operation by operation.

func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func number(n int) string {
	if n == int(int32(n)) {
		return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n)))
	}
	return fmt.Sprintf("L%d\n", n)
}

func tuple(items ...string) string {
	out := "("
	for _, i := range items {
		out += i
	}
	return out + "t"
}

func numbers(ns ...int) string {
	items := make([]string, len(ns))
	for i, n := range ns {
		items[i] = number(n)
	}
	return tuple(items...)
}

func global(module, name string) string { return "c" + module + "\n" + name + "\n" }

func call(function string, args ...string) string { return function + tuple(args...) + "R" }

func dict(pairs ...string) string {
	out := "}("
	for i := 0; i < len(pairs); i += 2 {
		out += text(pairs[i]) + pairs[i+1]
	}
	return out + "u"
}

func list(items ...string) string {
	out := "]("
	for _, i := range items {
		out += i
	}
	return out + "e"
}

func storageID(kind, key string, size int) string {
	return tuple(text("storage"), global("torch", kind), text(key), text("cpu"), number(size), "N") + "Q"
}

func tensor(storage string, offset int, shape, stride []int) string {
	return call(
		global("torch._utils", "_rebuild_tensor_v2"), storage, number(offset), numbers(shape...),
		numbers(stride...), "\x89", "N",
	)
}

func pickled(object string) string { return "\x80\x02" + object + "." }

func floats(v ...float32) string {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return string(b)
}

// archive returns a PyTorch file with a pickle, and storages by key.
func archive(t testing.TB, pickle string, storages map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	add := func(name, content string) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: "x/" + name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	add("data.pkl", pickle)
	for key, content := range storages {
		add("data/"+key, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// legacy returns a file in the form before PyTorch 1.6.
func legacy(object string, keys []string, storages string) []byte {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = text(k)
	}
	system := dict("protocol_version", number(1001), "little_endian", "\x88")
	return []byte(legacyHead + pickled(system) + pickled(object) + pickled(list(names...)) + storages)
}

const legacyHead = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."

// counted returns a storage of a legacy file.
func counted(elements int, data string) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(elements))) + data
}

// container returns a safetensors file with this header and data.
func container(header, data string) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header+data...)
}
