package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fasternet/kernels"
)

func TestSummary(t *testing.T) {
	r := invoke(t, "summary", "fasternet_t0")
	for _, want := range []string{
		"3905500", "3900660", "335422720", "338041280", "1970120", "stages.6.blocks.1", "320×7×7",
		"1.97 M activations",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %s in\n%s", want, r.stdout)
		}
	}
	layer := func(args ...string) string {
		for _, line := range strings.Split(
			invoke(t, append([]string{"summary", "fasternet_t0"}, args...)...).stdout,
			"\n",
		) {
			if f := strings.Fields(line); len(f) > 0 && f[0] == "patch_embed" {
				return strings.Join(f[1:], " ")
			}
		}
		return ""
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"40×56×56 2000 6.021 6.272 125440", nil},
		{"40×56×56 1960 6.021 6.021 125440", []string{"--folded"}},
		{"40×48×48 2000 4.424 4.608 92160", []string{"--size", "192"}},
		{"20×56×56 1000 3.011 3.136 62720", []string{"--set", "model.embed_dim=20"}},
	} {
		t.Run(c.want, func(t *testing.T) {
			if got := layer(c.args...); got != c.want {
				t.Errorf("%v: patch_embed is %q, want %q", c.args, got, c.want)
			}
		})
	}
}

func TestSummaryJSON(t *testing.T) {
	v := succeed(t, "summary", "fasternet_t0", "--folded", "--json")
	total, folded := v["total"].(map[string]any), v["total_folded"].(map[string]any)
	for _, c := range []struct {
		got  any
		want float64
	}{
		{total["parameters"], 3905500}, {total["macs"], 335422720}, {total["macs_with_norms"], 338041280},
		{total["activations"], 1970120},
		{folded["parameters"], 3900660}, {folded["macs"], 335422720}, {folded["macs_with_norms"], 335438400},
		{folded["activations"], 1970120},
	} {
		if c.got != c.want {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	parameters := 0.0
	layers := v["layers"].([]any)
	for _, l := range layers {
		parameters += l.(map[string]any)["parameters"].(float64)
	}
	first := layers[0].(map[string]any)
	if parameters != 3900660 || fmt.Sprint(first["shape"]) != "[40 56 56]" || v["folded"] != true {
		t.Errorf("%v parameters in the layers; %v", parameters, first)
	}
}

// Checkpoints and folders of runs are models too.
func TestMeasureCheckpoint(t *testing.T) {
	dir, args := tinyRun(t, fashion(t, 40, 10))
	succeed(t, append(args, "--set", "train.epochs=1")...)
	want := succeed(t, "summary", args[1], "--set", "model.num_classes=10", "--json")
	for _, path := range []string{dir, filepath.Join(dir, "checkpoints", "last.safetensors")} {
		if got := succeed(t, "summary", path, "--json"); fmt.Sprint(got["layers"]) != fmt.Sprint(want["layers"]) {
			t.Errorf("%s: got %v, want %v", path, got["layers"], want["layers"])
		}
	}
	v := succeed(t, "bench", dir, "--batch", "2", "--iterations", "3", "--json")
	if v["runs"] != 3.0 || v["size"] != 32.0 {
		t.Errorf("got %v", v)
	}
	fail(t, 2, "--set", "summary", dir, "--set", "model.embed_dim=16")
	fail(t, 1, "holds no checkpoint", "summary", t.TempDir())
	bad := filepath.Join(t.TempDir(), "bad.safetensors")
	writeFile(t, bad, []byte("nothing of the kind"))
	fail(t, 1, "damaged checkpoint", "bench", bad)
	fail(t, 2, "did you mean quickstart?", "summary", "quickstrat")
}

func TestBench(t *testing.T) {
	for _, mode := range []string{"--train", "--infer"} {
		v := succeed(t, "bench", "quickstart", mode, "--batch", "4", "--threads", "1", "--size", "32",
			"--seconds", "0.1", "--warmup", "1", "--json", "--profile")
		for _, key := range []string{
			"img_per_s", "median_ms", "mean_ms", "p10_ms", "p90_ms", "gflops", "peak_rss_mib",
		} {
			if n, ok := v[key].(float64); !ok || n <= 0 {
				t.Errorf("%s: %s is %v", mode, key, v[key])
			}
		}
		if _, ok := v["bn_folded"].(bool); !ok ||
			"--"+v["mode"].(string) != mode ||
			v["batch"] != 4.0 ||
			v["threads"] != 1.0 ||
			len(v["profile"].([]any)) < 10 {
			t.Errorf("%s: got %v", mode, v)
		}
		if sums := v["profile_sums"].(map[string]any); len(sums["parts"].([]any)) < 5 || sums["run_ms"].(float64) <= 0 {
			t.Errorf("%s: parts of all operations: %v", mode, sums)
		}
	}
	r := invoke(t, "bench", "quickstart", "--seconds", "0.1", "--batch", "2", "--threads", "2", "--profile")
	for _, want := range []string{
		"img/s", "mean ", "GFLOPS", "peak memory", "share", "of peak", "between the operations", "waiting",
		"product 48→96", "parallel regions", "peak of 2 threads: fp32 ",
	} {
		if r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("no %q: %+v", want, r)
		}
	}
	v := succeed(t, "bench", "quickstart", "--protocol", "paper", "--json")
	if v["mode"] != "infer" || v["batch"] != 1.0 || v["threads"] != 1.0 || v["warmup"] != 10.0 || v["runs"] != 200.0 {
		t.Errorf("protocol paper: got %v", v)
	}
}

func TestBenchThreads(t *testing.T) {
	most := float64(max(16, 2*runtime.NumCPU())) // more than there are
	args := []string{
		"bench", "threads", "quickstart", "--batch", "2", "--seconds", "0.05", "--warmup", "1", "--predict",
		fmt.Sprint("5,", most),
	}
	r := invoke(t, args...)
	for _, want := range []string{
		"quickstart infer, 32×32 px, batch 2", "measured ms", "lost most to",
		fmt.Sprintf("where %v threads lose the most time", most), "FasterNetBlock", "1 of 1", "barrier: 0.0 µs with 1",
		"unknown for more (--bandwidth)",
	} {
		if r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("no %q: %+v", want, r)
		}
	}
	v := succeed(t, append(args, "--train", "--threads", "1", "--bandwidth", "100", "--json")...)
	rows := v["threads"].([]any)
	first, last := rows[0].(map[string]any), rows[len(rows)-1].(map[string]any)
	if len(rows) != 3 ||
		first["threads"] != 1.0 ||
		first["measured_ms"].(float64) <= 0 ||
		last["threads"] != most ||
		last["measured_ms"] != nil ||
		v["given_gb_per_s"] != 100.0 ||
		v["mode"] != "train" {
		t.Errorf("got %v", v)
	}
	fail(t, 2, "--threads: 1000 cannot be timed", append(args, "--threads", "1000")...)
	fail(t, 2, "--predict: want 1 to 1024 threads, got 0", append(args, "--predict", "0")...)
	fail(t, 2, "--bandwidth: want 0 or more GB/s, got -1", append(args, "--bandwidth", "-1")...)
	fail(t, 2, "--batch: want 1 or more", append(args, "--batch", "0")...)
}

