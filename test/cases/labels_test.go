package cases

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// tar writes a tar from alternating names and contents.
func (f folder) tar(name string, members ...string) {
	f.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		h := &tar.Header{Name: members[i], Mode: 0o644, Size: int64(len(members[i+1])), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(h); err != nil {
			f.t.Fatal(err)
		}
		if _, err := w.Write([]byte(members[i+1])); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.write(name, b.Bytes())
}

// shards makes train-000.tar and val-000.tar under root with n images. A function chooses their members
// and the order.
func (f folder) shards(root string, n int, members func(images []string) []string) {
	f.t.Helper()
	var images []string
	for i := range n {
		images = append(images, string(pngBytes(f.t, noise(40, 36, i%3, i))))
	}
	for _, part := range []string{"train", "val"} {
		f.tar(root+"/"+part+"-000.tar", members(images)...)
	}
}

// sorted makes the members of each image: the image, then its label under a key.
func sorted(key string) func(images []string) []string {
	return func(images []string) (all []string) {
		for i, img := range images {
			all = append(all, fmt.Sprintf("%06d.png", i), img, fmt.Sprintf("%06d.%s", i, key), fmt.Sprint(i%3))
		}
		return all
	}
}

var ofShards = []string{"--set", "data.name=shards", "--set", "data.dir=set", "--set", "train.epochs=1"}

func (f folder) trainOn(args []string, more ...string) outcome {
	f.t.Helper()
	os.RemoveAll(f.file("run"))
	return f.run(slices.Concat([]string{"train", "t.yaml", "--run", "run"}, args, more)...)
}

// webdataset/webdataset#11: in a tar made without --sort=name, labels and images of a sample are apart.
// Training used one nameless class, and reached 100 %.
func TestShardsUnsorted(t *testing.T) {
	f := newFolder(t)
	f.config("t.yaml", tinyFasterNet)
	f.shards("set", 8, func(images []string) (all []string) {
		for i, img := range images {
			all = append(all, fmt.Sprintf("%06d.png", i), img)
		}
		for i := range images {
			all = append(all, fmt.Sprintf("%06d.cls", i), fmt.Sprint(i%3))
		}
		return all
	})
	f.trainOn(ofShards).exits(0).says("8 training and 8 validation images in 3 classes")
	f.run("data", "info", "set").exits(0).says("  0  0  3 images", "  2  2  2 images")

	f.shards("set", 8, sorted("cls"))
	want := f.read("run/summary.csv")
	f.trainOn(ofShards).exits(0)
	if got := f.read("run/summary.csv"); !bytes.Equal(untimed(got), untimed(want)) {
		t.Errorf("sorted it trains to\n%s, unsorted to\n%s", got, want)
	}
}

// untimed returns the beginning of the last line of a summary, without the parts that depend on the
// machine.
func untimed(summary []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(summary), []byte("\n"))
	columns := bytes.Split(lines[len(lines)-1], []byte(","))
	return bytes.Join(columns[:min(3, len(columns))], []byte(","))
}

// webdataset/webdataset#288, #237: the extension is everything after the first dot. Labels in .cls.txt
// were not read.
func TestShardsWithOtherLabelMembers(t *testing.T) {
	f := newFolder(t)
	f.config("t.yaml", tinyFasterNet)
	for _, key := range []string{"cls.txt", "txt", "target.cls", "label", "json"} {
		f.shards("set", 8, sorted(key))
		f.run("data", "info", "set").exits(0).says("training: 8 images in 3 classes", "  2  2  2 images")
	}
	f.shards("set", 8, sorted("annotation"))
	f.trainOn(ofShards).exits(1).
		says("the 8 training images have no labels", "the members are png, annotation", "a label is a member cls")
	if _, err := os.Stat(f.file("run")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a run was begun: %v", err)
	}
	f.run("data", "verify", "set").exits(1).says("have no labels, which a classifier needs")
	f.trainOn(ofShards, "--set", "data.label_key=annotation").exits(0).says("in 3 classes")
	f.trainOn(ofShards, "--set", "data.label_key=anotation").exits(1).
		says(`data.label_key: no sample has a member or a JSON key "anotation"`)
}

