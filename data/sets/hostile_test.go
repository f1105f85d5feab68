package sets

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

func TestCIFAR(t *testing.T) {
	dir := t.TempDir()
	record := func(labels []byte, seed byte) []byte {
		b := slices.Clone(labels)
		for plane := range 3 {
			for i := range 1024 {
				b = append(b, byte(plane*50)+seed+byte(i%3))
			}
		}
		return b
	}
	folder := filepath.Join(dir, "cifar-100-binary")
	datatest.WriteFile(t, filepath.Join(folder, "train.bin"),
		append(record([]byte{3, 70}, 1), record([]byte{4, 5}, 2)...))
	d, err := OpenCIFAR(dir, CIFAR100, true)
	if err != nil || d.Len() != 2 || d.Label(0) != 70 || d.Label(1) != 5 || len(d.Classes()) != 100 {
		t.Fatal(err)
	}
	if m, _ := d.Image(1); m.Pix[3] != 3 || m.Pix[4] != 53 || m.Pix[5] != 103 {
		t.Errorf("pixel 1 is %v", m.Pix[3:6])
	}
	if d, err := OpenCIFAR(folder, CIFAR100Coarse, true); err != nil || d.Label(0) != 3 || len(d.Classes()) != 20 {
		t.Error(err)
	}
	if !strings.HasSuffix(d.Name(1), "train.bin[1]") {
		t.Error(d.Name(1))
	}
	_, err = OpenCIFAR(dir, CIFAR10, true)
	datatest.WantError(t, err, "neither a file data_batch_1.bin nor a folder cifar-10-batches-bin")
	datatest.WriteFile(t, filepath.Join(folder, "test.bin"), make([]byte, 3073))
	_, err = OpenCIFAR(dir, CIFAR100, false)
	datatest.WantError(t, err, "3073 bytes, which are not whole records of 3074 bytes")
	datatest.WriteFile(t, filepath.Join(folder, "test.bin"), record([]byte{0, 100}, 1))
	_, err = OpenCIFAR(dir, CIFAR100, false)
	datatest.WantError(t, err, "label 100 of record 0")
	datatest.WriteFile(t, filepath.Join(folder, "fine_label_names.txt"), []byte("a\nb\na"))
	_, err = OpenCIFAR(dir, CIFAR100, true)
	datatest.WantError(t, err, `class "a" occurs twice`)
}

