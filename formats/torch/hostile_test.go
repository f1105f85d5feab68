package torch_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fasternet/formats/torch"
	"fasternet/internal/golden"
	"fasternet/internal/hostile"
)

// Nothing that a pickle asks of Python is done, but the weights next to it are read.
func TestBomb(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "marker")
	command := text("touch " + marker)
	good := tensor(storageID("FloatStorage", "0", 1), 0, []int{1}, []int{1})
	for _, c := range []struct{ name, bomb string }{
		{"posix.system", call(global("posix", "system"), command)},
		{"os.system", "cos\nsystem\n(" + command + "tR"},
		{"subprocess.Popen", "(" + global("subprocess", "Popen") + list(text("touch"), text(marker)) + "o"},
		{"builtins.eval", call(global("builtins", "eval"), text("open('"+marker+"','w')"))},
		{"webbrowser.open", text("webbrowser") + text("open") + "\x93" + tuple(command) + "R"},
		{"x.Y", global("x", "Y") + ")\x81" + dict("__reduce__", call(global("nt", "system"), command)) + "b"},
		{"torch.load", call(global("torch", "load"), text("/etc/passwd"))},
		{"runpy._run_code", "(" + command + "irunpy\n_run_code\n"},
		{
			"builtins.__import__",
			call(
				call(
					global("builtins", "getattr"),
					call(global("builtins", "__import__"), text("os")), text("system"),
				),
				command,
			),
		},
		{"numpy.core.multiarray", global("numpy.core", "multiarray") + global("a", "b") + ")\x81" + "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := archive(t, pickled(dict("w", good, "bomb", c.bomb)), map[string]string{"0": floats(7)})
			s, err := parse(raw, torch.Options{})
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				return
			}
			if len(s.Tensors) != 1 || s.Tensors[0].F32[0] != 7 ||
				!strings.Contains(strings.Join(s.Ignored, " "), c.name) {
				t.Errorf("%s: read %v, ignored %v", c.name, s.Tensors, s.Ignored)
			}
			if _, err := os.Stat(marker); err == nil {
				t.Fatalf("%s was executed", c.name)
			}
		})
	}
}

