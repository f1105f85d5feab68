package infer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/data/preprocess"
	"fasternet/eval/predict"
	"fasternet/export"
	"fasternet/graph"
	"fasternet/graph/localmim"
	"fasternet/infer"
	"fasternet/internal/datatest"
	"fasternet/internal/golden"
	"fasternet/internal/modeltest"
	"fasternet/kernels"
	"fasternet/model"

	"golang.org/x/image/bmp"
)

func open(t testing.TB, path string, options ...infer.Option) *infer.Model {
	t.Helper()
	m, err := infer.Open(path, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// namedFile is an image file.
type namedFile struct {
	name    string
	content []byte
}

// files returns images of all kinds that can be read, each named format/kind.
func files(t testing.TB) (all []namedFile) {
	t.Helper()
	g := datatest.Goldens(t, "pillow_formats.safetensors")
	for _, tensor := range g.Names() {
		name, ok := strings.CutPrefix(tensor, "file/")
		if ok && slices.Contains(g.Names(), "rgb/"+name) { // the others are refused
			_, content := g.Get(tensor)
			all = append(all, namedFile{name, content})
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d files", len(all))
	}
	return all
}

// silent ignores what it gets.
type silent struct{}

func (silent) Write(string, []predict.Guess) error { return nil }
func (silent) Close() error                        { return nil }

// predicted returns the logits and features of the commands.
func predicted(t *testing.T, path string, files []namedFile) (logits, features [][]float32) {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i, f := range files {
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("%03d.%s", i, f.name[:3])))
		datatest.WriteFile(t, paths[i], f.content)
	}
	l, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	net, err := graph.ForInference(l.Model)
	if err != nil {
		t.Fatal(err)
	}
	how, err := preprocess.Decoding(l.Config.Data)
	if err != nil {
		t.Fatal(err)
	}
	in, err := predict.Open(paths, net.Channels(), how)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(2)
	defer pool.Close()
	r, err := model.NewRunner(l.Config, net, pool)
	if err != nil {
		t.Fatal(err)
	}
	o := predict.Options{Transform: preprocess.Evaluation(l.Config.Data, net.Channels()), Batch: 7, Workers: 2}
	keep := &predict.Logits{}
	if _, err := predict.Classify(t.Context(), r, in, o, func(logits []float32) []predict.Guess {
		return predict.TopK(logits, 1, nil)
	}, silent{}, keep); err != nil {
		t.Fatal(err)
	}
	f, err := predict.Extract(t.Context(), r, in, o, predict.PreLogits, false)
	if err != nil {
		t.Fatal(err)
	}
	split := func(values []float32) (rows [][]float32) {
		n := len(values) / len(files)
		for i := range files {
			rows = append(rows, values[i*n:(i+1)*n])
		}
		return rows
	}
	return split(keep.Values), split(f.Arrays[0].Values)
}

func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("%s: value %d is %v, want %v to the bit", what, i, got[i], want[i])
			return
		}
	}
}

// Logits and features equal the commands' to the bit, for all families and kinds of files, also for
// exports and for images in memory, one at a time and in any batch.
func TestSameAsPredict(t *testing.T) {
	t.Parallel()
	all := files(t)
	for _, f := range modeltest.Families {
		for _, form := range []string{"checkpoint", "onnx"} {
			t.Run(f.Name+" "+form, func(t *testing.T) {
				path := modeltest.Write(t, f, "data.orientation=exif")
				logits, features := predicted(t, path, all)
				if form == "onnx" {
					to := filepath.Join(t.TempDir(), "m.onnx")
					l, err := model.Load(path)
					if err == nil {
						pool := kernels.NewPool(1)
						_, err = export.Write(l, to, pool, export.Options{})
						pool.Close()
					}
					if err != nil {
						t.Fatal(err)
					}
					path = to
				}
				m := open(t, path, infer.Threads(2), infer.MaxBatch(8))
				var contents [][]byte
				for i, file := range all {
					contents = append(contents, file.content)
					got, err := m.LogitsBytes(t.Context(), file.content)
					if err != nil {
						t.Fatalf("%s: %v", file.name, err)
					}
					same(t, file.name+" alone", got[0], logits[i])
				}
				got, err := m.LogitsBytes(t.Context(), contents...)
				if err != nil {
					t.Fatal(err)
				}
				vectors, err := m.FeaturesBytes(t.Context(), contents...)
				if err != nil {
					t.Fatal(err)
				}
				for i, file := range all {
					same(t, file.name+" with others", got[i], logits[i])
					same(t, "features of "+file.name, vectors[i], features[i])
				}
				for i, file := range all { // an image as another decoder reads it
					var decode func(io.Reader) (image.Image, error)
					switch file.name {
					case "png/rgb", "png/grey", "png/grey16", "png/rgb16", "png/rgba", "png/palette":
						decode = png.Decode
					case "bmp/rgb", "bmp/grey":
						decode = bmp.Decode
					default:
						continue
					}
					decoded, err := decode(bytes.NewReader(file.content))
					if err != nil {
						t.Fatal(err)
					}
					got, err := m.Logits(t.Context(), decoded)
					if err != nil {
						t.Fatal(err)
					}
					same(t, file.name+" in memory", got[0], logits[i])
				}
			})
		}
	}
}