// Missing, wrong or repeated labels are errors before the first step.
func TestShardsWithWrongLabels(t *testing.T) {
	f := newFolder(t)
	f.config("t.yaml", tinyFasterNet)
	f.write("set/names.txt", []byte("cat\ndog\nfox\n"))
	without := func(drop ...string) func(images []string) []string {
		return func(images []string) []string {
			all := sorted("cls")(images)
			for _, name := range drop {
				at := slices.Index(all, name)
				all = slices.Delete(all, at, at+2)
			}
			return all
		}
	}
	with := func(members ...string) func(images []string) []string {
		return func(images []string) []string {
			for i, m := range members {
				if m == "IMAGE" {
					members[i] = images[0]
				}
			}
			return append(sorted("cls")(images), members...)
		}
	}
	for _, c := range []struct {
		name    string
		members func(images []string) []string
		args    []string
		want    string
	}{
		{"no label", without("000004.cls"), nil,
			"set/train-000.tar:000004.png: an image without a label; the members are png, cls"},
		{"no image", without("000004.png"), nil, "set/train-000.tar:000004.cls: a label without an image"},
		{"two labels", with("000004.json", `{"label": 2}`), nil,
			`set/train-000.tar:000004.json: two labels that disagree: 1 in .cls, 2 in .json, key "label"`},
		{"no such class", with("x.png", "IMAGE", "x.cls", "3"), []string{"--set", "data.classes=names.txt"},
			"set/train-000.tar:x.cls: .cls: label 3 is not below the number of classes, 3 of names.txt; " +
				"labels count from 0"},
		{"negative", with("x.png", "IMAGE", "x.cls", "-1"), nil, "x.cls: .cls: label -1 is negative"},
		{"no name", with("x.png", "IMAGE", "x.cls", "Fox"), []string{"--set", "data.classes=names.txt"},
			`label "Fox" is neither a number nor one of the 3 class names of names.txt; did you mean "fox"?`},
		{"twice", with("000004.png", "IMAGE"), nil, `000004.png: sample "000004" has a member png twice in this shard`},
		{"two images", with("000004.jpg", "IMAGE"), nil,
			"000004.jpg: a second image of the same sample, next to 000004.png"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.shards("set", 8, c.members)
			f.trainOn(ofShards, c.args...).exits(1).says(c.want)
			f.run(slices.Concat([]string{"data", "verify", "t.yaml"}, ofShards, c.args)...).exits(1).says(c.want)
			if _, err := os.Stat(f.file("run")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a run was begun: %v", err)
			}
		})
	}
}

// A mask next to an image is not a second image, and a note says that it is left out.
func TestShardsWithMasks(t *testing.T) {
	f := newFolder(t)
	f.config("t.yaml", tinyFasterNet)
	f.shards("set", 8, func(images []string) []string {
		all := sorted("cls")(images)
		for i, img := range images {
			all = append(all, fmt.Sprintf("%06d.seg.png", i), img)
		}
		return all
	})
	f.trainOn(ofShards).exits(0).
		says("8 training and 8 validation images in 3 classes",
			"note: training part: 8 extra images of samples are left out: seg.png 8")
}

// Compressed shards are named, even if only some of them are compressed.
func TestCompressedShards(t *testing.T) {
	f := newFolder(t)
	f.config("t.yaml", tinyFasterNet)
	f.shards("set", 8, sorted("cls"))
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(f.read("set/train-000.tar"))
	w.Close()
	f.write("set/train-001.tar.gz", b.Bytes())
	f.trainOn(ofShards).exits(1).says("set/train-001.tar.gz: a compressed shard", "decompress it")
	os.Rename(f.file("set/train-001.tar.gz"), f.file("set/train-001.tar"))
	f.trainOn(ofShards).exits(1).says("set/train-001.tar: compressed with gzip", "gunzip set/train-001.tar")
	os.Remove(f.file("set/train-001.tar"))
	os.Remove(f.file("set/train-000.tar"))
	f.write("set/train-000.tgz", b.Bytes())
	f.run("data", "info", "set").exits(1).says("set/train-000.tgz: a compressed shard")
}

// A data set of one class, in any format, cannot train a classifier, but it can train an encoder.
func TestOneClass(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	f.run("data", "pack", "base", "--out", "packed").exits(0)
	f.run("data", "shard", "base", "--out", "shards").exits(0)
	var list strings.Builder
	for i := range 8 {
		fmt.Fprintf(&list, "train/cat/%03d.png 1\n", i)
	}
	f.write("base/list.txt", []byte(list.String()))
	const needs = "and a classifier needs two or more"
	for _, args := range [][]string{
		nil,
		{"--set", "data.val_fraction=0.3"},
		{"--set", "data.name=packed", "--set", "data.dir=packed"},
		{"--set", "data.name=shards", "--set", "data.dir=shards"},
		{"--set", "data.name=annotations", "--set", "data.train=list.txt", "--set", "data.val=list.txt"},
	} {
		f.trainOn(args).exits(1).says(needs)
	}
	f.run("lr-find", "t.yaml", "--out", "lr.svg").exits(1).says(needs)
	f.run("data", "verify", "base", "--duplicates", "off").exits(1).
		says(`all 8 training images are of one class, "cat"`)
	f.write("mim.yaml", []byte(`
task: localmim
model: {name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, in_chans: 3}
mim: {taps: [1, 2], scales: [4, 0.5], decoder_dim: 8, decoder_heads: 2}
data: {name: imagefolder, dir: base, image_size: 32}
sched: {warmup_epochs: 0}
train: {epochs: 1, batch_size: 8}
log: {tensorboard: false}
`))
	f.run("train", "mim.yaml", "--run", "mim").exits(0)
}