// hostileFiles has files that lie, by words that the error must have.
func hostileFiles(t testing.TB) map[string][]byte {
	t.Helper()
	zero := map[string]string{"0": floats(1, 2, 3, 4)}
	of := func(storage string, offset int, shape, stride []int) []byte {
		return archive(t, pickled(dict("w", tensor(storage, offset, shape, stride))), zero)
	}
	four := storageID("FloatStorage", "0", 4)
	length := func(code string, n uint64, size int) string {
		return code + string(binary.LittleEndian.AppendUint64(nil, n)[:size])
	}
	header := func(entries string) []byte { return container("{"+entries+"}", floats(1, 2, 3, 4)) }
	whole, err := os.ReadFile(golden.Path(t, "pth_odd_layouts.pth"))
	if err != nil {
		t.Fatal(err)
	}
	old := dict("w", tensor(four, 0, []int{4}, []int{1}))
	return map[string][]byte{
		"more elements than a file of this size": of(four, 0, []int{1 << 20, 1 << 20}, []int{0, 0}),
		"is too large":                           of(four, 0, []int{1 << 40, 1 << 40}, []int{0, 0}),
		"reaches element 4 of a storage of 4":    of(four, 1, []int{4}, []int{1}),
		"reaches element 12":                     of(four, 0, []int{2, 2}, []int{8, 4}),
		"reach beyond any storage":               of(four, 0, []int{3, 2}, []int{1 << 62, 1}),
		"negative dimension":                     of(four, 0, []int{-4}, []int{1}),
		"negative stride":                        of(four, 3, []int{4}, []int{-1}),
		"impossible":                             of(four, -1, []int{1}, []int{1}),
		"offset 0, shape [1 1], strides [1]":     of(four, 0, []int{1, 1}, []int{1}),
		"want the arguments storage":             of(four, 0, make([]int, 17), make([]int, 17)),
		"a storage of 1099511627776 elements":    of(storageID("FloatStorage", "0", 1<<40), 0, []int{1}, []int{1}),
		"a storage of -1 elements":               of(storageID("FloatStorage", "0", -1), 0, []int{1}, []int{1}),
		"its storage has 16 bytes, want 32":      of(storageID("DoubleStorage", "0", 4), 0, []int{4}, []int{1}),
		"storage 9 is not in the archive":        of(storageID("FloatStorage", "9", 4), 0, []int{4}, []int{1}),
		"type torch.ComplexFloatStorage":         of(storageID("ComplexFloatStorage", "0", 2), 0, []int{2}, []int{1}),
		"has 4 and 2 elements": archive(
			t,
			pickled(
				dict(
					"a", tensor(four, 0, []int{1}, []int{1}), "b",
					tensor(storageID("FloatStorage", "0", 2), 0, []int{1}, []int{1}),
				),
			),
			zero,
		),
		"want 4 arguments of a tensor, got 1": archive(
			t,
			pickled(call(global("torch._utils", "_rebuild_tensor_v2"), "N")),
			nil,
		),
		"a persistent id that is not a storage": archive(
			t, pickled(tuple(text("file"), text("/etc/passwd"))+"Q"), nil,
		),
		"a persistent id that is not a tuple": archive(t, pickled(text("x")+"Q"), nil),
		"claims 4294967295 bytes":             archive(t, pickled(length("X", math.MaxUint32, 4)), nil),
		"claims 9223372036854775807 bytes":    archive(t, pickled(length("\x8e", math.MaxInt64, 8)), nil),
		"claims 4611686018427387904 bytes":    archive(t, pickled(length("\x96", 1<<62, 8)), nil),
		"a frame of 1099511627776 bytes":      archive(t, pickled(length("\x95", 1<<40, 8)), nil),
		"an integer of 0 bytes":               archive(t, pickled("\x8a\x00"), nil),
		"an integer of 2000 bytes": archive(
			t, pickled(length("\x8b", 2000, 4)+strings.Repeat("x", 2000)), nil,
		),
		"a line without end":           archive(t, pickled("V"+strings.Repeat("x", 1<<17)), nil),
		"has no end":                   archive(t, "\x80\x02N", nil),
		"operation 0xff":               archive(t, "\x80\x02\xff.", nil),
		"the stack is empty":           archive(t, "\x80\x02.", nil),
		"more than 2097152 operations": archive(t, pickled(strings.Repeat("(", 1<<21)+"N"), nil),
		"damaged or hostile file":      archive(t, pickled("}(Nu"), nil), // a key without a value
		"torn or damaged":              whole[:len(whole)-30],
		"without data.pkl":             zipOf(t, zip.Store, map[string]string{"a.txt": "hello"}),
		"a TorchScript module": zipOf(
			t, zip.Store,
			map[string]string{"m/data.pkl": pickled("N"), "m/constants.pkl": ""},
		),
		"byte order is \"big\"": zipOf(
			t, zip.Store,
			map[string]string{"m/data.pkl": pickled("N"), "m/byteorder": "big"},
		),
		"too many for an archive of": zipOf(
			t, zip.Deflate,
			map[string]string{
				"m/data.pkl": pickled(dict("w", tensor(storageID("ByteStorage", "0", 1), 0, []int{1}, []int{1}))),
				"m/data/0":   strings.Repeat("\x00", 32<<20),
			},
		),
		"data.pkl claims 83886080 bytes": zipOf(
			t, zip.Deflate, map[string]string{"m/data.pkl": strings.Repeat("N", 80<<20)},
		),

		"a pickle that torch.save did not write": []byte(pickled(text("hello"))),
		"of an unknown version": []byte(
			strings.Replace(legacyHead, "M\xe9\x03", "M\xe8\x03", 1) + pickled("N"),
		),
		"byte order is big: only":          []byte(legacyHead + pickled(dict("little_endian", "\x89"))),
		"ends within storage 0":            legacy(old, []string{"0"}, counted(4, floats(1, 2))),
		"ends before storage 0":            legacy(old, []string{"0"}, ""),
		"has 1152921504606846976 elements": legacy(old, []string{"0"}, counted(1<<60, floats(1, 2))),
		"storage 1 is of an unknown type":  legacy(old, []string{"1"}, counted(4, floats(1, 2, 3, 4))),
		"storage 0 is not in the file":     legacy(old, nil, counted(4, floats(1, 2, 3, 4))),
		"no list of storages": []byte(
			legacyHead + pickled("}") + pickled(old) + pickled("N"),
		),

		"a header of 1000000 bytes": append(binary.LittleEndian.AppendUint64(nil, 1000000), "{ "...),
		"tensor b: its values begin at byte": header(`"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},` +
			`"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}`),
		"8 bytes too many at its end":  header(`"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`),
		"want 12 bytes of F32, got 16": header(`"a":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}`),
		"its entry in the header: want": header(
			`"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,16]}`,
		),
		"want sizes from 0 to 2147483647": header(
			`"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]}`,
		),
		"33 dimensions": header(
			`"a":{"dtype":"F32","shape":[4` + strings.Repeat(",1", 32) + `],"data_offsets":[0,16]}`,
		),
		"tensor a: its entry":   header(`"a":7`),
		"header is damaged":     header(`"a":`),
		"there are no tensors":  container(`{}`, ""),
		"of type U32":           header(`"a":{"dtype":"U32","shape":[4],"data_offsets":[0,16]}`),
		"not a file of weights": []byte("hello, world"),
	}
}

