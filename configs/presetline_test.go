package configs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/configs"
)

// An error about a preset's value shows the line of the user's file that is involved.
func TestPresetErrorsShowTheUsersLine(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
		settings         []string
	}{
		{
			"another key", "base: fasternet_t0\nmodel:\n  in_chans: 1\n",
			"PATH:3: data.mean: want 1 number(s), one per channel (model.in_chans), " +
				"got 3 (model.in_chans is set here; " +
				"data.mean is ",
			nil,
		},
		{
			"task", "task: localmim\nbase: vit_tiny\n",
			"PATH:1: augment.mixup: pre-training has no labels to mix: want 0, got 0.8 (task is set here; " +
				"augment.mixup is from configs/vit_tiny.yaml:",
			nil,
		},
		{
			"default",
			"train:\n  batch_size: 7\naugment:\n  mixup: 0.5\n",
			"PATH:2: train.batch_size: want an even number",
			nil,
		},
		{
			"a setting", "base: fasternet_t0\n",
			"--set train.epochs=3: sched.warmup_epochs: want no more than train.epochs (3), " +
				"got 20 (train.epochs is set here; sched.warmup_epochs is from configs/fasternet_t0.yaml:",
			[]string{"train.epochs=3"},
		},
		{"a chain of files", "base: OTHER\nmodel:\n  in_chans: 1\n", "PATH:3: data.mean: want 1 number(s)", nil},
		{
			"the key itself", "base: fasternet_t0\ntrain: {epochs: 0}\n",
			"PATH:2: train.epochs: want 1 or more, got 0", nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path, other := filepath.Join(dir, "my.yaml"), filepath.Join(dir, "other.yaml")
			for file, text := range map[string]string{
				path:  strings.ReplaceAll(tt.text, "OTHER", other),
				other: "base: fasternet_t0\n",
			} {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			e := configs.Examine(path, tt.settings...)
			if len(e.Problems) == 0 {
				t.Fatal("no problem was found")
			}
			for _, p := range e.Problems {
				if strings.HasPrefix(p.Error(), "configs/") {
					t.Errorf("the error shows no line of the file: %v", p)
				}
			}
			got := e.Problems[0].Error()
			if want := strings.ReplaceAll(tt.want, "PATH", path); !strings.HasPrefix(got, want) {
				t.Errorf("got  %s\nwant %s…", got, want)
			}
		})
	}
}

// If a key is in the wrong section, the error proposes the right one.
func TestKeysOfOtherSections(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no section", "lr: 0.1\n", "lr: unknown key, did you mean optim.lr?"},
		{"wrong section", "train: {lr: 0.1}\n", "train.lr: unknown key, did you mean optim.lr?"},
		{"misspelt in its section", "train: {epoch: 3}\n", "train.epoch: unknown key, did you mean epochs?"},

		{"misspelt without a section", "batchsize: 3\n", "batchsize: unknown key, did you mean train.batch_size?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := configs.Parse("x", tt.text)
			if err == nil || !strings.HasSuffix(strings.SplitN(err.Error(), " (and", 2)[0], tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