// huggingface/pytorch-image-models#957, #211; ultralytics/ultralytics#13936; weecology/DeepForest#1147:
// the validation part has no images of a class.
func TestValidationWithoutAClass(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 0)
	f.imageFolders("base", []string{"cat", "fox"}, 0, 4)
	f.config("t.yaml", tinyFasterNet)
	f.write("base/classes.txt", []byte("cat\ndog\nfox\n"))
	const note = `note: the validation part has no images of 1 of the 3 classes: "dog"`
	once := func(o outcome) []byte {
		t.Helper()
		if n := strings.Count(o.exits(0).stderr, "dog"); n != 1 {
			t.Errorf("dog is named %d times:\n%s", n, o.stderr)
		}
		o.says(note)
		return untimed(f.read("run/summary.csv"))
	}
	want := once(f.trainOn(nil))
	if got := once(f.trainOn([]string{"--set", "data.classes=classes.txt"})); !bytes.Equal(got, want) {
		t.Errorf("with a class map it trains to %s, without to %s", got, want)
	}
	os.MkdirAll(f.file("base/val/dog"), 0o755)
	if got := once(f.trainOn(nil)); !bytes.Equal(got, want) {
		t.Errorf("with an empty folder it trains to %s, without to %s", got, want)
	}
	f.run("eval", "--model", "run").exits(0).says("fox")
	f.run("knn", "--model", "run").exits(0).says(note)
	f.run("data", "pack", "base", "--out", "packed").exits(0)
	f.trainOn([]string{"--set", "data.name=packed", "--set", "data.dir=packed"}).exits(0).says(note)

	f.imageFolders("base", []string{"owl"}, 0, 2)
	f.trainOn(nil).exits(1).says(`only in the validation part: "owl"`)
	os.MkdirAll(f.file("base/train/owl"), 0o755)
	f.trainOn(nil).exits(1).says("base/train/owl: no images")
}

// open-mmlab/mmpretrain#370, BVLC/caffe#1935, PaddlePaddle/PaddleClas#111: class names
// with blanks in lists.
func TestAnnotationsOfClassesWithBlanks(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	f.write("base/classes.txt", []byte("cat\ndog\nGolden Retriever\n"))
	names := map[string]string{"cat": "cat", "dog": "dog", "fox": "Golden Retriever"}
	list := func(form func(path, class string, k int) string, n int) {
		for _, test := range []struct {
			part  string
			count int
		}{{"train", n}, {"val", 2}} {
			var b strings.Builder
			for k, class := range []string{"cat", "dog", "fox"} {
				for i := range test.count {
					b.WriteString(form(fmt.Sprintf("%s/%s/%03d.png", test.part, class, i), names[class], k))
				}
			}
			f.write("base/"+test.part+".txt", []byte(b.String()))
		}
	}
	lists := []string{
		"--set", "data.name=annotations", "--set", "data.classes=classes.txt", "--set", "train.batch_size=4",
		"--set", "train.epochs=1",
	}
	var want []byte
	for _, c := range []struct {
		name string
		form func(path, class string, k int) string
	}{
		{"names", func(path, class string, _ int) string { return path + " " + class + "\n" }},
		{"numbers", func(path, _ string, k int) string { return fmt.Sprintf("%s %d\n", path, k) }},
		{"Windows", func(path, class string, _ int) string { return path + "\t" + class + "\r\n" }},
		{"quoted", func(path, class string, _ int) string { return fmt.Sprintf("%q,%q\n", path, class) }},
	} {
		list(c.form, 4)
		f.trainOn(lists).exits(0).says("12 training and 6 validation images in 3 classes")
		got := untimed(f.read("run/summary.csv"))
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s trains to %s, want %s", c.name, got, want)
		}
	}
	list(func(path, class string, _ int) string { return path + " " + class + "\n" }, 9) // there are only 8
	f.trainOn(lists).exits(1).
		says("base/train.txt:9: there is no file base/train/cat/008.png", "(and 2 more; data verify lists all)")
	f.run(slices.Concat([]string{"data", "verify", "t.yaml"}, lists)...).exits(1).
		says("base/train.txt:9: there", "base/train.txt:18: there", "base/train.txt:27: there")
	f.trainOn(lists, "--set", "data.on_bad_image=skip").exits(0).
		says("note: base/train.txt:9: there is no file base/train/cat/008.png; " +
			"paths are relative to data.dir, and 2 more images cannot be read (data.on_bad_image: skip); " +
			"data verify lists them")
}

// If a model has more outputs than classes, predict names only classes.
func TestPredictNamesClassesOnly(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	f.trainOn(nil, "--set", "model.num_classes=9", "--set", "train.epochs=1", "--set", "optim.lr=1e-9").exits(0)
	o := f.run("predict", "base/val/cat", "--model", "run", "--topk", "9", "--format", "csv").exits(0)
	o.says("the model has 9 outputs, but names for only 3: the others are not listed")
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	if len(lines) != 1+4*3 {
		t.Errorf("%d lines:\n%s", len(lines), o.stdout)
	}
	for _, line := range lines[1:] {
		if fields := strings.Split(line, ","); !slices.Contains([]string{"cat", "dog", "fox"}, fields[3]) {
			t.Errorf("a class without a name: %s", line)
		}
	}
}