// tarOf makes a tar from names and contents in turn.
func tarOf(t testing.TB, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		h := &tar.Header{Name: members[i], Mode: 0o644, Size: int64(len(members[i+1])), Typeflag: tar.TypeReg}
		err := w.WriteHeader(h)
		if _, also := w.Write([]byte(members[i+1])); err != nil || also != nil {
			t.Fatal(err, also)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestShardFiles(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		datatest.WriteFile(t, filepath.Join(dir, fmt.Sprintf("s-%02d.tar", i)), nil)
	}
	for _, c := range []struct {
		pattern string
		want    int
	}{{"s-{00..02}.tar", 3}, {"s-*.tar", 3}, {"s-0{0,2}.tar", 2}, {"s-01.tar", 1}} {
		t.Run(c.pattern, func(t *testing.T) {
			if files, err := ShardFiles(filepath.Join(dir, c.pattern)); err != nil || len(files) != c.want {
				t.Errorf("%s: %q, %v", c.pattern, files, err)
			}
		})
	}
	for _, test := range []struct{ pattern, want string }{
		{"s-{00..03}.tar", "s-03.tar"},
		{"s-{00..02.tar", "not closed"},
		{"s-{02..00}.tar", "numbers that rise"},
		{"s-{0..999999999}.tar", "numbers that rise"},
		{"t*.tar", "no file matches"}, {"s-{00,00}.tar", "occurs twice"},
	} {
		t.Run(test.pattern, func(t *testing.T) {
			_, err := ShardFiles(filepath.Join(dir, test.pattern))
			datatest.WantError(t, err, test.want)
		})
	}
}

func TestWriteShards(t *testing.T) {
	root, out := t.TempDir(), t.TempDir()
	for i := range 5 {
		datatest.WriteFile(t,
			filepath.Join(root, fmt.Sprintf("c%d", i%2), fmt.Sprintf("%d.jpg", i)),
			datatest.PNGOf(t, uint8(10*i)))
	}
	d, err := OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteShards(t.Context(), out, d, ShardOptions{Name: "train", PerShard: 2}); err != nil {
		t.Fatal(err)
	}
	files, err := ShardFiles(filepath.Join(out, "train-{000000..000002}.tar"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenShards(files, Labels{Classes: d.Classes()})
	if err != nil || s.Len() != 5 {
		t.Fatal(err)
	}
	sameSet(t, s, d)
	info, err := os.ReadFile(filepath.Join(out, "_info.json"))
	if err != nil || !strings.Contains(string(info), `"num_samples": 5`) {
		t.Errorf("%s, %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(out, "*.tmp")); len(left) > 0 {
		t.Error(left)
	}
}

// sameSet compares labels and pixels.
func sameSet(t *testing.T, got, want data.Dataset) {
	t.Helper()
	if got.Len() != want.Len() || !slices.Equal(got.Classes(), want.Classes()) {
		t.Fatalf("%d samples of %q, want %d of %q", got.Len(), got.Classes(), want.Len(), want.Classes())
	}
	for i := range want.Len() {
		a, err1 := got.Image(i)
		b, err2 := want.Image(i)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		datatest.SameImage(t, got.Name(i), a, b)
		if got.Label(i) != want.Label(i) {
			t.Errorf("label %d is %d, want %d", i, got.Label(i), want.Label(i))
		}
	}
}

// packSource makes a folder of 9 images in 3 classes.
func packSource(t testing.TB) *ImageFolder {
	root := t.TempDir()
	for i := range 9 {
		datatest.WriteFile(t,
			filepath.Join(root, fmt.Sprintf("c%d", i%3), fmt.Sprintf("%d.png", i)),
			datatest.PNGOf(t, uint8(10*i)))
	}
	d, err := OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPack(t *testing.T) {
	src := packSource(t)
	path := filepath.Join(t.TempDir(), "train.pack")
	decoded := PackOptions{Form: PackDecoded}
	if r, err := Pack(t.Context(), path, src, decoded); err != nil || r.Samples != 9 || r.Resumed != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	open := func() *Packed {
		t.Helper()
		d, err := OpenPacked(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	sameSet(t, open(), src)
	if name := open().Name(4); !strings.HasSuffix(name, "] "+data.Key(src, 4)) {
		t.Error(name)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	// If packing was killed after any number of bytes, resuming gives the same file.
	for _, at := range []int{0, 10, 64, 100, len(whole) / 3, len(whole) / 2, len(whole) - 400, len(whole) - 1} {
		datatest.WriteFile(t, path+".part", whole[:at])
		if r, err := Pack(t.Context(), path, src, decoded); err != nil || r.Samples != 9 ||
			(at > 400 && r.Resumed == 0) {
			t.Fatalf("resumed at %d: %+v, %v", at, r, err)
		}
		if again, _ := os.ReadFile(path); !bytes.Equal(again, whole) {
			t.Fatalf("resumed at %d: another file", at)
		}
	}
	// With other options nothing is kept.
	datatest.WriteFile(t, path+".part", whole)
	if r, err := Pack(t.Context(), path, src, PackOptions{Form: PackJPEG, ShortSide: 2, Quality: 100}); err != nil ||
		r.Resumed != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if m, err := open().Image(3); err != nil || m.Height != 2 || m.Width != 3 {
		t.Errorf("%+v, %v", m, err)
	}

	for _, test := range []struct {
		name  string
		spoil func(b []byte) []byte
		want  string
	}{
		{"version", func(b []byte) []byte { b[8] = 2; return b }, "of version 2; this program reads version 1"},
		{"header", func(b []byte) []byte { b[17] ^= 1; return b }, "the header is damaged"},
		{"index", func(b []byte) []byte { b[len(b)-200] ^= 4; return b }, "index is damaged"},
		{"truncated", func(b []byte) []byte { return b[:len(b)/2] }, "truncated or was not finished"},
		{"offset", func(b []byte) []byte { b[len(b)-packFooterSize+7] = 0x7f; return b }, "index is damaged"},
		{"count", func(b []byte) []byte { b[len(b)-packFooterSize+20] = 0xff; return b }, "index is damaged"},
		{"other", func([]byte) []byte { return []byte("a text") }, "not a packed file"},
		{"empty", func([]byte) []byte { return nil }, "not a packed file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			datatest.WriteFile(t, path, test.spoil(bytes.Clone(whole)))
			_, err := OpenPacked(path)
			if err == nil {
				t.Errorf("%s: no error", test.name)
				return
			}
			datatest.WantError(t, err, test.want)
		})
	}
	// A flipped bit in a sample is found when the sample is read, and by Verify.
	spoilt := bytes.Clone(whole)
	first := binary.LittleEndian.Uint64(spoilt[binary.LittleEndian.Uint64(spoilt[len(spoilt)-packFooterSize:]):])
	spoilt[first+recordHeaderSize+uint64(len(data.Key(src, 0)))+5] ^= 0x10
	datatest.WriteFile(t, path, spoilt)
	d := open()
	_, err = d.Image(0)
	datatest.WantError(t, err, "train.pack[0]: the record is damaged")
	if _, err := d.Image(1); err != nil {
		t.Error(err)
	}
	v, err := data.Verify(t.Context(), d, data.VerifyOptions{Workers: 2})
	if err != nil || len(v.Broken) != 1 || v.Broken[0].Index != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	// Cutting a file while it is mapped leads to an error, not to the end of the process.
	if err := os.Truncate(path, 64); err != nil {
		t.Fatal(err)
	}
	if _, err = d.Image(8); err != nil { // a mapping of one page has all of it
		datatest.WantError(t, err, "train.pack[8]")
	}
}

// Cut below the page of a sample: reading it faults.
func TestPackedFileIsCut(t *testing.T) {
	root := t.TempDir()
	big := image.NewGray(image.Rect(0, 0, 300, 300))
	for i := range 4 {
		datatest.WriteFile(t, filepath.Join(root, "c", fmt.Sprintf("%d.png", i)), datatest.EncodePNG(t, big))
	}
	src, err := OpenClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "x.pack")
	if _, err := Pack(t.Context(), path, src, PackOptions{Form: PackDecoded}); err != nil {
		t.Fatal(err)
	}
	d, err := OpenPacked(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := os.Truncate(path, 4096); err != nil {
		t.Skip(err) // not while it is mapped
	}
	_, err = d.Image(3)
	datatest.WantError(t, err, "x.pack[3]: the file cannot be read any more")
}

func TestPackLeavesOutBadImages(t *testing.T) {
	src := packSource(t)
	datatest.WriteFile(t, src.Name(4), []byte("no image"))
	path := filepath.Join(t.TempDir(), "p.pack")
	_, err := Pack(t.Context(), path, src, PackOptions{Form: PackDecoded})
	datatest.WantError(t, err, src.Name(4))
	var told []error
	r, err := Pack(
		t.Context(), path, src,
		PackOptions{Form: PackDecoded, SkipBad: func(err error) { told = append(told, err) }},
	)
	if err != nil || r.Samples != 8 || r.Skipped != 1 || len(told) != 1 {
		t.Fatalf("%+v, %v, %v", r, told, err)
	}
	d, err := OpenPacked(path)
	if err != nil || d.Len() != 8 {
		t.Fatal(err)
	}
	defer d.Close()
	for i := range d.Len() {
		if _, err := d.Image(i); err != nil {
			t.Error(err)
		}
	}
}
