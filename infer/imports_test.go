package infer_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The package imports nothing for training, for the command line or for the network: a program that
// embeds a model gets only the code that computes and reads files.
func TestImports(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Fields(string(out))
	if !slices.ContainsFunc(all, func(p string) bool { return strings.HasSuffix(p, "/kernels") }) {
		t.Fatalf("the list is not the package's: %q", all)
	}
	for _, p := range all {
		for _, never := range []string{
			"/train", "/report", "/optim", "/cli", "/collective", "/eval", "/export", "/data/sets",
			"/internal/bench", "/formats/tensorboard",
			"progressbar", "spf13/cobra", "gonum.org/v1/plot", "prometheus", "net/http",
		} {
			// onnxgraph also reads ONNX, so it is allowed
			if strings.HasSuffix(p, never) ||
				strings.Contains(p, never+"/") && !strings.HasSuffix(p, "/export/onnxgraph") {
				t.Errorf("it depends on %s", p)
			}
		}
	}
}
