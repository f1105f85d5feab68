package kernels

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The assembly in the tree is what the generator writes.
func TestGeneratedCodeIsUpToDate(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the generator")
	}
	for _, isa := range []string{"AVX512", "AVX2", "BF16", "AMX", "NEON"} {
		dir := t.TempDir()
		name := "kernels_" + strings.ToLower(isa) + "_amd64"
		if isa == "NEON" {
			name = "kernels_neon_arm64"
		}
		cmd := exec.Command("go", "run", ".", "-isa", isa, "-pkg", "kernels",
			"-out", filepath.Join(dir, name+".s"), "-stubs", filepath.Join(dir, name+".go"))
		cmd.Dir = "gen"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, file := range []string{name + ".s", name + ".go"} {
			got, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(withoutHeader(got), withoutHeader(want)) {
				t.Errorf("%s is not what kernels/gen writes: run make generate", file)
			}
		}
	}
}

// withoutHeader drops the first line, which holds the command.
func withoutHeader(b []byte) []byte {
	_, rest, _ := bytes.Cut(b, []byte("\n"))
	return rest
}
