package audit

import (
	"fmt"
	"image"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func greyPNG(t *testing.T, v byte) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 12, 11))
	for i := range m.Pix {
		m.Pix[i] = v
	}
	var b strings.Builder
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}

func TestConfig(t *testing.T) {
	good := map[string][]byte{}
	for i := range 8 {
		good[fmt.Sprintf("train/cat/%d.png", i)] = pngOf(t, i)
		good[fmt.Sprintf("train/dog/%d.png", i)] = pngOf(t, 8+i)
		good[fmt.Sprintf("val/cat/%d.png", i)] = pngOf(t, 16+i)
		good[fmt.Sprintf("val/dog/%d.png", i)] = pngOf(t, 24+i)
	}
	grey := map[string][]byte{}
	for name := range good {
		grey[name] = greyPNG(t, byte(len(grey)))
	}
	grey1 := []string{"model.in_chans=1", "data.mean=[0.5]", "data.std=[0.5]"}
	for _, c := range []struct {
		name     string
		files    map[string][]byte
		links    map[string]string
		settings []string
		wrong    []string
		want     []string
	}{
		{name: "nothing wrong"},
		{name: "too few outputs", settings: []string{"model.num_classes=1"},
			want: []string{
				"error setting: model.num_classes: the data set has 2 classes, the model only 1; " +
					"0 takes the number of the data set",
			}},
		{name: "too many outputs", settings: []string{"model.num_classes=1000"},
			want: []string{
				"note setting: the model has 1000 classes (model.num_classes), the data set 2: " +
					"the outputs of the other 998 have…",
			}},
		{name: "as many outputs", settings: []string{"model.num_classes=2"}},
		{
			name:     "a key that is wrong already",
			settings: []string{"model.num_classes=1"},
			wrong:    []string{"model.num_classes"},
		},
		{name: "no batch", settings: []string{"train.batch_size=17"},
			want: []string{
				"error setting: train.batch_size 17 with 16 training images: data: " +
					"no batch of 17 can be made of 16 samples…",
			}},
		{name: "no batch of few images", settings: []string{"data.max_per_class=1"},
			want: []string{"error setting: train.batch_size 4 with 2 training images: …"}},
		{name: "images that are dropped", settings: []string{"train.batch_size=9"},
			want: []string{
				"note setting: train.batch_size: of 16 training images each epoch leaves out 7, " +
					"which do not fill a batch of 9…",
			}},
		{name: "more batches to an update than there are", settings: []string{"train.accum_steps=5"},
			want: []string{"note setting: train.accum_steps: 5 batches make an update, but an epoch has only 4…"}},
		{name: "statistics of more images than there are", settings: []string{"train.precise_bn=20"},
			want: []string{"note setting: train.precise_bn: wants 20 images, but there are only 16 training images"}},
		{name: "small images", settings: []string{"data.image_size=64"},
			want: []string{
				"note setting: data.image_size: half of the training images that were looked at " +
					"have at most 12×11 pixels (width × height), and are enlarged to 64",
			}},
		{name: "colours for one channel", settings: grey1,
			want: []string{
				"note setting: model.in_chans: 16 of 16 training images that were looked at have colours, " +
					"which a model with 1 channel does not see",
			}},
		{name: "grey for three channels", files: grey,
			want: []string{
				"note setting: model.in_chans: all 16 training images that were looked at are grey; " +
					"1 channel is enough",
			}},
		{name: "grey for one channel", files: grey, settings: grey1},
		{
			name:     "no folder is set",
			settings: []string{"data.dir="},
			want:     []string{"note not_there: data.dir is not set: no data set was looked at"},
		},
		{
			name:     "a folder of another machine",
			settings: []string{"data.dir=/none/here"},
			want:     []string{"note not_there: data.dir: there is no /none/here here: the data set was not looked at"},
		},
		{
			name:     "a folder that is wrong",
			settings: []string{"model.num_classes=1"},
			wrong:    []string{"data"},
			want:     []string{"note not_there: data is wrong: the data set was not looked at"},
		},
		{name: "nothing is held out", settings: []string{"data.val_fraction=1e-9", "data.val_split=hash"},
			want: []string{
				"error unopened: the training part cannot be opened: data.val_fraction: …",
				"note remark: data.val_fraction holds the validation images out of the training part: val is not used",
			}},
		{name: "one part is not there", settings: []string{"data.val=none", "model.num_classes=1"},
			want: []string{
				"error unopened: the validation part cannot be opened: …",
				"error setting: model.num_classes: …",
			}},
		{
			name: "all at once",
			files: map[string][]byte{
				"train/cat/8.png": []byte("x"),
				"train/cat/z.xyz": {1},
				"train/dog/8.png": pngOf(t, 40),
				"train/dog/9.png": pngOf(t, 41),
			},
			links:    map[string]string{"train/dog/up": ".."},
			settings: []string{"model.num_classes=1", "train.batch_size=40"},
			want: []string{"error fault: data: train/dog/up: this symbolic link leads back…",
				"error broken: data: train/cat/8.png: …",
				"error setting: model.num_classes: …",
				"error setting: train.batch_size 40 with 19 training images…",
				"note left_out: training part: 1 file with another ending is left out: .xyz 1",
			},
		},
		{
			name:     "images that are skipped",
			files:    map[string][]byte{"train/cat/0.png": []byte("x")},
			settings: []string{"data.on_bad_image=skip"},
			want:     []string{"note broken: data: train/cat/0.png: …"},
		},
		{
			name: "broken links",
			links: map[string]string{
				"train/cat/l.png": "nowhere",
				"train/dog/l.png": "nowhere",
				"train/dog/m.png": "nowhere",
			},
			settings: []string{"train.batch_size=19"},
			want: []string{
				"error broken: data: following a symbolic link: stat train/cat/l.png: " +
					"no such file or directory (and 2 more images are missing; data verify lists all)",
			},
		},
		{
			name:     "broken links that are skipped",
			links:    map[string]string{"train/cat/l.png": "nowhere"},
			settings: []string{"data.on_bad_image=skip"},
			want:     []string{"note broken: data: following a symbolic link: …"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := maps.Clone(good)
			maps.Copy(files, c.files)
			root := tree(t, files)
			for name, target := range c.links {
				if err := os.Symlink(target, filepath.Join(root, filepath.FromSlash(name))); err != nil {
					t.Skip(err)
				}
			}
			common := []string{"data.image_size=16", "train.batch_size=4", "model.depths=[1, 1]"}
			settings := slices.Concat(common, c.settings)
			r := Config(t.Context(), config(t, root, settings...), func(key string) bool {
				for _, w := range c.wrong {
					if key == w || strings.HasPrefix(key, w+".") {
						return true
					}
				}
				return false
			})
			var lines []string
			for _, f := range r.Findings {
				text := strings.ReplaceAll(f.Text, root+string(filepath.Separator), "")
				lines = append(lines, fmt.Sprintf("%s %s: %s", f.Level, f.Kind, filepath.ToSlash(text)))
			}
			wantLines(t, lines, c.want)
		})
	}
}
