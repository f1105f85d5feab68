package cli

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/formats/npy"
	"fasternet/internal/golden"
	"fasternet/model"
)

// referenceModel returns the small model of the reference values, as a checkpoint, and its images as a tensor
// [4, 3, 64, 64].
func referenceModel(t *testing.T) (checkpoint, images string, want map[string]golden.Tensor) {
	t.Helper()
	const name = "fasternet_small_gelu"
	var ref struct {
		Config struct {
			Seed       int
			EmbedDim   int `json:"embed_dim"`
			Depths     []int
			FeatureDim int `json:"feature_dim"`
			Classes    int
		}
	}
	golden.JSON(t, name+".json", &ref)
	want = golden.Tensors(t, name+".safetensors")
	depths, _ := json.Marshal(ref.Config.Depths)
	config, err := configs.Parse("reference", fmt.Sprintf("model: {embed_dim: %d, depths: %s, feature_dim: %d}\n"+
		"data: {image_size: 64}\n",
		ref.Config.EmbedDim, depths, ref.Config.FeatureDim))
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(config, ref.Config.Classes)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Store().Entries {
		if e.Param != nil {
			copy(e.Param.Data(), golden.Weight(e.Name, ref.Config.Seed, e.Shape))
		} else if e.Buffer != nil {
			copy(e.Buffer, golden.Weight(e.Name, ref.Config.Seed, e.Shape))
		}
	}
	meta, err := model.Meta(config, strings.Split("a b c d e f g h i j", " "))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	checkpoint, images = filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "images.safetensors")
	if err := checkpoints.Write(checkpoint, checkpoints.File{
		Meta:    meta,
		Tensors: model.Tensors(m.Store()),
	}); err != nil {
		t.Fatal(err)
	}
	shape := want["input"].Shape
	writeTensor(t, images, "x", shape, golden.Image("input", ref.Config.Seed, shape[0]*shape[1]*shape[2]*shape[3]))
	return checkpoint, images, want
}

// A model without class names has as many classes as its last layer, whatever its configuration says.
func TestClassesWithoutNames(t *testing.T) {
	checkpoint, images, _ := referenceModel(t)
	f, err := checkpoints.Read(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	f.Meta[model.ClassesKey] = "[]"
	for _, n := range []string{"0", "10"} {
		f.Meta[model.ConfigKey] = strings.Replace(f.Meta[model.ConfigKey], "num_classes: 0", "num_classes: "+n, 1)
		if err := checkpoints.Write(checkpoint, *f); err != nil {
			t.Fatal(err)
		}
		r := invoke(t, "predict", images, "--model", checkpoint, "--format", "csv", "--topk", "10")
		lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
		row := strings.Split(lines[1], ",")
		if r.code != 0 || row[2] != row[3] || !strings.Contains(r.stderr, "no names for its classes") {
			t.Errorf("num_classes %s: without names a class has its index as a name: %+v", n, r)
		}
		if best := strings.Join(lines, "\n"); !strings.Contains(best, ",9,") {
			t.Errorf("num_classes %s: want all ten classes: %s", n, best)
		}
	}
}

func writeTensor(t *testing.T, path, name string, shape []int, values []float32) {
	t.Helper()
	err := checkpoints.Write(path, checkpoints.File{Tensors: []formats.Tensor{{Name: name, Shape: shape, F32: values}}})
	if err != nil {
		t.Fatal(err)
	}
}

func readTensor(t *testing.T, path, name string) formats.Tensor {
	t.Helper()
	f, err := checkpoints.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	tensor, ok := f.Lookup(name)
	if !ok {
		t.Fatalf("%s has no tensor %s", path, name)
	}
	return tensor
}

// The program gives the logits and features of the reference for its images.
func TestPredictReference(t *testing.T) {
	checkpoint, images, want := referenceModel(t)
	out := filepath.Join(t.TempDir(), "out.safetensors")
	for _, batch := range []string{"1", "3", "64"} {
		r := invoke(t, "predict", images, "--model", checkpoint, "--logits", out, "--batch", batch,
			"--format", "csv", "--topk", "3")
		if r.code != 0 {
			t.Fatalf("%+v", r)
		}
		logits := readTensor(t, out, "logits")
		if !slices.Equal(logits.Shape, []int{4, 10}) {
			t.Fatalf("logits have shape %v", logits.Shape)
		}
		golden.CheckRel(t, "logits in batches of "+batch, logits.F32, want["eval_logits"].Data, 3e-5)
		rows, err := csv.NewReader(strings.NewReader(r.stdout)).ReadAll()
		if err != nil || len(rows) != 13 {
			t.Fatalf("%v\n%s", err, r.stdout)
		}
		best := slices.Index(logits.F32[:10], slices.Max(logits.F32[:10]))
		if rows[1][0] != images+"[0]" || rows[1][2] != fmt.Sprint(best) || rows[1][3] != string(rune('a'+best)) {
			t.Errorf("the first image is %v, want class %d", rows[1], best)
		}
	}
	got := succeed(t, "features", images, "--model", checkpoint, "--out", out, "--stage", "all")
	if got["count"] != 4.0 || len(got["shapes"].(map[string]any)) != 4 {
		t.Errorf("features: %v", got)
	}
	for i := range 4 {
		f, w := readTensor(t, out, fmt.Sprint("stage", i+1)), want[fmt.Sprint("act/stages.", 2*i)]
		if !slices.Equal(f.Shape[1:], w.Shape[1:]) {
			t.Fatalf("stage %d has shape %v, want %v", i+1, f.Shape, w.Shape)
		}
		golden.CheckRel(t, fmt.Sprint("stage ", i+1), f.F32[:len(w.Data)], w.Data, 3e-5)
	}
	array := filepath.Join(t.TempDir(), "pre.npy")
	succeed(t, "features", images, "--model", checkpoint, "--out", array, "--stage", "prelogits")
	a, err := npy.ReadFile(array)
	if err != nil || !slices.Equal(a.Shape, []int{4, 96}) {
		t.Fatalf("%+v, %v", a, err)
	}
	golden.CheckRel(t, "prelogits", a.F32[:96], want["act/avgpool_pre_head"].Data, 3e-5)
}

// folderRun trains a model briefly on the folder of images.
func folderRun(t *testing.T) (run, root string) {
	t.Helper()
	root, run = imageFolder(t), filepath.Join(t.TempDir(), "run")
	succeed(t, "train", writeConfig(t, folderConfig), "--data", root, "--run", run)
	return run, root
}

// hugePNG is the header of an image of 60,000 by 60,000 pixels.
func hugePNG() []byte {
	head := binary.BigEndian.AppendUint32([]byte("IHDR"), 60000)
	head = append(binary.BigEndian.AppendUint32(head, 60000), 8, 2, 0, 0, 0)
	out := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), 13)
	out = append(out, head...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(head))
}

