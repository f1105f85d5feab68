package train

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/internal/ramdisk"
)

// A resumed run never validates on images that it was trained on: it cannot hold out another part, and the older
// rule, which moves images when files come or go, needs the same files.
func TestResumeHoldsOutTheSame(t *testing.T) {
	dir := t.TempDir()
	add := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		var b bytes.Buffer
		m := image.NewGray(image.Rect(0, 0, 32, 32))
		copy(m.Pix, name) // no image is a copy of another
		err := png.Encode(&b, m)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, b.Bytes(), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		add(fmt.Sprintf("train/cat/%d.png", i))
		add(fmt.Sprintf("train/dog/%d.png", i))
		add(fmt.Sprintf("val/cat/%d.png", i))
		add(fmt.Sprintf("val/dog/%d.png", i))
	}
	run := func(folder string, settings ...string) error {
		c := smallConfig(t, small["fasternet"], dir, append(
			[]string{"data.name=imagefolder", "data.val_fraction=0.3", "train.epochs=1", "sched.warmup_epochs=0"},
			settings...,
		)...)
		_, err := Run(context.Background(), c, Options{Dir: folder, Resume: true, Log: io.Discard})
		return err
	}
	grouped, shuffle := filepath.Join(ramdisk.Dir(t), "grouped"), filepath.Join(ramdisk.Dir(t), "shuffle")
	for _, c := range []struct {
		name, folder string
		settings     []string
		add          string
		want         string
	}{
		{"grouped", grouped, nil, "", ""},
		{"shuffle", shuffle, []string{"data.val_split=shuffle"}, "", ""},
		{"again", grouped, nil, "", ""},
		{
			"another fraction", grouped, []string{"data.val_fraction=0.4"}, "",
			"data.val_fraction is 0.4, but the run has 0.3: validation would use images that it has trained on; " +
				"continue with --set data.val_fraction=0.3",
		},
		{"another seed", grouped, []string{"data.val_seed=1"}, "", "data.val_seed is 1, but the run has 0"},
		{"grouped after shuffle", shuffle, nil, "", "data.val_split is grouped, but the run has shuffle"},
		{"shuffle again", shuffle, []string{"data.val_split=shuffle", "train.epochs=2"}, "", ""},
		{
			"shuffle with another file", shuffle,
			[]string{"data.val_split=shuffle", "train.epochs=3"},
			"train/cat/more.png", "the data set has changed from",
		},
		{"grouped with another file", grouped, []string{"train.epochs=2"}, "", ""},
		{"a part of its own", grouped, []string{"data.val_fraction=0", "train.epochs=3"}, "", ""},
		{"and back", grouped, []string{"train.epochs=3"}, "", "data.val_fraction is 0.3, but the run has 0"},
	} {
		if c.add != "" {
			add(c.add)
		}
		err := run(c.folder, c.settings...)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}

	// A note says if the weights may know images of the validation part.
	note := "note: these weights were trained on the same data set, with "
	for _, c := range []struct {
		name     string
		settings []string
		want     string
	}{
		{"the same", []string{"data.val_split=shuffle"}, ""},
		{
			"another rule", nil,
			note +
				"data.val_split shuffle (here grouped): they have seen some of the validation images, " +
				"so the accuracy looks too good; --set data.val_split=shuffle holds out the same",
		},
		{"another fraction", []string{"data.val_fraction=0.2"}, note + "data.val_fraction 0.3 (here 0.2)"},
		{"a part of its own", []string{"data.val_fraction=0"}, ""},
		{"another data set", []string{"data.train=val"}, ""},
	} {
		settings := append(
			[]string{
				"data.name=imagefolder", "data.val_fraction=0.3", "train.epochs=1", "sched.warmup_epochs=0",
				"from=" + shuffle,
			},
			c.settings...,
		)
		var log bytes.Buffer
		if _, err := Run(context.Background(), smallConfig(t, small["fasternet"], dir, settings...), Options{
			Dir: filepath.Join(ramdisk.Dir(t), "from"),
			Log: &log,
		}); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		said := strings.Contains(log.String(), note)
		if said != (c.want != "") || !strings.Contains(log.String(), c.want) {
			t.Errorf("from a run, %s: want %q\n%s", c.name, c.want, log.String())
		}
	}

	// The configuration of an older run has no data.val_split.
	path := filepath.Join(shuffle, ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := bytes.Replace(text, []byte("  val_split: shuffle\n"), nil, 1)
	if bytes.Equal(old, text) {
		t.Fatalf("no val_split in %s", text)
	}
	if err := os.WriteFile(path, old, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		settings []string
		want     string
	}{
		{"of before", nil, configs.ShuffleSplit},
		{"of before, said", []string{"data.val_split=hash"}, configs.HashSplit},
	} {
		got, err := Config(shuffle, c.settings...)
		if err != nil || got.Data.ValSplit != c.want {
			t.Errorf("%s: %+v, %v", c.name, got.Data, err)
		}
	}
}
