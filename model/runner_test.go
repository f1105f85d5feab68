package model_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fasternet/configs"
	"fasternet/kernels"
	"fasternet/model"
)

// A runner has the precision of its configuration. An unknown precision is an error, not fp32.
func TestRunnerPrecision(t *testing.T) {
	pool := kernels.NewPool(1)
	defer pool.Close()
	for _, preset := range []string{"quickstart", "mim_quickstart"} {
		c, err := configs.Load(preset)
		if err != nil {
			t.Fatal(err)
		}
		made := func(c *configs.Config) (kernels.Precision, error) {
			if preset == "mim_quickstart" {
				r, err := model.NewMIMRunner(c, nil, pool)
				return r.Precision, err
			}
			r, err := model.NewRunner(c, nil, pool)
			return r.Precision, err
		}
		for _, precision := range configs.Precisions {
			want, wantErr := pool.Kernels().ParsePrecision(precision)
			if got, err := made(c.In(precision)); got != want || (err != nil) != (wantErr != nil) {
				t.Errorf("%s in %s: %v, %v", preset, precision, got, err)
			}
		}
		if _, err := made(c.In("fp16")); err == nil {
			t.Errorf("%s: fp16 is accepted", preset)
		}
		if c.Precision != "fp32" {
			t.Errorf("the configuration was changed to %s", c.Precision)
		}
	}
}

// Commands use model.NewRunner. A runner of their own would always be in fp32.
func TestRunnersAreMadeInOnePlace(t *testing.T) {
	byHand := regexp.MustCompile(`(graph|localmim)\.NewRunner\(|(graph|localmim)\.Runner\{`)
	found := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if n := len(byHand.FindAll(text, -1)); n > 0 {
			if found += n; filepath.Base(path) != "runner.go" || filepath.Dir(path) != filepath.Join("..", "model") {
				t.Errorf("%s makes a runner: want model.NewRunner, or train.NewRunner to train", path)
			}
		}
		return err
	})
	if err != nil || found != 2 {
		t.Errorf("found %d, %v", found, err)
	}
}
