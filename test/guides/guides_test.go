//go:build unix

package guides

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fasternet/internal/golden"
	"fasternet/internal/ramdisk"
)

const (
	docs    = "../../docs/guides"
	weights = "fasternet_t0-epoch.281-val_acc1.71.9180.pth" // the file name of the authors
)

var classes = []string{"daisy", "rose", "tulip"}

// TestGuides follows all guides.
func TestGuides(t *testing.T) {
	bin, dir := t.TempDir(), ramdisk.Dir(t)
	build(t, bin)
	lay(t, dir)
	for _, page := range order(t) {
		if !t.Run(strings.TrimSuffix(page, ".md"), func(t *testing.T) {
			start := time.Now()
			follow(t, page, dir, bin)
			t.Logf("%.1f s", time.Since(start).Seconds())
		}) && page == "own-images.md" {
			t.Fatal("the other guides need what this one makes")
		}
	}
}

func build(t *testing.T, bin string, options ...string) {
	t.Helper()
	args := append([]string{"build", "-o", filepath.Join(bin, "fasternet-train")}, options...)
	cmd := exec.Command("go", append(args, "../../cmd/fasternet-train")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// withMPI returns a folder with the program that loads MPI, and the environment that lets mpirun work here:
// perhaps as root, with more ranks than processors, only over loopback. Without mpirun, it skips the page.
func withMPI(t *testing.T) (bin string, env []string) {
	t.Helper()
	if _, err := exec.LookPath("mpirun"); err != nil {
		t.Skip("SKIPPED: there is no mpirun (Debian: openmpi-bin or mpich), " +
			"so nobody has tried the commands of this page")
	}
	env = []string{
		"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "OMPI_MCA_rmaps_base_oversubscribe=1",
		"OMPI_MCA_btl=self,vader", "OMPI_MCA_oob_tcp_if_include=lo", "HYDRA_LAUNCHER=fork", "HYDRA_IFACE=lo",
	}
	if _, err := exec.LookPath("ssh"); err != nil { // Open MPI 4 needs it even for local ranks
		env = append(env, "OMPI_MCA_plm=isolated")
	}
	bin = t.TempDir()
	build(t, bin, "-tags", "mpi")
	return bin, env
}

// order returns the pages in the order of the README, which must list all of them.
func order(t *testing.T) (pages []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docs, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\d+\. \[.+\]\((.+\.md)\)$`).FindAllSubmatch(text, -1) {
		pages = append(pages, string(m[1]))
	}
	files, err := filepath.Glob(filepath.Join(docs, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := filepath.Base(f); name != "README.md" && !slices.Contains(pages, name) {
			t.Errorf("%s is not in the list of the README", name)
		}
	}
	if len(pages) == 0 {
		t.Fatal("the README of the guides has no list")
	}
	return pages
}

// freePort returns a port at which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// short is what the program says on a machine that is too slow or busy for the budget of a test.
var short = regexp.MustCompile(`a budget of (\S+) is too short: .*; want (\S+) or more`)

// follow runs the commands of a page in dir.
func follow(t *testing.T, page, dir, bin string) {
	t.Helper()
	blocks, err := readPage(filepath.Join(docs, page))
	if err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs("../..") // its packages are already compiled, for the module of a page
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(bin, "cache"), "SOURCE="+source)
	calls := func(program string) bool {
		return slices.ContainsFunc(blocks, func(b block) bool {
			return b.kind == "sh" && strings.Contains(b.text, program+" ")
		})
	}
	if _, err := exec.LookPath("curl"); err != nil && calls("curl") {
		t.Skip("SKIPPED: there is no curl, so nobody has tried the commands of this page")
	}
	if calls("mpirun") {
		var more []string
		bin, more = withMPI(t)
		env = append(env, more...)
	}
	var printed string
	ran := 0
	for _, b := range blocks {
		switch b.kind {
		case "yaml", "go":
			comment := map[string]string{"yaml": "# ", "go": "// "}[b.kind]
			name, _, _ := strings.Cut(b.text, "\n")
			name, ok := strings.CutPrefix(name, comment)
			if !ok || !filepath.IsLocal(name) {
				t.Fatalf("%s:%d: want the name of a file, %sNAME", page, b.line, comment)
			}
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
		case "sh":
			if strings.Contains(b.text, "FREE_PORT") {
				b.text = strings.ReplaceAll(b.text, "FREE_PORT", freePort(t))
			}
			var err error
			for range 5 {
				cmd := exec.Command("sh", "-e", "-c", b.text)
				cmd.Dir = dir
				cmd.Env = slices.Concat(env, []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")})
				var out []byte
				out, err = cmd.CombinedOutput()
				printed = string(out)
				m := short.FindStringSubmatch(printed)
				if err == nil || m == nil {
					break
				}
				b.text = strings.ReplaceAll(b.text, "--budget "+m[1], "--budget "+m[2])
			}
			if err != nil {
				t.Fatalf("%s:%d: %v\n%s\n%s", page, b.line, err, b.text, printed)
			}
			ran++
		case "text":
			line, err := missing(b.text, printed)
			if err != nil || line != "" {
				t.Errorf("%s:%d: %v; nobody printed %q:\n%s", page, b.line, err, line, printed)
			}
		case "":
		default:
			t.Errorf("%s:%d: a block of %s: want sh, text, yaml or go", page, b.line, b.kind)
		}
	}
	if ran == 0 {
		t.Errorf("%s has no commands", page)
	}
}

// lay writes the files that the guides expect: images with labels, in which each class has a different colour,
// the same images without labels, and weights.
func lay(t *testing.T, dir string) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	for class, name := range classes {
		for _, c := range []struct {
			part string
			n    int
		}{{"train", 16}, {"val", 6}} {
			for i := range c.n {
				write(t, filepath.Join(dir, "flowers", c.part, name, fmt.Sprintf("%03d.jpg", i)), class, random)
			}
		}
		for i := range 20 {
			write(t, filepath.Join(dir, "photos", "all", fmt.Sprintf("%d-%03d.jpg", class, i)), class, random)
		}
	}
	raw, err := os.ReadFile(golden.Path(t, "fasternet_small_gelu.pth"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, weights), raw, 0o644)
	}
	if err == nil { // a model of timm, smaller than its name says
		err = os.CopyFS(filepath.Join(dir, "vit_small_patch16_224"), os.DirFS(golden.Foreign(t, "timm/vit_token")))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, class int, random *rand.Rand) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 80, 60))
	for y := range 60 {
		for x := range 80 {
			v := [3]uint8{uint8(random.IntN(90)), uint8(random.IntN(90)), uint8(random.IntN(90))}
			v[class] += 130
			img.SetRGBA(x, y, color.RGBA{v[0], v[1], v[2], 255})
		}
	}
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(jpeg.Encode(f, img, nil), f.Close()); err != nil {
		t.Fatal(err)
	}
}
