//go:build unix

package recipe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/internal/ramdisk"
)

// small trains for an epoch, with the augmentation of ImageNet.
const small = `
model: {embed_dim: 8, depths: [1, 1], feature_dim: 16, patch_size: 2, patch_stride: 2, num_classes: 0, init_std: 0.1}
data: {image_size: 48, workers: 2}
augment: {rand_augment: rand-m5-mstd0.5-inc1, mixup: 0.2, cutmix: 1, erasing: {prob: 0.25, mode: pixel}}
optim: {lr: 0.01}
sched: {form: constant, warmup_epochs: 0}
train: {epochs: 1, batch_size: 8, val_batch_size: 5, log_interval: 1}
log: {tensorboard: false}
`

// source is a data set in the form of settings.
type source struct {
	name string
	args []string
}

// scored trains on a data set and evaluates with a second process. It returns the losses of all steps
// and the scores, which do not depend on the machine.
func scored(t *testing.T, dir string, s source, more ...string) []string {
	t.Helper()
	config, run := filepath.Join(dir, "small.yaml"), filepath.Join(dir, "runs", s.name)
	write(t, config, []byte(small))
	out, _ := succeed(t, slices.Concat([]string{"train", config, "--run", run}, s.args, more)...)
	got, _ := succeed(t, "eval", "--model", run)
	if got["loss"] != out["loss"] || got["top1"] != out["top1"] || got["count"] != out["count"] {
		t.Errorf("%s: eval finds %v, training said %v", s.name, got, out)
	}
	lines := losses(t, run)
	for _, row := range scores(t, run)[1:] {
		lines = append(lines, fmt.Sprint(row))
	}
	return append(lines, fmt.Sprint(got["count"]))
}

// equal trains on all sources, which must have the same pixels in the same order.
func equal(t *testing.T, dir string, sources []source, more ...string) {
	t.Helper()
	want := scored(t, dir, sources[0], more...)
	if len(want) < 5 {
		t.Fatalf("%s: few steps: %v", sources[0].name, want)
	}
	for _, s := range sources[1:] {
		if got := scored(t, dir, s, more...); !slices.Equal(got, want) {
			t.Errorf("%s:\n%v\n%s:\n%v", s.name, got, sources[0].name, want)
		}
	}
}

// tree writes a folder of images for each class, with n images for training and held for validation.
func tree(t *testing.T, dir string, classes []string, n, held int, ending string, image func(class, i int) []byte) {
	t.Helper()
	for class, name := range classes {
		for i := range n + held {
			part := "train"
			if i >= n {
				part = "val"
			}
			write(t, filepath.Join(dir, part, name, fmt.Sprintf("%03d%s", i, ending)), image(class, i))
		}
	}
}

