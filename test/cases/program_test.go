package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/internal/ramdisk"
)

// program is the built program.
var program string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fasternet-train") // not in memory, where programs may not be allowed to run
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "fasternet-train")
	cmd := exec.Command("go", "build", "-o", program, "../../cmd/fasternet-train")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Printf("%v\n%s", err, out)
		return 1
	}
	// The program must not see what the user has downloaded, and there may be no HOME.
	if err := os.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache")); err != nil {
		fmt.Println(err)
		return 1
	}
	return m.Run()
}

// folder is a folder with the data, configurations and runs of a test. The program starts in it.
type folder struct {
	t    *testing.T
	path string
}

func newFolder(t *testing.T) folder { return folder{t, ramdisk.Dir(t)} }

// file returns the path of a file in the folder.
func (f folder) file(name string) string { return filepath.Join(f.path, filepath.FromSlash(name)) }

func (f folder) write(name string, content []byte) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.file(name)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.file(name), content, 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) read(name string) []byte {
	f.t.Helper()
	b, err := os.ReadFile(f.file(name))
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// outcome is the result of running the program.
type outcome struct {
	t              *testing.T
	args           []string
	stdout, stderr string
	code           int
}

// run runs the program in the folder.
func (f folder) run(args ...string) outcome {
	f.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = f.path, &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	return outcome{f.t, args, out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// exits fails unless the exit code is right.
func (o outcome) exits(code int) outcome {
	o.t.Helper()
	if o.code != code {
		o.t.Fatalf("%v: exit code %d, want %d\n%s%s", o.args, o.code, code, o.stdout, o.stderr)
	}
	return o
}

// says fails unless the words are in the text for people, in either stream.
func (o outcome) says(words ...string) outcome {
	o.t.Helper()
	for _, w := range words {
		if !strings.Contains(o.stdout+o.stderr, w) {
			o.t.Fatalf("%v: does not say %q\n%s%s", o.args, w, o.stdout, o.stderr)
		}
	}
	return o
}

// hides fails if the words are there.
func (o outcome) hides(words ...string) outcome {
	o.t.Helper()
	for _, w := range words {
		if strings.Contains(o.stdout+o.stderr, w) {
			o.t.Fatalf("%v: says %q\n%s%s", o.args, w, o.stdout, o.stderr)
		}
	}
	return o
}

// json returns the object on the last line of the standard output.
func (o outcome) json() (v map[string]any) {
	o.t.Helper()
	lines := strings.Split(strings.TrimSpace(o.stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil {
		o.t.Fatalf("%v: the last line is not a JSON object: %v\n%s", o.args, err, o.stdout)
	}
	return v
}

// Tiny models and the configuration of one, on the folder "base".
const (
	tinyFasterNet = "{name: fasternet, embed_dim: 8, depths: [1, 1], feature_dim: 32, patch_size: " +
		"4, patch_stride: 4, act_layer: gelu, in_chans: 3}"
	tinyViT  = "{name: vit, embed_dim: 24, depth: 2, num_heads: 3, patch_size: 8, num_classes: 0, in_chans: 3}"
	tinySwin = "{name: swin, embed_dim: 12, depths: [2, 2], num_heads: [2, 4], patch_size: 4, window_size: " +
		"4, num_classes: 0, in_chans: 3}"
)

// config writes a configuration of two epochs.
func (f folder) config(name, model string) {
	f.t.Helper()
	f.write(name, []byte("model: "+model+`
data: {name: imagefolder, dir: base, image_size: 32, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}
optim: {lr: 1e-3}
sched: {warmup_epochs: 0}
train: {epochs: 2, batch_size: 8}
log: {tensorboard: false}
`))
}

// imageFolders makes train/<class> and val/<class> under root, with a number of images each.
func (f folder) imageFolders(root string, classes []string, train, val int) {
	f.t.Helper()
	for c, class := range classes {
		for i := range train {
			f.write(fmt.Sprintf("%s/train/%s/%03d.png", root, class, i), pngBytes(f.t, noise(40, 36, c, i)))
		}
		for i := range val {
			f.write(fmt.Sprintf("%s/val/%s/%03d.png", root, class, i), pngBytes(f.t, noise(40, 36, c, 500+i)))
		}
	}
}

// noise makes an image around the colour of a class.
func noise(width, height, class, seed int) *image.RGBA {
	bases := [][3]int{{200, 60, 60}, {60, 200, 60}, {60, 60, 200}, {200, 200, 60}, {60, 200, 200}, {200, 60, 200}}
	r := rand.New(rand.NewPCG(uint64(class), uint64(seed)))
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			var v [3]uint8
			for i, base := range bases[class%len(bases)] {
				v[i] = uint8(min(max(base+r.IntN(121)-60, 0), 255))
			}
			img.SetRGBA(x, y, color.RGBA{v[0], v[1], v[2], 255})
		}
	}
	return img
}

func pngBytes(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