func TestBenchPConv(t *testing.T) {
	args := []string{
		"bench", "pconv", "--operators", "dwconv,pconv", "--iterations", "2", "--warmup", "1", "--batch", "2",
	}
	r := invoke(t, args...)
	for _, want := range []string{
		"dwconv   96×56²       27.10     6.03", "pconv    768×7²      162.57     3.51",
		"FLOPS of pconv over dwconv: ",
	} {
		if r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("no %q: %+v", want, r)
		}
	}
	v := succeed(t, append(args, "--threads", "1", "--json")...)
	rows, ratios := v["rows"].([]any), v["ratios"].([]any)
	if len(rows) != 8 || len(ratios) != 1 || v["threads"] != 1.0 || v["batch"] != 2.0 || v["layers"] != 10.0 {
		t.Fatalf("got %v", v)
	}
	for _, key := range []string{
		"latency_ms", "p10_ms", "p90_ms", "latency_gflops", "img_per_s", "throughput_gflops", "memory_mvalues",
		"channels", "side",
	} {
		if n, ok := rows[7].(map[string]any)[key].(float64); !ok || n <= 0 {
			t.Errorf("%s is %v", key, rows[7])
		}
	}
}

func TestBenchPeak(t *testing.T) {
	r := invoke(t, "bench", "peak", "--threads", "2")
	for _, want := range []string{"format", "1 thread", "2 threads", "GFLOPS", "GB/s", "arrays of", "fp32", "triad"} {
		if r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("no %q: %+v", want, r)
		}
	}
	for _, format := range []string{"bf16", "int8"} { // measured, or with the reason why not
		if !strings.Contains(r.stdout, format) {
			t.Errorf("nothing about %s: %s", format, r.stdout)
		}
	}
	v := succeed(t, "bench", "peak", "--threads", "1", "--json")
	if v["threads"] != 1.0 || len(v["products"].([]any)) < 8 || len(v["memory"].([]any)) != 3 {
		t.Errorf("got %v", v)
	}
	fail(t, 2, "--threads", "bench", "peak", "--threads", "-1")
	fail(t, 2, "want no argument", "bench", "peak", "quickstart")
}