func pngOf(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var kinds = []string{"ant", "bee", "wasp"}

// Packed and sharded files, and lists of files, train like the files.
func TestSameFiles(t *testing.T) {
	dir := ramdisk.Dir(t)
	files := filepath.Join(dir, "files")
	random := rand.New(rand.NewPCG(3, 4))
	tree(t, files, kinds, 12, 4, ".jpg", func(class, _ int) []byte {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, picture(class, 50+random.IntN(80), 50+random.IntN(80), random), nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	succeed(t, "data", "pack", files, "--out", at("packed"), "--short-side", "0")
	succeed(t, "data", "shard", files, "--out", at("shards"), "--per-shard", "10")
	for _, part := range []string{"train", "val"} {
		paths, err := filepath.Glob(filepath.Join(files, part, "*", "*.jpg"))
		if err != nil {
			t.Fatal(err)
		}
		var list strings.Builder
		for _, p := range paths {
			rel, err := filepath.Rel(files, p)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&list, "%s %s\n", filepath.ToSlash(rel), filepath.Base(filepath.Dir(p)))
		}
		write(t, filepath.Join(files, part+".txt"), []byte(list.String()))
	}
	write(t, filepath.Join(files, "names.txt"), []byte(strings.Join(kinds, "\n")))
	equal(t, dir, []source{
		{"files", []string{"--data", files}},
		{"packed", append(set("data.name=packed"), "--data", at("packed"))},
		{"shards", append(set("data.name=shards"), "--data", at("shards"))},
		{"pattern", append(set("data.name=shards", "data.train=train-{000000..000003}.tar"), "--data", at("shards"))},
		{"list", append(set("data.name=annotations", "data.classes=names.txt"), "--data", files)},
	})
}

// Packed pixels train like the files that they come from.
func TestSamePixels(t *testing.T) {
	dir := ramdisk.Dir(t)
	files, packed := filepath.Join(dir, "files"), filepath.Join(dir, "packed")
	random := rand.New(rand.NewPCG(5, 6))
	tree(t, files, kinds, 12, 4, ".png", func(class, _ int) []byte {
		return pngOf(t, picture(class, 30+random.IntN(80), 30+random.IntN(80), random))
	})
	succeed(t, "data", "pack", files, "--out", packed, "--short-side", "0", "--form", "decoded")
	equal(t, dir, []source{
		{"files", []string{"--data", files}},
		{"packed", append(set("data.name=packed"), "--data", packed)},
	})
	// Reduced images have other pixels: training works, with other losses.
	reduced := filepath.Join(dir, "reduced")
	succeed(t, "data", "pack", files, "--out", reduced, "--short-side", "40", "--form", "decoded")
	a := scored(t, dir, source{"reduced", append(set("data.name=packed"), "--data", reduced)})
	if b := scored(t, dir, source{"again", append(set("data.name=packed"), "--data", reduced)}); !slices.Equal(a, b) {
		t.Errorf("%v and %v", a, b)
	}
}

// CIFAR-10 and CIFAR-100 train like folders with an image file for every record.
func TestCIFAR(t *testing.T) {
	ten := []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
	var hundred []string
	for i := range 100 {
		hundred = append(hundred, fmt.Sprintf("kind %02d", i))
	}
	for _, c := range []struct {
		name    string
		classes []string
		train   []string // the files
		test    string
		n       int // images per class
		names   string
		labels  func(class int) []byte
	}{
		{"cifar10", ten,
			[]string{
				"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
				"data_batch_4.bin", "data_batch_5.bin",
			},
			"test_batch.bin", 5, "",
			func(class int) []byte { return []byte{byte(class)} }},
		{"cifar100", hundred, []string{"train.bin"}, "test.bin", 1, "fine_label_names.txt",
			func(class int) []byte { return []byte{byte(class % 20), byte(class)} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := ramdisk.Dir(t)
			files, binaries := filepath.Join(dir, "files"), filepath.Join(dir, "binaries")
			random := rand.New(rand.NewPCG(7, 8))
			var train, test []byte
			tree(t, files, c.classes, c.n, 1, ".png", func(class, i int) []byte {
				img := picture(class%3, 32, 32, random)
				img.Set(0, 0, color.RGBA{uint8(class), uint8(i), 0, 255})
				record := c.labels(class)
				for channel := range 3 {
					for p := range 32 * 32 {
						record = append(record, img.Pix[4*p+channel])
					}
				}
				if i < c.n {
					train = append(train, record...)
				} else {
					test = append(test, record...)
				}
				return pngOf(t, img)
			})
			each := len(train) / len(c.train)
			for k, name := range c.train {
				write(t, filepath.Join(binaries, name), train[k*each:(k+1)*each])
			}
			write(t, filepath.Join(binaries, c.test), test)
			if c.names != "" {
				write(t, filepath.Join(binaries, c.names), []byte(strings.Join(c.classes, "\n")+"\n"))
			}
			equal(t, dir, []source{
				{"files", []string{"--data", files}},
				{"binaries", append(set("data.name="+c.name), "--data", binaries)},
			}, set("data.image_size=32")...)
		})
	}
}

// IDX files train like folders with a grey image file for every image.
func TestIDX(t *testing.T) {
	dir := ramdisk.Dir(t)
	files, binaries := filepath.Join(dir, "files"), filepath.Join(dir, "binaries")
	random := rand.New(rand.NewPCG(9, 10))
	images, labels := map[string][]byte{}, map[string][]byte{}
	digits := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	tree(t, files, digits, 4, 1, ".png", func(class, i int) []byte {
		img := image.NewGray(image.Rect(0, 0, 28, 28))
		for p := range img.Pix {
			img.Pix[p] = uint8(20*class + random.IntN(40))
		}
		part := "train"
		if i >= 4 {
			part = "t10k"
		}
		images[part] = append(images[part], img.Pix...)
		labels[part] = append(labels[part], byte(class))
		return pngOf(t, img)
	})
	for part, pixels := range images {
		write(t, filepath.Join(binaries, part+"-images-idx3-ubyte"), idx(pixels, len(labels[part]), 28, 28))
		write(t, filepath.Join(binaries, part+"-labels-idx1-ubyte"), idx(labels[part], len(labels[part])))
	}
	equal(t, dir, []source{
		{"files", []string{"--data", files}},
		{"idx", append(set("data.name=idx"), "--data", binaries)},
		{"named",
			append(set(
				"data.name=idx",
				"data.train=train-images-idx3-ubyte", "data.train_labels=train-labels-idx1-ubyte",
				"data.val=t10k-images-idx3-ubyte", "data.val_labels=t10k-labels-idx1-ubyte"), "--data", binaries)},
	}, set("model.in_chans=1", "data.mean=[0.3]", "data.std=[0.3]", "data.image_size=32", "augment.rand_augment=")...)
}

// idx returns an IDX file of bytes.
func idx(content []byte, dims ...int) []byte {
	out := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		out = binary.BigEndian.AppendUint32(out, uint32(d))
	}
	return append(out, content...)
}
