package model_test

import (
	"path/filepath"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/model"
)

// Threads and loader workers come from settings, never from a file of weights.
func TestMachineOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "from-elsewhere.safetensors")
	save(t, path, small(t, "threads=512", "data.workers=900", "data.prefetch=700"))
	c := mustLoad(t, path).Config
	if c.Threads != 0 || c.Data.Workers != 0 || c.Data.Prefetch != 2 {
		t.Errorf("%d threads, %d workers, %d batches ahead", c.Threads, c.Data.Workers, c.Data.Prefetch)
	}
	l, err := model.Open(path, model.LoadOptions{Settings: []string{"threads=3", "data.workers=4"}})
	if err != nil {
		t.Fatal(err)
	}
	if l.Config.Threads != 3 || l.Config.Data.Workers != 4 {
		t.Errorf("settings: %d threads, %d workers", l.Config.Threads, l.Config.Data.Workers)
	}
}

// The limits apply to a file's description before the model is made.
func TestLimitsOfAFile(t *testing.T) {
	for _, c := range []struct{ name, key, value, want string }{
		{
			"blocks", model.ConfigKey, "model:\n  depths: [1, 1000000000]\n",
			"config in the checkpoint:2: model.depths: want 1024 or less, got 1000000000",
		},
		{
			"workers", model.ConfigKey, "data:\n  workers: 1000000000\n",
			"config in the checkpoint:2: data.workers: want 1024 or less",
		},
		{"threads", model.ConfigKey, "threads: 1025\n", "config in the checkpoint:1: threads: want 1024 or less"},
		{
			"batch", model.ConfigKey, "train:\n  val_batch_size: 100000\n",
			"config in the checkpoint:2: train.val_batch_size: want 65536 or less",
		},
		{
			"classes", model.ClassesKey, `["a"` + strings.Repeat(`,"a"`, 1<<20) + "]",
			"its class names: want 1048576 or fewer, got 1048577",
		},
	} {
		f := &checkpoints.File{
			Meta: map[string]string{
				model.FormatKey:  model.CheckpointFormat,
				model.ConfigKey:  "",
				model.ClassesKey: "[]",
			},
		}
		f.Meta[c.key] = c.value
		if _, _, err := model.Describe(f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
