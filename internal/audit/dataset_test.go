package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/sets"
)

// pngOf returns an image file of 12×11 pixels of some colour.
func pngOf(t *testing.T, v int) []byte {
	t.Helper()
	return pngSized(t, v, 12, 11)
}

func pngSized(t *testing.T, v, width, height int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = uint8(40*v) | uint8(i%4/3*255) // opaque
	}
	m.Set(1, 1, color.RGBA{uint8(v), 255, 0, 255})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tree writes files to a new folder.
func tree(t *testing.T, files map[string][]byte) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func config(t *testing.T, dir string, settings ...string) *configs.Config {
	t.Helper()
	c, err := configs.Parse("test", "", append([]string{"data.dir=" + dir}, settings...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var both = Options{Splits: []data.Split{data.Train, data.Val}, MinSide: 10, MaxPixels: 10000, Copies: CopiesError}

// found lists the findings as "level kind: text", without the root.
func found(t *testing.T, root string, c *configs.Config, o Options) []string {
	t.Helper()
	r, err := Dataset(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range r.Findings {
		text := strings.ReplaceAll(f.Text, root+string(filepath.Separator), "")
		lines = append(lines, fmt.Sprintf("%s %s: %s", f.Level, f.Kind, filepath.ToSlash(text)))
	}
	return lines
}

// wantLines compares line by line; a wanted line that ends with "…" is the beginning.
func wantLines(t *testing.T, got, want []string) {
	t.Helper()
	same := slices.EqualFunc(got, want, func(g, w string) bool {
		start, open := strings.CutSuffix(w, "…")
		return g == w || open && strings.HasPrefix(g, start)
	})
	if !same {
		t.Errorf("found\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestDataset(t *testing.T) {
	good := map[string][]byte{
		"train/cat/1.png": pngOf(t, 1), "train/cat/2.png": pngOf(t, 2), "train/dog/3.png": pngOf(t, 3),
		"val/cat/4.png": pngOf(t, 4), "val/dog/5.png": pngOf(t, 5),
	}
	for _, c := range []struct {
		name     string
		files    map[string][]byte
		links    map[string]string // name → target
		settings []string
		options  func(o *Options)
		want     []string
	}{
		{name: "nothing wrong"},
		{
			name: "copies",
			files: map[string][]byte{
				"val/cat/9.png":   pngOf(t, 1),
				"train/dog/9.png": pngOf(t, 2),
				"train/dog/8.png": pngOf(t, 3),
				"val/dog/7.png":   pngOf(t, 5),
			},
			want: []string{
				"error leak: the same image in training and validation: train/cat/1.png (cat) = val/cat/9.png (cat)",
				"error conflict: the same image in two classes: train/cat/2.png (cat) = train/dog/9.png (dog)",
				"note repeat: the same image more than once: train/dog/3.png (dog) = train/dog/8.png (dog)",
				"note repeat: the same image more than once: val/dog/5.png (dog) = val/dog/7.png (dog)",
			},
		},
		{
			name: "many copies of one",
			files: map[string][]byte{
				"val/dog/a.png": pngOf(t, 1),
				"val/dog/b.png": pngOf(t, 1),
				"val/dog/c.png": pngOf(t, 1),
				"val/dog/d.png": pngOf(t, 1),
			},
			want: []string{
				"error leak: the same image in training and validation, in two classes: " +
					"train/cat/1.png (cat) = val/dog/a.png (dog) = val/dog/b.png (dog) = val/dog/c.png (dog) and " +
					"1 more",
			},
		},
		{
			name:    "copies as notes",
			files:   map[string][]byte{"val/cat/9.png": pngOf(t, 1)},
			options: func(o *Options) { o.Copies = CopiesNote },
			want:    []string{"note leak: the same image in training and validation: …"},
		},
		{
			name:    "copies are not looked for",
			files:   map[string][]byte{"val/cat/9.png": pngOf(t, 1), "train/cat/9.png": pngOf(t, 1)},
			options: func(o *Options) { o.Copies = CopiesOff },
		},
		{
			name: "broken, and copies of broken ones",
			files: map[string][]byte{
				"train/cat/8.png": []byte("x"),
				"val/cat/8.png":   []byte("x"),
				"train/dog/7.jpg": {},
			},
			links: map[string]string{"train/dog/9.png": "nowhere"},
			want: []string{"error broken: data: train/cat/8.png: …", "error broken: data: train/dog/7.jpg: …",
				"error broken: data: following a symbolic link: stat train/dog/9.png…",
				"error broken: data: val/cat/8.png: …",
			},
		},
		{
			name: "sizes",
			files: map[string][]byte{
				"train/cat/8.png": pngSized(t, 8, 9, 50),
				"val/cat/8.png":   pngSized(t, 9, 101, 100),
			},
			want: []string{"note tiny: train/cat/8.png is tiny: 9×50 pixels (width × height)",
				"note huge: val/cat/8.png is huge: 101×100 pixels (width × height); …"},
		},
		{
			name: "a class of validation alone, one without validation",
			files: map[string][]byte{
				"train/ant/1.png": pngOf(t, 21),
				"train/eel/1.png": pngOf(t, 22),
				"val/fox/1.png":   pngOf(t, 23),
			},
			want: []string{`error classes: class "fox" has images only in the validation part: it cannot be learned`,
				"note classes: 2 classes have no images in the validation part: their accuracy is not measured: " +
					"ant, eel"},
		},
		{
			name:     "one class",
			files:    map[string][]byte{"one/cat/1.png": pngOf(t, 21), "one/cat/2.png": pngOf(t, 22)},
			settings: []string{"data.train=one", "data.val=one"},
			options:  func(o *Options) { o.Copies = CopiesOff },
			want: []string{
				`error classes: data: all 2 training images are of one class, "cat", ` +
					`and a classifier needs two or more; …`,
			},
		},
		{
			name:  "one class, without labels",
			files: map[string][]byte{"one/cat/1.png": pngOf(t, 21), "one/cat/2.png": pngOf(t, 22)},
			settings: []string{
				"data.train=one", "data.val=one", "task=localmim", "model.name=vit", "data.image_size=224",
			},
			options: func(o *Options) { o.Copies = CopiesOff },
		},
		{
			name: "a list",
			files: map[string][]byte{
				"train.txt": []byte("train/cat/1.png 0\ntrain/dog/3.png 1\ntrain/cat/1.png 0\nnone.png 1\n"),
				"val.txt":   []byte("val/cat/4.png 0\nval/dog/5.png\n"),
			},
			settings: []string{"data.name=annotations"},
			options:  func(o *Options) { o.Copies = CopiesOff },
			want: []string{
				"error fault: data: val.txt:2: no label, which other lines have; …",
				"error broken: data: train.txt:4: there is no file none.png; …",
				"note classes: …", "note remark: train.txt: 1 of 4 lines list a file that an earlier line lists"},
		},
		{
			name:  "left out",
			files: map[string][]byte{"train/cat/x.xcf": {1}, "train/.DS_Store": {1}, "val/labels.csv": {1}},
			want: []string{
				"note left_out: training part: 1 file with another ending is left out: .xcf 1; " +
					"1 hidden file or folder is left out",
				"note left_out: validation part: 1 file with another ending is left out: .csv 1"},
		},
		{
			name:     "a fraction is held out: one list of what is left out",
			files:    map[string][]byte{"train/cat/x.xcf": {1}},
			settings: []string{"data.val_fraction=0.5", "data.val_seed=1"},
			want: []string{
				"note classes: …",
				"note remark: data.val_fraction holds the validation images out of the training part: val is not used",
				"note left_out: data set: 1 file with another ending is left out: .xcf 1",
			},
		},
		{
			name:     "nothing is held out",
			settings: []string{"data.val_fraction=1e-9", "data.val_split=hash"},
			want: []string{
				"error unopened: the training part cannot be opened: data.val_fraction: …",
				"note remark: data.val_fraction holds the validation images out of the training part: val is not used",
			},
		},
		{
			name:     "one part cannot be opened",
			files:    map[string][]byte{"val/cat/8.png": []byte("x")},
			settings: []string{"data.train=none"},
			want: []string{
				"error unopened: the training part cannot be opened: …",
				"error broken: data: val/cat/8.png: …",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string][]byte{}
			for _, m := range []map[string][]byte{good, c.files} {
				for name, content := range m {
					files[name] = content
				}
			}
			root := tree(t, files)
			for name, target := range c.links {
				if err := os.Symlink(target, filepath.Join(root, filepath.FromSlash(name))); err != nil {
					t.Skip(err)
				}
			}
			o := both
			if c.options != nil {
				c.options(&o)
			}
			wantLines(t, found(t, root, config(t, root, c.settings...), o), c.want)
		})
	}
}

// A pre-training has no labels: an image in two folders is only a repeat.
func TestPretrainingHasNoClasses(t *testing.T) {
	root := tree(t, map[string][]byte{
		"train/a/1.png": pngOf(t, 1),
		"train/b/1.png": pngOf(t, 1),
		"val/a/1.png":   pngOf(t, 2),
	})
	c := config(t, root)
	c.Task = "localmim"
	wantLines(t, found(t, root, c, both),
		[]string{"note repeat: the same image more than once: train/a/1.png = train/b/1.png"})
}

// Copies are found in every format of data sets.
func TestCopiesInEveryFormat(t *testing.T) {
	root := tree(t, map[string][]byte{
		"train/cat/1.png": pngOf(t, 1), "train/dog/2.png": pngOf(t, 2), "train/dog/3.png": pngOf(t, 3),
		"val/cat/4.png": pngOf(t, 4), "val/dog/5.png": pngOf(t, 2),
		"train.txt": []byte("train/cat/1.png 0\ntrain/dog/2.png 1\ntrain/dog/3.png 1\n"),
		"val.txt":   []byte("val/cat/4.png 0\nval/dog/5.png 1\n"),
	})
	folders := config(t, root)
	write := func(t *testing.T, dir string, form sets.PackForm) {
		for _, split := range both.Splits {
			ds, err := sets.Open(t.Context(), folders.Data, split == data.Train)
			if err == nil && form == "" {
				options := sets.ShardOptions{Name: string(split), PerShard: 2}
				err = sets.WriteShards(context.Background(), dir, ds, options)
			} else if err == nil {
				path := filepath.Join(dir, string(split)+".pack")
				_, err = sets.Pack(context.Background(), path, ds, sets.PackOptions{Form: form, Quality: 90})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	pixels := func(v int) []byte { return bytes.Repeat([]byte{byte(v), byte(2 * v), 7}, 1024) }
	for _, c := range []struct {
		name     string
		settings []string
		make     func(t *testing.T, dir string)
	}{
		{"annotations", []string{"data.name=annotations", "data.dir=" + root}, func(*testing.T, string) {}},
		{"shards", []string{"data.name=shards"}, func(t *testing.T, dir string) { write(t, dir, "") }},
		{"packed jpeg", []string{"data.name=packed"}, func(t *testing.T, dir string) { write(t, dir, sets.PackJPEG) }},
		{"packed pixels", []string{"data.name=packed"}, func(t *testing.T, dir string) {
			write(t, dir, sets.PackDecoded)
		}},
		{"idx", []string{"data.name=idx", "model.in_chans=1", "data.mean=[0.5]", "data.std=[0.5]"},
			func(t *testing.T, dir string) {
				for _, test := range []struct {
					part   string
					values []byte
				}{{"train", []byte{1, 2, 3}}, {"t10k", []byte{4, 2}}} {
					images := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 3}, uint32(len(test.values)))
					images = append(images, 0, 0, 0, 10, 0, 0, 0, 10)
					labels := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, uint32(len(test.values)))
					for _, v := range test.values {
						images = append(images, bytes.Repeat([]byte{v}, 100)...)
						labels = append(labels, v%2)
					}
					write := func(name string, content []byte) error {
						return os.WriteFile(filepath.Join(dir, name), content, 0o644)
					}
					if err := errors.Join(write(test.part+"-images-idx3-ubyte", images),
						write(test.part+"-labels-idx1-ubyte", labels)); err != nil {
						t.Fatal(err)
					}
				}
			}},
		{"cifar100", []string{"data.name=cifar100-coarse"}, func(t *testing.T, dir string) {
			for _, tt := range []struct {
				file   string
				values []int
			}{{"train.bin", []int{1, 2, 3}}, {"test.bin", []int{4, 2}}} {
				var b []byte
				for _, v := range tt.values {
					b = append(append(b, byte(v%2), 0), pixels(v)...)
				}
				if err := os.WriteFile(filepath.Join(dir, tt.file), b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, dir)
			r, err := Dataset(t.Context(), config(t, dir, c.settings...), both)
			if err != nil {
				t.Fatal(err)
			}
			if n := r.Counts(); r.Images != 5 || n.Leak != 1 || n.Conflict+n.Repeat+n.Broken != 0 {
				t.Errorf("%+v: %+v", n, r.Findings)
			}
		})
	}
}

func TestReport(t *testing.T) {
	r := &Report{Images: 9}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	for i := range 3 {
		r.add(Note, Tiny, fmt.Sprint("tiny ", i), "x")
		r.add(Error, Broken, fmt.Sprint("broken ", i), "x")
		r.add(Error, Leak, fmt.Sprint("leak ", i))
	}
	r.add(Error, Unopened, "the training part cannot be opened: gone")
	r.add(Note, LeftOut, "training part: 3 files", "a (ending)", "b (ending)", "c (hidden)")
	var b strings.Builder
	if err := r.Write(&b, 2); err != nil {
		t.Fatal(err)
	}
	want := `error: the training part cannot be opened: gone
error: broken 0
error: broken 1
error: broken 2
error: leak 0
error: leak 1
… and 1 more like these; --list 0 lists all
note: tiny 0
note: tiny 1
… and 1 more like these; --list 0 lists all
note: training part: 3 files
  a (ending)
  b (ending)
  … and 1 more; --list 0 lists all
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
	b.Reset()
	if err := r.Write(&b, 0); err != nil ||
		strings.Contains(b.String(), "more") ||
		!strings.Contains(b.String(), "  c (hidden)\n") {
		t.Errorf("all: %v\n%s", err, b.String())
	}
	if err := r.Err(); err == nil ||
		err.Error() != "1 part cannot be opened; 3 of 9 images are broken; 3 images are in training and validation" {
		t.Error(err)
	}
	n := r.Counts()
	if n != (Counts{Images: 9, Broken: 3, Faults: 1, Leak: 3, Tiny: 3, LeftOut: 3, Errors: 7, Notes: 4}) {
		t.Errorf("%+v", n)
	}
}