// An image in memory gives the same as the same pixels in a file, for any type and bounds.
func TestImagesInMemory(t *testing.T) {
	t.Parallel()
	m := open(t, modeltest.Write(t, modeltest.Families[0]), infer.Threads(1))
	scene := datatest.Scene(40, 40)
	want, err := m.LogitsBytes(t.Context(), datatest.EncodePNG(t, scene))
	if err != nil {
		t.Fatal(err)
	}
	big := image.NewRGBA(image.Rect(-9, -5, 60, 60))
	draw.Draw(big, image.Rect(3, 4, 43, 44), scene, image.Point{}, draw.Src)
	opaque := image.NewNRGBA(scene.Rect)
	draw.Draw(opaque, scene.Rect, scene, image.Point{}, draw.Src)
	deep := image.NewNRGBA64(scene.Rect)
	draw.Draw(deep, scene.Rect, scene, image.Point{}, draw.Src)
	for _, c := range []struct {
		name  string
		image image.Image
	}{
		{"RGBA", scene},
		{"a part of a larger one", big.SubImage(image.Rect(3, 4, 43, 44))},
		{"NRGBA", opaque},
		{"NRGBA64", deep},
		{"a type of another package", wrapped{scene}},
	} {
		got, err := m.Logits(t.Context(), c.image)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		same(t, c.name, got[0], want[0])
	}
	// Alpha is dropped, in both forms.
	clear := image.NewNRGBA(scene.Rect)
	for i := range clear.Pix {
		clear.Pix[i] = uint8(max(i%4*70, 40))
	}
	want, err = m.LogitsBytes(t.Context(), datatest.EncodePNG(t, clear))
	if err != nil {
		t.Fatal(err)
	}
	multiplied := image.NewRGBA64(scene.Rect)
	draw.Draw(multiplied, scene.Rect, clear, image.Point{}, draw.Src)
	for _, c := range []struct {
		name  string
		image image.Image
	}{{"NRGBA with alpha", clear}, {"RGBA64 with alpha", multiplied}} {
		got, err := m.Logits(t.Context(), c.image)
		if err != nil {
			t.Fatal(err)
		}
		same(t, c.name, got[0], want[0])
	}
	// YCbCr gives nearly the same as the decoder of files.
	content := datatest.EncodeJPEG(t, scene)
	decoded, err := jpeg.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Logits(t.Context(), decoded)
	if err != nil {
		t.Fatal(err)
	}
	if want, err = m.LogitsBytes(t.Context(), content); err != nil {
		t.Fatal(err)
	}
	for i, v := range want[0] {
		if d := math.Abs(float64(v - got[0][i])); d > 0.02*(1+math.Abs(float64(v))) {
			t.Errorf("logit %d of a decoded JPEG image is %v, want about %v", i, got[0][i], v)
		}
	}
}

// wrapped is an image of an unknown type.
type wrapped struct{ image.Image }

type failing struct{ image.Image }

func (failing) At(int, int) color.Color { panic("no pixels") }