func zipOf(t testing.TB, method uint16, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(
		zip.Deflate,
		func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestSpeed) },
	)
	for name, content := range files {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A file that lies is an error that says so. It costs no more memory than its size allows.
func TestHostile(t *testing.T) {
	for want, raw := range hostileFiles(t) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := parse(raw, torch.Options{})
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want something with %q", err, want)
		}
		if err != nil && len(err.Error()) > 600 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
		if used := int64(after.TotalAlloc - before.TotalAlloc); used > int64(32<<20+300*len(raw)) {
			t.Errorf("%s: %d MiB were allocated for a file of %d bytes", want, used>>20, len(raw))
		}
	}
}

// A file that is cut anywhere is an error, never a panic or other weights.
func TestTruncated(t *testing.T) {
	old := legacy(
		dict("w", tensor(storageID("FloatStorage", "0", 2), 0, []int{2}, []int{1})),
		[]string{"0"}, counted(2, floats(1, 2)),
	)
	if s, err := parse(old, torch.Options{}); err != nil || fmt.Sprint(s.Tensors[0].F32) != "[1 2]" {
		t.Fatalf("the whole file: %v", err)
	}
	odd, err := os.ReadFile(golden.Path(t, "pth_odd_layouts.pth"))
	if err != nil {
		t.Fatal(err)
	}
	safe, err := os.ReadFile(golden.Path(t, "pth_odd_layouts.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{old, odd, safe} {
		for n := range raw {
			if _, err := parse(raw[:n], torch.Options{}); err == nil {
				t.Errorf("cut to %d of %d bytes, a file is read", n, len(raw))
			}
		}
	}
}

func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := torch.Read(filepath.Join(dir, "none"), torch.Options{}); err == nil ||
		!strings.Contains(err.Error(), "none") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := torch.Read(dir, torch.Options{}); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a folder: %v", err)
	}
}

// No bytes make the readers panic or use memory out of proportion, and the result is consistent.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"pth_odd_layouts.pth", "pth_odd_layouts.safetensors"} {
		raw, err := os.ReadFile(golden.Path(f, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add(
		legacy(
			dict("w", tensor(storageID("HalfStorage", "0", 2), 0, []int{2}, []int{1})),
			[]string{"0"}, counted(2, "abcd"),
		),
	)
	for _, raw := range hostileFiles(f) {
		if len(raw) < 1<<14 {
			f.Add(raw)
		}
	}
	f.Fuzz(check)
}

// The same test for the pickle of a zip archive, without the checksums of the archive, which would
// reject every change.
func FuzzPickle(f *testing.F) {
	f.Add([]byte(pickled(dict("w", tensor(storageID("FloatStorage", "0", 4), 0, []int{2, 2}, []int{1, 2})))))
	f.Add([]byte(pickled(call(global("collections", "OrderedDict")) + dict("_metadata", "N") + "b")))
	f.Add([]byte("\x80\x04\x95\x0d\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s."))
	f.Add(
		[]byte(
			pickled(
				call(global("copy_reg", "_reconstructor"), global("a", "B"), global("__builtin__", "object"), "N"),
			),
		),
	)
	f.Add([]byte(pickled("(I01\nF1.5\nS'x'\nL12L\nd\x8f(K\x01\x90(K\x02\x91\x85\x86")))
	f.Fuzz(func(t *testing.T, p []byte) {
		check(t, archive(t, string(p), map[string]string{"0": floats(1, 2, 3, 4)}))
	})
}

func check(t *testing.T, raw []byte) {
	for _, choice := range []torch.Choice{torch.Plain, torch.EMA} {
		var s *torch.State
		var err error
		hostile.Bound(t, 4<<20+1000*len(raw), func() { s, err = parse(raw, torch.Options{Choice: choice}) })
		if err != nil {
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
				t.Errorf("the error is not a line: %q", err)
			}
			continue
		}
		elements := 0
		for _, x := range s.Tensors {
			if n := len(x.F32) + len(x.I64); n != x.Size() {
				t.Errorf("tensor %q of shape %v has %d values", x.Name, x.Shape, n)
			}
			elements += x.Size()
			for _, n := range torch.Namings(s.Family) {
				torch.NameOf(s.Family, n, torch.OfficialName(s.Family, n, x.Name))
			}
		}
		if elements > len(raw)+1<<16 {
			t.Errorf("%d elements from %d bytes", elements, len(raw))
		}
	}
}
