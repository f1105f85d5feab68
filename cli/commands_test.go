package cli

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"train"},
		{"eval"},
		{"predict"},
		{"features"},
		{"convert"},
		{"export"},
		{"verify"},
		{"summary"},
		{"bench"},
		{"bench", "pconv"},
		{"bench", "peak"},
		{"config"},
		{"config", "list"},
		{"config", "show"},
		{"config", "check"},
		{"config", "schedule"},
		{"lr-find"},
		{"data"},
		{"data", "fetch"},
		{"data", "info"},
		{"version"},
	} {
		r := invoke(t, append(args, "--help")...)
		if r.code != 0 ||
			!strings.Contains(r.stdout, "Examples:") ||
			!strings.Contains(r.stdout, "  fasternet-train "+strings.Join(args, " ")) {
			t.Errorf("%v --help: exit code %d\n%s%s", args, r.code, r.stdout, r.stderr)
		}
	}
	if r := invoke(t, "--help"); !strings.Contains(r.stdout, "130 and 143") {
		t.Error("the exit codes are not in the help")
	}
}

func TestVersion(t *testing.T) {
	r := invoke(t, "version")
	if r.code != 0 || !strings.Contains(r.stdout, "kernels: ") || !strings.Contains(r.stdout, runtime.GOARCH) {
		t.Errorf("got %+v", r)
	}
	cmd := command("version")
	cmd.Env = append(cmd.Env, "FASTERNET_KERNELS=go")
	if r := finish(t, cmd); !strings.Contains(r.stdout, "kernels: go ") {
		t.Errorf("a forced variant: %+v", r)
	}
	cmd = command("version")
	cmd.Env = append(cmd.Env, "FASTERNET_KERNELS=sse9")
	if r := finish(t, cmd); r.code != 2 || !strings.Contains(r.stderr, "sse9") {
		t.Errorf("a variant that does not exist: %+v", r)
	}
}

func TestConfigCommands(t *testing.T) {
	t.Parallel()
	r := invoke(t, "config", "list")
	for _, name := range []string{
		"fasternet_t0", "fasternet_t1", "fasternet_t2", "fasternet_s", "fasternet_m", "fasternet_l",
		"quickstart",
	} {
		if !strings.Contains(r.stdout, name) {
			t.Errorf("config list has no %s", name)
		}
		// The output of show can be read again, with the same meaning.
		shown := invoke(t, "config", "show", name)
		path := filepath.Join(t.TempDir(), "shown.yaml")
		writeFile(t, path, []byte(shown.stdout))
		if again := invoke(t, "config", "show", path); shown.code != 0 || again.stdout != shown.stdout {
			t.Errorf("%s: shown\n%s\nread and shown again\n%s%s", name, shown.stdout, again.stdout, again.stderr)
		}
		if r := invoke(t, "config", "check", name); r.code != 0 {
			t.Errorf("config check %s: %+v", name, r)
		}
	}
	longer := invoke(t, "config", "show", "fasternet_t0", "--set", "train.epochs=70")
	if !strings.Contains(longer.stdout, "epochs: 70") {
		t.Errorf("a setting has no effect: %s", longer.stdout)
	}
	if r := invoke(t, "config", "show", "quickstart", "--source"); !strings.HasPrefix(r.stdout, "# ") {
		t.Errorf("the source: %+v", r)
	}
	if r := invoke(t, "config", "show", "quickstart", "--plain"); strings.Contains(r.stdout, "#") {
		t.Errorf("without comments: %s", r.stdout)
	}
	// The schedule of the paper, and a drawing of it.
	svg := filepath.Join(t.TempDir(), "schedule.svg")
	r = invoke(t, "config", "schedule", "fasternet_t0", "--every", "100", "--out", svg)
	lines := strings.Split(r.stdout, "\n")
	if r.code != 0 ||
		len(lines) != 6 ||
		strings.Join(strings.Fields(lines[4]), " ") != "300 1.0126e-05 1.0126e-05 224" {
		t.Errorf("config schedule: %+v", r)
	}
	if _, err := os.Stat(svg); err != nil {
		t.Error(err)
	}
	fail(t, 2, "--steps and --every", "config", "schedule", "quickstart", "--steps", "0")
	// A file may start from a preset.
	path := filepath.Join(t.TempDir(), "mine.yaml")
	writeFile(t, path, []byte("base: fasternet_s\ntrain: {epochs: 3}\nsched: {warmup_epochs: 1}\n"))
	if r := invoke(t, "config", "show", path); !strings.Contains(r.stdout, "embed_dim: 128") ||
		!strings.Contains(r.stdout, "epochs: 3") {
		t.Errorf("base: %+v", r)
	}
}

func TestDataFetch(t *testing.T) {
	fail(t, 2, "invalid argument", "data", "fetch", "imagenet")
	// --out needs a new file.
	path := filepath.Join(t.TempDir(), "file")
	writeFile(t, path, nil)
	fail(t, 1, path, "data", "fetch", "fashion-mnist", "--dir", path)
	r := invoke(t, "data", "info", "fashion-mnist", "--data", fashion(t, 50, 20))
	if r.code != 0 ||
		!strings.Contains(r.stdout, "training: 50 images in 10 classes") ||
		!strings.Contains(r.stdout, "Ankle boot") {
		t.Errorf("data info: %+v", r)
	}
}

// The program is a single file: it needs no interpreter and no library.
func TestStaticBinary(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks at an ELF file")
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program has a %v segment", p.Type)
		}
	}
}

// Other platforms have other kernels and system calls. They must build.
func TestOtherPlatforms(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program three times")
	}
	for _, target := range [][2]string{{"linux", "arm64"}, {"darwin", "arm64"}, {"windows", "amd64"}} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(t.TempDir(), "program"), "../cmd/fasternet-train")
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS="+target[0], "GOARCH="+target[1])
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", target, err, out)
		}
	}
}

// config check notes a learning rate for another batch size.
func TestConfigNotes(t *testing.T) {
	r := invoke(t, "config", "check", "fasternet_t0", "--set", "train.batch_size=64")
	if r.code != 0 ||
		!strings.Contains(r.stdout, "note: optim.lr 0.004 comes from fasternet_t0, made for batches of 4096") ||
		!strings.Contains(r.stdout, "optim.lr=0.00283\n") {
		t.Errorf("%+v", r)
	}
	const fine = "note: data.dir is not set: no data set was looked at\nfasternet_t0: no problem found\n"
	if r := invoke(t, "config", "check", "fasternet_t0"); r.stdout != fine {
		t.Errorf("%+v", r)
	}
}