// An input that is not an image gives an error that names it, alone and among others, and the model goes on.
func TestBadImages(t *testing.T) {
	t.Parallel()
	m := open(t, modeltest.Write(t, modeltest.Families[0]), infer.Threads(2), infer.MaxPixels(5000))
	scene := datatest.Scene(40, 40)
	good := datatest.EncodeJPEG(t, scene)
	for _, c := range []struct {
		name string
		in   infer.Input
		want string
	}{
		{"nothing", infer.Input{}, "want Image, Bytes or Tensor"},
		{"two forms", infer.Input{Image: scene, Bytes: good}, "only one of them"},
		{"empty file", infer.Input{Bytes: []byte{}}, ""},
		{"no image", infer.Input{Bytes: []byte("<html>no</html>")}, ""},
		{"cut off", infer.Input{Bytes: good[:len(good)/2]}, "truncated"},
		{"too large a file", infer.Input{Bytes: datatest.EncodePNG(t, datatest.Scene(80, 80))},
			"exceed the limit of 5000 pixels"},
		{"too large a JPEG file", infer.Input{Bytes: datatest.EncodeJPEG(t, datatest.Scene(80, 80))},
			"exceed the limit of 5000 pixels"},
		{"too large an image", infer.Input{Image: datatest.Scene(80, 80)}, "exceed the limit of 5000 pixels"},
		{"endless", infer.Input{Image: image.NewUniform(color.White)}, "exceed the limit"},
		{"empty", infer.Input{Image: image.NewRGBA(image.Rect(3, 3, 3, 9))}, "empty"},
		{"nil of a type", infer.Input{Image: (*image.RGBA)(nil)}, "nil"},
		{"pixels missing", infer.Input{Image: &image.RGBA{Stride: 40, Rect: image.Rect(0, 0, 10, 10)}},
			"cannot be read"},
		{"panics", infer.Input{Image: failing{scene}}, "no pixels"},
		{"short tensor", infer.Input{Tensor: make([]float32, 7)}, "7 values, want 3072"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, in := range [][]infer.Input{{c.in}, {{Bytes: good}, c.in, {Image: scene}}} {
				err := m.Infer(t.Context(), in, make([]infer.Output, len(in)))
				var bad *infer.ImageError
				if !errors.As(err, &bad) ||
					bad.Index != len(in)/2 ||
					!strings.Contains(err.Error(), c.want) ||
					strings.Contains(err.Error(), "\n") {
					t.Errorf("of %d: %v, want one line with %q about image %d", len(in), err, c.want, len(in)/2)
				}
			}
		})
	}
	if _, err := m.ClassifyBytes(t.Context(), good, good); err != nil {
		t.Error(err)
	}
}

// Classify returns classes by name.
func TestClassify(t *testing.T) {
	t.Parallel()
	path := modeltest.Write(t, modeltest.Families[1])
	m := open(t, path, infer.TopK(3))
	scene := datatest.Scene(50, 40)
	classes, err := m.Classify(t.Context(), scene)
	if err != nil {
		t.Fatal(err)
	}
	logits, err := m.Logits(t.Context(), scene)
	if err != nil {
		t.Fatal(err)
	}
	if want := predict.TopK(logits[0], 3, modeltest.Classes); !slices.Equal(classes[0], want) {
		t.Errorf("got %v, want %v", classes[0], want)
	}
	if got := m.Labels(); !slices.Equal(got, modeltest.Classes) {
		t.Errorf("labels %q", got)
	}
	i := m.Info()
	if i.Architecture != "vit" ||
		i.Size != 32 ||
		i.Channels != 3 ||
		i.Classes != 5 ||
		i.Features != 24 ||
		i.File != path ||
		i.Precision != "fp32" {
		t.Errorf("%+v", i)
	}
	renamed := open(t, path, infer.Labels("a", "", "c"))
	if classes, err = renamed.Classify(t.Context(), scene); err != nil || len(classes[0]) != 2 {
		t.Errorf("%v, %v: want the two outputs with a name", classes, err)
	}
	if got := renamed.Labels(); !slices.Equal(got, []string{"a", "1", "c", "3", "4"}) {
		t.Errorf("labels %q", got)
	}
	if none, err := m.Classify(t.Context()); err != nil || len(none) != 0 {
		t.Errorf("of no image: %v, %v", none, err)
	}
}

// A tensor is used unchanged.
func TestTensor(t *testing.T) {
	t.Parallel()
	path := modeltest.Write(t, modeltest.Families[2])
	m := open(t, path)
	l, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	scene := datatest.Scene(32, 32)
	tr := preprocess.Evaluation(l.Config.Data, 3)
	planes := make([]float32, 3*32*32)
	for y := range 32 {
		for x := range 32 {
			for c := range 3 {
				planes[(c*32+y)*32+x] = (float32(scene.Pix[scene.PixOffset(x, y)+c])/255 - tr.Mean[c]) / tr.Std[c]
			}
		}
	}
	out := make([]infer.Output, 1)
	if err := m.Infer(t.Context(), []infer.Input{{Tensor: planes}}, out); err != nil {
		t.Fatal(err)
	}
	want, err := m.Logits(t.Context(), scene)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "tensor", out[0].Logits, want[0])
}