func TestBenchReport(t *testing.T) {
	r := invoke(t, "bench", "report", "quickstart", "--seconds", "1", "--threads", "2")
	for _, want := range []string{
		"--- fasternet-train bench report ---\n",
		"command      fasternet-train bench report --threads 2 --seconds 1 quickstart\n", "\nversion ",
		"\nsystem       " + runtime.GOOS + "/" + runtime.GOARCH + ", ",
		"\nprocessor    " + kernels.CPU(), "\nthreads      2 on ", "\nmemory ",
		"\nkernels      " + string(kernels.Default().Variant()) + " (available: ", "GFLOPS", "triad",
		"\nquickstart\n",
		"infer, again      1        1       fp32 ", "\n--- end of the report ---\n",
	} {
		if r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("no %q: %+v", want, r)
		}
	}
	if !strings.Contains(r.stderr, "bench report: 2 of ") {
		t.Errorf("no progress: %s", r.stderr)
	}
	// A machine may have the name of a thing that the report is about, such as quickstart.
	host, err := os.Hostname()
	if err == nil && strings.ContainsAny(host, "0123456789") && len(host) > 7 && strings.Contains(r.stdout, host) {
		t.Errorf("the report names the machine:\n%s", r.stdout)
	}
	v := succeed(t, "bench", "report", "quickstart", "--seconds", "0.5", "--threads", "1", "--json")
	if len(v["timings"].([]any)) < 4 ||
		v["command"] != "fasternet-train bench report --threads 1 --seconds 0.5 quickstart" ||
		v["peak"] == nil {
		t.Errorf("got %v", v)
	}
	fail(t, 2, "--seconds: want more than 0, got 0", "bench", "report", "--seconds", "0")
	fail(t, 2, "--threads: want 0 or more", "bench", "report", "--threads", "-1")
	fail(t, 2, "did you mean quickstart?", "bench", "report", "quickstrat")
}

func TestBadMeasurements(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{`--protocol: want throughput or paper, got "imagenet"`, []string{"quickstart", "--protocol", "imagenet"}},
		{"leave out --batch", []string{"quickstart", "--protocol", "paper", "--batch", "8"}},
		{"leave out --train", []string{"quickstart", "--protocol", "paper", "--train"}},
		{"--iterations: want 0 or more, got -5", []string{"quickstart", "--iterations", "-5"}},
		{"--batch: want 1 or more, got 0", []string{"quickstart", "--batch", "0"}},
		{"--threads: want 0 or more, got -1", []string{"quickstart", "--threads", "-1"}},
		{"--warmup: want 0 or more, got -1", []string{"quickstart", "--warmup", "-1"}},
		{"--size: want 0 or more, got -32", []string{"quickstart", "--size", "-32"}},
		{"--seconds: want 0 or more, got NaN", []string{"quickstart", "--seconds", "NaN"}},
		{"[iterations seconds]", []string{"quickstart", "--iterations", "5", "--seconds", "2"}},
		{"[infer train]", []string{"quickstart", "--infer", "--train"}},
		{`--operators: operator "sconv": want some of`, []string{"pconv", "--operators", "conv,sconv"}},
		{"--batch and --iterations: want 1 or more", []string{"pconv", "--iterations", "0"}},
		{"want no argument, got 1: fasternet_t0", []string{"pconv", "fasternet_t0"}},
		{"no preset is called \"fasternet_t7\", did you mean fastern", []string{"fasternet_t7"}},
	} {
		t.Run(c.want, func(t *testing.T) {
			fail(t, 2, c.want, append([]string{"bench"}, c.args...)...)
		})
	}
	fail(t, 2, "unknown flag", "summary", "quickstart", "--depth", "2")
}
