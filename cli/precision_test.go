package cli

import (
	"strings"
	"testing"

	"fasternet/kernels"
)

// withBF16 makes the program emulate bf16 if the processor has none.
func withBF16(t *testing.T) {
	if kernels.Default().BF16() == "" {
		t.Logf("emulated: %v", kernels.Default().BF16Refusals())
		t.Setenv(kernels.BF16Variable, string(kernels.BF16Go))
	}
}

// A run in bf16 resumes to the same bits with another number of threads, and its checkpoint is like any other.
func TestBF16Run(t *testing.T) {
	withBF16(t)
	data := fashion(t, 200, 50)
	whole, args := tinyRun(t, data)
	want := succeed(t, append(args, "--set", "precision=bf16", "--set", "threads=1")...)
	dir, args := tinyRun(t, data)
	args = append(args, "--set", "precision=bf16", "--set", "threads=2")
	cmd := command(args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForStep(t, dir, 32)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := succeed(t, append(args, "--resume")...); got["top1"] != want["top1"] || got["loss"] != want["loss"] {
		t.Errorf("resumed: %v, want %v", got, want)
	}
	sameWeights(t, readLast(t, dir), readLast(t, whole))
	full, dir2 := want["top1"].(float64), ""
	for _, precision := range []string{"fp32", "bf16", "auto"} {
		got := succeed(t, "eval", "--model", whole, "--data", data, "--precision", precision)
		if d := got["top1"].(float64) - full; d < -5 || d > 5 {
			t.Errorf("eval in %s: %v, in training %v", precision, got["top1"], full)
		}
		// A run continues in another precision.
		if dir2, args = tinyRun(t, data); precision != "bf16" {
			succeed(t, append(args, "--set", "precision="+precision, "--set", "train.epochs=1",
				"--set", "from="+whole)...)
			succeed(t, append(args, "--set", "precision=bf16", "--set", "train.epochs=2", "--resume")...)
			if got := readLast(t, dir2).Meta["progress"]; !strings.Contains(got, "2") {
				t.Errorf("progress %s", got)
			}
		}
	}
}

func TestPrecisionRefused(t *testing.T) {
	t.Setenv(kernels.BF16Variable, "off")
	data := fashion(t, 200, 50)
	_, args := tinyRun(t, data)
	fail(t, 1, "there is no bf16 here", append(args, "--set", "precision=bf16")...)
	fail(t, 2, `precision: want fp32 or bf16 or auto, got "fp16"`, append(args, "--set", "precision=fp16")...)
	if got := succeed(t, append(args, "--set", "precision=auto", "--set", "train.epochs=1")...); got["top1"] == nil {
		t.Errorf("auto without bf16: %v", got)
	}
	fail(t, 1, "there is no bf16 here", "bench", "fasternet_t0", "--size", "32", "--batch", "1", "--precision", "bf16")
	if r := invoke(t, "version"); !strings.Contains(r.stdout, "bf16: none (") {
		t.Errorf("version says %s", r.stdout)
	}
}

func TestBenchPrecision(t *testing.T) {
	t.Setenv(kernels.BF16Variable, string(kernels.BF16Go))
	r := succeed(t, "bench", "quickstart", "--batch", "1", "--warmup", "0", "--iterations", "1", "--json",
		"--precision", "bf16")
	if r["precision"] != "bf16" || r["bf16_path"] != "go" {
		t.Errorf("bench says %v, %v", r["precision"], r["bf16_path"])
	}
	r = succeed(t, "bench", "quickstart", "--batch", "1", "--warmup", "0", "--iterations", "1", "--json",
		"--precision", "auto")
	if r["precision"] != "fp32" || r["bf16_path"] != nil { // an emulation is not faster
		t.Errorf("bench says %v, %v", r["precision"], r["bf16_path"])
	}
}

// The steps run in the requested precision: the option overrides the configuration. A processor without bf16
// gives an error before anything is timed.
func TestBenchDataPrecision(t *testing.T) {
	data := fashion(t, 64, 20)
	args := func(more ...string) []string {
		return append([]string{
			"bench", "data", "quickstart", "--data", data, "--images", "0", "--rounds", "1", "--seconds", "0.01",
			"--json",
			"--set", "train.batch_size=8", "--set", "model.embed_dim=8", "--set", "model.depths=[1, 1]",
		}, more...)
	}
	t.Setenv(kernels.BF16Variable, string(kernels.BF16Go))
	for _, c := range []struct {
		more       []string
		want, path any
	}{
		{nil, "fp32", nil},
		{[]string{"--precision", "bf16"}, "bf16", "go"},
		{[]string{"--set", "precision=bf16"}, "bf16", "go"},
		{[]string{"--set", "precision=bf16", "--precision", "fp32"}, "fp32", nil},
	} {
		r := succeed(t, args(c.more...)...)
		if r["precision"] != c.want || r["bf16_path"] != c.path || r["fed_img_per_s"] == nil {
			t.Errorf("bench data %v: %v, want precision %v by %v", c.more, r, c.want, c.path)
		}
	}
	t.Setenv(kernels.BF16Variable, "off")
	fail(t, 1, "there is no bf16 here", args("--precision", "bf16", "--images", "5")...)
	fail(t, 1, "there is no bf16 here", args("--set", "precision=bf16")...)
	fail(t, 2, `--precision: want fp32, bf16, auto, got "fp16"`, args("--precision", "fp16")...)
	fail(t, 2, `--precision: want fp32, bf16, auto, got "fp16"`, "bench", "quickstart", "--precision", "fp16")
}

// eval computes in the precision of --precision or --set, whatever the run was trained in.
func TestEvalPrecision(t *testing.T) {
	withBF16(t)
	data := fashion(t, 64, 20)
	dir, args := tinyRun(t, data)
	succeed(t, append(args, "--set", "precision=bf16", "--set", "train.epochs=1", "--set", "train.batch_size=16")...)
	for _, c := range []struct {
		more []string
		want string
		not  string
	}{
		{nil, "kernels\n", "bf16"},
		{[]string{"--precision", "bf16"}, "kernels, bf16 (", ""},
		{[]string{"--set", "precision=bf16"}, "kernels, bf16 (", ""},
		{[]string{"--set", "precision=bf16", "--precision", "fp32"}, "kernels\n", "bf16"},
	} {
		r := invoke(t, append([]string{"eval", "--model", dir, "--data", data}, c.more...)...)
		if r.code != 0 || !strings.Contains(r.stderr, c.want) || c.not != "" && strings.Contains(r.stderr, c.not) {
			t.Errorf("eval %v: exit code %d, %s", c.more, r.code, r.stderr)
		}
	}
}
