package tensorboard_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fasternet/formats/tensorboard"

	"google.golang.org/protobuf/encoding/protowire"
)

// This writes the loss of two steps; `tensorboard --logdir FOLDER` shows it.
func Example() {
	dir, err := os.MkdirTemp("", "tensorboard")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	w, err := tensorboard.Create(dir, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(w.Scalars(1, tensorboard.Scalar{Tag: "train/loss", Value: 2.3}))
	fmt.Println(w.Scalars(2, tensorboard.Scalar{Tag: "train/loss", Value: 2.1}))
	fmt.Println(w.Close())
	// Output:
	// <nil>
	// <nil>
	// <nil>
}

// records splits a file by the published format: length, checksum of the length, data, checksum of
// the data.
func records(t *testing.T, path string) (all [][]byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(b []byte, want uint32) {
		crc := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
		if got := ((crc >> 15) | (crc << 17)) + 0xa282ead8; got != want {
			t.Fatalf("checksum of %d bytes: %x, want %x", len(b), got, want)
		}
	}
	for r := bytes.NewReader(raw); r.Len() > 0; {
		head := make([]byte, 12)
		if _, err := io.ReadFull(r, head); err != nil {
			t.Fatal(err)
		}
		check(head[:8], binary.LittleEndian.Uint32(head[8:]))
		body := make([]byte, binary.LittleEndian.Uint64(head)+4)
		if _, err := io.ReadFull(r, body); err != nil {
			t.Fatal(err)
		}
		n := len(body) - 4
		check(body[:n], binary.LittleEndian.Uint32(body[n:]))
		all = append(all, body[:n])
	}
	return all
}

// message decodes a message of Protocol Buffers: field → its values.
func message(t *testing.T, b []byte) map[protowire.Number][]any {
	t.Helper()
	fields := map[protowire.Number][]any{}
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			t.Fatal(protowire.ParseError(size))
		}
		b = b[size:]
		var v any
		switch typ {
		case protowire.VarintType:
			v, size = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			v, size = protowire.ConsumeFixed32(b)
		case protowire.Fixed64Type:
			v, size = protowire.ConsumeFixed64(b)
		default:
			v, size = protowire.ConsumeBytes(b)
		}
		if size < 0 {
			t.Fatal(protowire.ParseError(size))
		}
		b = b[size:]
		fields[n] = append(fields[n], v)
	}
	return fields
}

func doubles(b []byte) (all []float64) {
	for ; len(b) >= 8; b = b[8:] {
		all = append(all, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return all
}

func TestEvents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	w, err := tensorboard.Create(dir, 7)
	if err != nil {
		t.Fatal(err)
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 5, 3))); err != nil {
		t.Fatal(err)
	}
	values := []float32{-1, 1, 0.999, float32(math.NaN()), float32(math.Inf(1)), 0}
	err = errors.Join(
		w.Scalars(7, tensorboard.Scalar{Tag: "loss", Value: 0.25}, tensorboard.Scalar{Tag: "lr", Value: 1e-3}),
		w.PNG(8, "picture", picture.Bytes()),
		w.Histogram(9, "weights", values),
		w.Histogram(9, "none", values[3:5]),
		w.Histogram(10, "same", []float32{2, 2, 2}),
		w.Close())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*tfevents*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	var events []map[protowire.Number][]any
	for _, r := range records(t, files[0]) {
		e := message(t, r)
		if seconds := math.Float64frombits(e[1][0].(uint64)); seconds < 1.7e9 {
			t.Errorf("wall time %v", seconds)
		}
		events = append(events, e)
	}
	if len(events) != 6 {
		t.Fatalf("%d events", len(events))
	}
	if v := events[0][3][0].([]byte); string(v) != "brain.Event:2" {
		t.Errorf("version %q", v)
	}
	// TensorBoard drops earlier values of step 7 and later: SessionLog.START.
	if s := message(t, events[1][7][0].([]byte)); events[1][2][0] != uint64(7) || s[1][0] != uint64(1) {
		t.Errorf("session %v at step %v", s, events[1][2])
	}
	value := func(event, i int) map[protowire.Number][]any {
		return message(t, message(t, events[event][5][0].([]byte))[1][i].([]byte))
	}
	for i, want := range []tensorboard.Scalar{{Tag: "loss", Value: 0.25}, {Tag: "lr", Value: 1e-3}} {
		v := value(2, i)
		if got := math.Float32frombits(v[2][0].(uint32)); string(v[1][0].([]byte)) != want.Tag ||
			got != float32(want.Value) {
			t.Errorf("scalar %s = %v, want %v", v[1][0], got, want)
		}
	}
	v := value(3, 0)
	m := message(t, v[4][0].([]byte))
	if string(v[1][0].([]byte)) != "picture" || m[1][0] != uint64(3) || m[2][0] != uint64(5) ||
		!bytes.Equal(m[4][0].([]byte), picture.Bytes()) {
		t.Errorf("picture %v", m)
	}
	v = value(4, 0)
	h := message(t, v[5][0].([]byte))
	var head []float64
	for n := protowire.Number(1); n <= 5; n++ {
		head = append(head, math.Float64frombits(h[n][0].(uint64)))
	}
	x := float64(float32(0.999))
	if want := []float64{-1, 1, 4, x, 2 + x*x}; !slices.Equal(head, want) {
		t.Errorf("histogram of %v, want %v", head, want)
	}
	limits, counts := doubles(h[6][0].([]byte)), doubles(h[7][0].([]byte))
	total := 0.0
	for i, n := range counts {
		total += n
		if i > 0 && !(limits[i] > limits[i-1]) {
			t.Errorf("limit %d: %v after %v", i, limits[i], limits[i-1])
		}
	}
	if last := len(counts) - 1; len(limits) != len(counts) || total != 4 || counts[0] != 1 ||
		counts[last] != 2 || counts[last/2+1] != 1 || limits[last] <= 1 {
		t.Errorf("bars %v up to %v", counts, limits)
	}
}

// A second process in the same second writes its own file, after the first.
func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		w, err := tensorboard.Create(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 2 {
		t.Fatalf("files %v", files)
	}
	// The first process may have been killed before its first checkpoint. Then TensorBoard drops all
	// of its values.
	e := message(t, records(t, files[1])[1])
	if s := message(t, e[7][0].([]byte)); len(e[2]) > 0 && e[2][0] != uint64(0) || s[1][0] != uint64(1) {
		t.Errorf("session %v at step %v", s, e[2])
	}
}

func TestBadInput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := tensorboard.Create(file, 0); err == nil {
		t.Error("a file is taken for a folder")
	}
	w, err := tensorboard.Create(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.PNG(1, "picture", []byte("GIF89a")); err == nil {
		t.Error("a GIF is taken for a PNG")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Scalars(1); err == nil {
		t.Error("writing to a closed file succeeds")
	}
}