func TestPredictFolder(t *testing.T) {
	run, root := folderRun(t)
	val, dir := filepath.Join(root, "val"), t.TempDir()
	r := invoke(t, "predict", val, "--model", run)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if r.code != 0 ||
		len(lines) != 17 ||
		!strings.Contains(lines[1], filepath.Join("cat", "a.jpg")) ||
		!strings.Contains(r.stdout, "dog") {
		t.Fatalf("%+v", r)
	}
	out := filepath.Join(dir, "out.jsonl")
	r = invoke(t, "predict", val, filepath.Join(root, "train", "dog", "d.jpg"), "--model", run,
		"--format", "jsonl", "--out", out, "--topk", "1", "--batch", "2")
	raw, _ := os.ReadFile(out)
	if r.code != 0 ||
		r.stdout != "" ||
		bytes.Count(raw, []byte("\n")) != 9 ||
		!bytes.Contains(raw, []byte(`"predictions":[{"index":`)) {
		t.Errorf("%+v\n%s", r, raw)
	}

	// Bad images among good ones: an error names them, or they are left out and listed.
	writeFile(t, filepath.Join(val, "cat", "huge.png"), hugePNG())
	good, err := os.ReadFile(filepath.Join(val, "dog", "a.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(val, "dog", "torn.jpg"), good[:len(good)/2])
	before, after := filepath.Join(dir, "before.safetensors"), filepath.Join(dir, "after.safetensors")
	for _, args := range [][]string{
		{"predict", val, "--out", out},
		{"eval", "--data", root},
		{"features", val, "--out", before},
	} {
		fail(t, 1, "huge.png: 60000×60000 pixels exceed the limit", append(args, "--model", run)...)
	}
	if now, _ := os.ReadFile(out); !bytes.Equal(now, raw) {
		t.Error("a failed run has changed its output")
	}
	r = invoke(t, "predict", val, "--model", run, "--on-bad-image", "skip", "--logits", after, "--format", "csv",
		"--topk", "1")
	if r.code != 0 ||
		strings.Count(r.stdout, "\n") != 9 ||
		!strings.Contains(r.stderr, "2 images") ||
		!strings.Contains(r.stderr, "huge.png: 60000×60000") ||
		!strings.Contains(r.stderr, "torn.jpg: ") {
		t.Errorf("skipping: %+v", r)
	}
	os.Remove(filepath.Join(val, "cat", "huge.png"))
	os.Remove(filepath.Join(val, "dog", "torn.jpg"))
	invoke(t, "predict", val, "--model", run, "--logits", before)
	a, b := readTensor(t, before, "logits"), readTensor(t, after, "logits")
	if !slices.Equal(a.Shape, []int{8, 2}) || !slices.Equal(a.F32, b.F32) {
		t.Errorf("the bad images change the logits of the others: %v and %v", a, b)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestBadInputsOfPredict(t *testing.T) {
	checkpoint, images, _ := referenceModel(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	writeFile(t, file("header.npy"), []byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr'"))
	writeFile(t, file("size.npy"), append([]byte("\x93NUMPY\x01\x00\x57\x00"),
		"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 1099511627776, 1099511627776)}"...))
	writeFile(t, file("double.npy"), append([]byte("\x93NUMPY\x01\x00\x3f\x00"),
		"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3, 1, 1)}"...))
	writeFile(t, file("offsets.safetensors"), append(
		binary.LittleEndian.AppendUint64(nil, 78),
		`{"input":{"dtype":"F32","shape":[1,3,64,64],"data_offsets":[0,99999999999999]}}`...,
	))
	writeFile(t, file("header.safetensors"), bytes.Repeat([]byte{0xff}, 64))
	writeTensor(t, file("grey.safetensors"), "x", []int{1, 1, 64, 64}, make([]float32, 64*64))
	writeTensor(t, file("small.safetensors"), "x", []int{1, 3, 64, 31}, make([]float32, 3*64*31))
	if err := os.Mkdir(file("empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{1, "header.npy: a header of 4294967295 bytes", []string{file("header.npy")}},
		{1, "size.npy: shape", []string{file("size.npy")}},
		{1, "want little-endian float32", []string{file("double.npy")}},
		{1, "offsets.safetensors", []string{file("offsets.safetensors")}},
		{1, "header.safetensors", []string{file("header.safetensors")}},
		{1, "want [images, 3 channels, height, width]", []string{file("grey.safetensors")}},
		{1, "64×31", []string{file("small.safetensors")}},
		{1, "empty: no images", []string{file("empty")}},
		{1, "none.jpg: no such file", []string{file("none.jpg")}},
		{1, "the only image cannot be read", []string{file("double.jpg"), "--on-bad-image", "skip"}},
		{1, "no such file or directory", []string{images, "--out", file("none/x.csv")}},
		{1, "it is a folder", []string{images, "--logits", file("folder.safetensors")}},
		{2, "want a .safetensors file", []string{images, "--logits", file("x.npy")}},
		{2, "--topk: want 1 or more", []string{images, "--topk", "0"}},
		{2, "--format: want table, csv, jsonl", []string{images, "--format", "xml"}},
		{2, "--on-bad-image: want error or skip", []string{images, "--on-bad-image", "ignore"}},
		{2, "want 1 or more", []string{images, "--batch", "-1"}},
		{2, "want MODEL INPUT..., got", nil},
	} {
		writeFile(t, file("double.jpg"), []byte("no image"))
		os.Mkdir(file("folder.safetensors"), 0o755)
		fail(t, c.code, c.want, append(append([]string{"predict"}, c.args...), "--model", checkpoint)...)
	}
	fail(t, 2, "want MODEL INPUT..., got 1", "predict", images)
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{2, "want images, or --dataset", []string{"--out", file("f.npy")}},
		{2, "want images, or --dataset", []string{images, "--dataset", "--out", file("f.npy")}},
		{2, "--out", []string{images}},
		{2, "holds one array", []string{images, "--out", file("f.npy"), "--stage", "all"}},
		{2, "--stage: want pooled", []string{images, "--out", file("f.npy"), "--stage", "last"}},
		{2, "--pool: want avg or none", []string{images, "--out", file("f.npy"), "--pool", "max"}},
		{1, "no feature \"stage5\"", []string{images, "--out", file("f.npy"), "--stage", "5"}},
		{1, "data.dir", []string{"--dataset", "--out", file("f.npy")}},
	} {
		fail(t, c.code, c.want, append(append([]string{"features"}, c.args...), "--model", checkpoint)...)
	}
	if _, err := os.Stat(file("f.npy")); err == nil {
		t.Error("a failed run has left a file")
	}
	// NaN is accepted, with a message.
	values := make([]float32, 2*3*64*64)
	values[len(values)-1] = float32(0) / values[0]
	writeTensor(t, file("nan.safetensors"), "x", []int{2, 3, 64, 64}, values)
	r := invoke(t, "predict", file("nan.safetensors"), "--model", checkpoint, "--format", "jsonl")
	if r.code != 0 ||
		!strings.Contains(r.stderr,
			"the logits of 1 image are NaN or infinite, the first: "+file("nan.safetensors")+"[1]") ||
		!strings.Contains(r.stdout, `"prob":null`) {
		t.Errorf("NaN: %+v", r)
	}
}

// The files of eval agree with its output.
func TestEvalFiles(t *testing.T) {
	run, root := folderRun(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	r := invoke(t, "eval", "--model", run, "--confusion", file("c.csv"), "--results-file", file("r.json"))
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if r.code != 0 || len(lines) != 4 || !strings.HasPrefix(lines[0], "class ") {
		t.Fatalf("%+v", r)
	}
	var printed, written map[string]any
	raw, _ := os.ReadFile(file("r.json"))
	if json.Unmarshal([]byte(lines[3]), &printed) != nil || json.Unmarshal(raw, &written) != nil {
		t.Fatalf("%s\n%s", lines[3], raw)
	}
	if written["top1"] != printed["top1"] ||
		written["loss"] != printed["loss"] ||
		written["count"] != 8.0 ||
		written["img_size"] != 48.0 ||
		written["crop_pct"] != 0.9 {
		t.Errorf("printed %v, written %v", printed, written)
	}
	table, _ := os.ReadFile(file("c.csv"))
	rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	if err != nil || len(rows) != 3 || !slices.Equal(rows[0], []string{"class", "cat", "dog"}) {
		t.Fatalf("%v\n%s", err, table)
	}
	var a, b, c, d int
	fmt.Sscan(strings.Join(append(slices.Clone(rows[1][1:]), rows[2][1:]...), " "), &a, &b, &c, &d)
	if a+b != 4 || c+d != 4 || float64(a+d)/8*100 != printed["top1"] {
		t.Errorf("confusion %v, top-1 %v", rows, printed["top1"])
	}
	got := succeed(t, "eval", "--model", run, "--split", "train", "--confusion", file("c.png"),
		"--results-file", file("r.csv"))
	if got["count"] != 8.0 {
		t.Errorf("got %v", got)
	}
	if picture, _ := os.ReadFile(file("c.png")); !bytes.HasPrefix(picture, []byte("\x89PNG")) {
		t.Error("no picture")
	}
	if r := invoke(t, "features", "--dataset", "--model", run, "--out", file("f.safetensors")); r.code != 0 {
		t.Errorf("%+v", r)
	}
	labels := readTensor(t, file("f.safetensors"), "labels")
	if !slices.Equal(labels.I64, []int64{0, 0, 0, 0, 1, 1, 1, 1}) {
		t.Errorf("labels %v", labels.I64)
	}

	torn := filepath.Join(root, "val", "cat", "b.JPEG")
	writeFile(t, torn, []byte("\xff\xd8\xff"))
	fail(t, 1, "b.JPEG", "eval", "--model", run)
	r = invoke(t, "eval", "--model", run, "--on-bad-image", "skip", "--results-file", file("r.json"))
	raw, _ = os.ReadFile(file("r.json"))
	if r.code != 0 ||
		!strings.Contains(r.stderr, "1 image") ||
		!strings.Contains(r.stderr, torn+": ") ||
		!bytes.Contains(raw, []byte(torn)) ||
		!bytes.Contains(raw, []byte(`"count": 7`)) {
		t.Errorf("%+v\n%s", r, raw)
	}
	fail(t, 2, "--split: want train or val", "eval", "--model", run, "--split", "test")
	fail(t, 2, ".csv, .png or .svg", "eval", "--model", run, "--confusion", file("c.jpg"))
	fail(t, 2, ".json or .csv", "eval", "--model", run, "--results-file", file("r.xml"))
	fail(t, 1, "no such file", "eval", "--model", run, "--results-file", file("none/r.csv"))
}

// A data set with labels that the model does not have.
func TestLabelsBeyondTheModel(t *testing.T) {
	run, root := folderRun(t)
	picture(t, filepath.Join(root, "val", "eel", "a.jpg"))
	fail(t, 1, `the data set has different classes from the model: only in the data set: "eel"`, "eval", "--model", run)
	// The same number of other classes.
	os.RemoveAll(filepath.Join(root, "val", "dog"))
	fail(t, 1, `class 1 is "dog" in the model and "eel" in the data set`, "eval", "--model", run)
}