// An encoder has features and no classes.
func TestEncoder(t *testing.T) {
	t.Parallel()
	var folder string
	for _, f := range golden.TimmFolders(t) {
		if strings.Contains(f, "headless") {
			folder = f
		}
	}
	if folder == "" {
		t.Skip("no folder of an encoder")
	}
	m := open(t, folder, infer.MaxBatch(1))
	if _, err := m.Classify(t.Context(), datatest.Scene(40, 40)); !errors.Is(err, infer.ErrNoClassifier) {
		t.Errorf("%v, want ErrNoClassifier", err)
	}
	if f, err := m.Features(t.Context(), datatest.Scene(40, 40)); err != nil || len(f[0]) != m.Info().Features {
		t.Errorf("%v, %v", f, err)
	}
}

// The encoder of a FasterNet's pre-training gives the mean of the last map: the layer before the classifier
// has random weights.
func TestPretrainedEncoder(t *testing.T) {
	t.Parallel()
	c, err := configs.Parse("test", "task: localmim\ndata: {image_size: 32}\nmim: {mask_unit: 8, decoder_dim: 8, "+
		"decoder_heads: 2}\nmodel: {name: fasternet, embed_dim: 8, depths: [1, 1], feature_dim: 12, patch_size: 4}\n")
	if err != nil {
		t.Fatal(err)
	}
	net, err := localmim.New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := model.Meta(c, []string{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "pretrained.safetensors")
	err = checkpoints.Write(path, checkpoints.File{Meta: meta, Tensors: model.Tensors(net.Store())})
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, path, infer.MaxBatch(1))
	if i := m.Info(); i.Classes != 0 || i.Features != 16 || i.FeaturesFrom != "pooled" {
		t.Errorf("%+v", i)
	}
	if f, err := m.Features(t.Context(), datatest.Scene(40, 40)); err != nil || len(f[0]) != 16 {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := m.Classify(t.Context(), datatest.Scene(40, 40)); !errors.Is(err, infer.ErrNoClassifier) {
		t.Errorf("%v, want ErrNoClassifier", err)
	}
}

// Files that are not a model, or are damaged or cut anywhere, give an error, never a panic.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	path := modeltest.Write(t, modeltest.Families[0])
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	refused := func(t *testing.T, name string, content []byte) {
		t.Helper()
		at := filepath.Join(dir, name)
		datatest.WriteFile(t, at, content)
		m, err := infer.Open(at)
		if err == nil {
			_ = m.Close()
			t.Errorf("%s was opened", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q has several lines", name, err)
		}
	}
	for _, ending := range []string{".safetensors", ".onnx", ".pth", ""} {
		for _, n := range []int{0, 1, 8, 9, 100, len(content) / 2, len(content) - 1} {
			refused(t, fmt.Sprintf("cut%d%s", n, ending), content[:n])
		}
		refused(t, "text"+ending, []byte("this is not a model"))
	}
	for i := range 24 {
		bad := slices.Clone(content)
		bad[i*len(bad)/24] ^= 0x55
		refused(t, fmt.Sprintf("changed%d.safetensors", i), bad)
	}
	for _, at := range []string{filepath.Join(dir, "missing"), dir, ""} {
		if _, err := infer.Open(at); err == nil {
			t.Errorf("%q was opened", at)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	path := modeltest.Write(t, modeltest.Families[0])
	for _, c := range []struct {
		option infer.Option
		want   string
	}{
		{infer.Threads(-1), "Threads"}, {infer.MaxBatch(0), "MaxBatch"}, {infer.MaxBatch(65), "MaxBatch"},
		{infer.MaxDelay(-time.Second), "MaxDelay"},
		{infer.Precision("fp64"), "Precision"}, {infer.MaxPixels(0), "MaxPixels"}, {infer.TopK(0), "TopK"},
		{infer.Labels("a", "b", "c", "d", "e", "f"), "Labels"},
		{infer.Config("", "model.dephts=3"), "dephts"},
	} {
		if m, err := infer.Open(path, c.option); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, %v: want an error with %s", m, err, c.want)
		}
	}
}

// Many goroutines with their own images get their own results, even if others send input that is
// not an image, give up, or close the model.
func TestNothingReachesAnother(t *testing.T) {
	t.Parallel()
	for _, f := range modeltest.Families {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			m := open(t, modeltest.Write(t, f), infer.Threads(2), infer.MaxBatch(6), infer.MaxDelay(time.Millisecond))
			const images = 40
			var contents [images][]byte
			var want [images][]float32
			for i := range images {
				scene := datatest.Scene(33+i%7, 32+i%5)
				for p := range scene.Pix {
					if p%4 != 3 {
						scene.Pix[p] += uint8(i * 6)
					}
				}
				contents[i] = datatest.EncodePNG(t, scene)
				logits, err := m.LogitsBytes(t.Context(), contents[i])
				if err != nil {
					t.Fatal(err)
				}
				want[i] = logits[0]
			}
			var all sync.WaitGroup
			for g := range 24 {
				all.Go(func() {
					for k := range 30 {
						i := (g*31 + k*7) % images
						switch g % 4 {
						case 0: // gives up sooner or later
							ctx, cancel := context.WithTimeout(t.Context(), time.Duration(k*g)*50*time.Microsecond)
							mine := slices.Clone(contents[i])
							_, err := m.LogitsBytes(ctx, mine, contents[(i+1)%images], mine)
							clear(mine) // it belongs to the caller again
							cancel()
							if err != nil && !errors.Is(err, context.DeadlineExceeded) {
								t.Error(err)
							}
						case 1:
							if _, err := m.LogitsBytes(t.Context(), contents[i], contents[i][:50]); err == nil {
								t.Error("a file that is cut off was taken")
							}
							if _, err := m.FeaturesBytes(t.Context(), contents[i]); err != nil {
								t.Error(err)
							}
						case 2:
							got, err := m.LogitsBytes(t.Context(), contents[i])
							if err != nil {
								t.Error(err)
								return
							}
							same(t, "alone", got[0], want[i])
						case 3:
							j, l := (i+3)%images, (i+11)%images
							got, err := m.LogitsBytes(t.Context(), contents[i], contents[j], contents[l], contents[i])
							if err != nil {
								t.Error(err)
								return
							}
							for n, at := range []int{i, j, l, i} {
								same(t, "one of four", got[n], want[at])
							}
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// A call with more images than there is room for computes all of them.
func TestMoreThanRoom(t *testing.T) {
	t.Parallel()
	m := open(t, modeltest.Write(t, modeltest.Families[0]), infer.Threads(1), infer.MaxBatch(2))
	scene := image.Image(datatest.Scene(40, 40))
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			logits, err := m.Logits(t.Context(), slices.Repeat([]image.Image{scene}, 50)...)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range logits {
				same(t, "of 50", logits[i], logits[0])
			}
		})
	}
	callers.Wait()
}

// A context that has ended gives an error at once, even if there is no room.
func TestCancel(t *testing.T) {
	t.Parallel()
	m := open(t, modeltest.Write(t, modeltest.Families[0]), infer.Threads(1), infer.MaxBatch(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	scene := datatest.Scene(40, 40)
	for _, images := range [][]image.Image{{scene}, {scene, scene}} {
		if _, err := m.Logits(ctx, images...); !errors.Is(err, context.Canceled) {
			t.Errorf("of %d: %v, want context.Canceled", len(images), err)
		}
	}
	if _, err := m.Logits(t.Context(), scene); err != nil {
		t.Error(err)
	}
}

// Close waits for calls in progress; later calls get an error.
func TestClose(t *testing.T) {
	t.Parallel()
	m := open(t, modeltest.Write(t, modeltest.Families[0]), infer.Threads(2))
	scene := datatest.Scene(40, 40)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				if _, err := m.Logits(t.Context(), scene, scene, scene); err != nil {
					if !errors.Is(err, infer.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	for range 3 {
		all.Go(func() { _ = m.Close() })
	}
	all.Wait()
	if _, err := m.Classify(t.Context(), scene); !errors.Is(err, infer.ErrClosed) {
		t.Errorf("%v, want ErrClosed", err)
	}
}

// The times of an image add up, and include the batch.
func TestTimes(t *testing.T) {
	t.Parallel()
	m := open(t, modeltest.Write(t, modeltest.Families[0]), infer.Threads(1), infer.MaxBatch(4))
	content := datatest.EncodeJPEG(t, datatest.Scene(300, 200))
	in, out := make([]infer.Input, 8), make([]infer.Output, 8)
	for i := range in {
		in[i].Bytes = content
	}
	began := time.Now()
	if err := m.Infer(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	for i, o := range out {
		s := o.Times
		if s.Decode <= 0 ||
			s.Resize <= 0 ||
			s.Network <= 0 ||
			s.Batch < 1 ||
			s.Batch > 4 ||
			s.Decode+s.Resize+s.Network+s.Wait > took {
			t.Errorf("image %d of a call of %v: %+v", i, took, s)
		}
	}
}
