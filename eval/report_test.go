package eval_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/eval"
	"fasternet/graph"
	"fasternet/kernels"
)

// torn is a data set in which some images cannot be read.
type torn struct {
	shades
	bad map[int]bool
}

func (d torn) Image(i int) (*picture.Image, error) {
	if d.bad[i] {
		return nil, fmt.Errorf("image %d is torn", i)
	}
	return d.shades.Image(i)
}

func examine(t *testing.T, ds data.Dataset, o eval.Options, weights ...float32) (*eval.Report, error) {
	t.Helper()
	pool := kernels.NewPool(2)
	t.Cleanup(pool.Close)
	return eval.Examine(t.Context(), graph.NewRunner(newLinear(weights...), pool), ds, transform(), o)
}

func TestScores(t *testing.T) {
	// The model answers "c" to all images except image 0, which is black and gets "a".
	m, err := examine(t, shades(10), eval.Options{Batch: 4}, -1, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []eval.ClassScore{
		{Index: 0, Name: "a", Count: 4, Correct: 1, Accuracy: 25, MistakenFor: 2, MistakenCount: 3},
		{Index: 1, Name: "1", Count: 3, Correct: 0, MistakenFor: 2, MistakenCount: 3},
		{Index: 2, Name: "2", Count: 3, Correct: 3, Accuracy: 100, MistakenFor: -1},
	}
	scores := m.Confusion.Scores([]string{"a"})
	if fmt.Sprint(scores) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", scores, want)
	}
	eval.WorstFirst(scores)
	if scores[0].Index != 1 || scores[2].Index != 2 {
		t.Errorf("worst first: %+v", scores)
	}
}

// Samples that cannot be read are left out and do not change the results of the others.
func TestSkipBad(t *testing.T) {
	if _, err := examine(t, torn{10, map[int]bool{7: true, 3: true}}, eval.Options{Batch: 4}, 0.5, 2, 1); err == nil ||
		!strings.Contains(err.Error(), "image 3 is torn") {
		t.Errorf("not skipped: %v", err)
	}
	whole, err := examine(t, shades(10), eval.Options{Batch: 4}, 0.5, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, batch := range []int{1, 4, 10} {
		for _, workers := range []int{1, 3} {
			done := 0
			m, err := examine(t, torn{10, map[int]bool{9: true, 3: true, 2: true}}, eval.Options{
				Batch: batch, Workers: workers, SkipBad: true, Progress: func(n, _ int) { done = n }}, 0.5, 2, 1)
			if err != nil {
				t.Fatal(err)
			}
			if m.Count != 7 ||
				done != 10 ||
				len(m.Skipped) != 3 ||
				m.Skipped[0].Name != "image 2" ||
				m.Skipped[2].Name != "image 9" ||
				!strings.Contains(m.Skipped[1].Err.Error(), "image 3 is torn") {
				t.Errorf("batch %d, %d workers: %+v, %d done", batch, workers, m, done)
			}
			for class, n := range []int{2, 3, 2} { // images 0 1 4 5 6 7 8
				sum := 0
				for a := range 3 {
					sum += m.Confusion.Count(class, a)
					if m.Confusion.Count(class, a) > whole.Confusion.Count(class, a) {
						t.Errorf("class %d is taken for %d more often than with all images", class, a)
					}
				}
				if sum != n {
					t.Errorf("batch %d: class %d has %d images, want %d", batch, class, sum, n)
				}
			}
		}
	}
	all := torn{3, map[int]bool{0: true, 1: true, 2: true}}
	if _, err := examine(t, all, eval.Options{Batch: 2, SkipBad: true}, 1, 1, 1); err == nil ||
		!strings.Contains(err.Error(), "none of the 3 images can be read") {
		t.Errorf("no image at all: %v", err)
	}
}

func TestResultsFiles(t *testing.T) {
	m, err := examine(t, torn{10, map[int]bool{4: true}}, eval.Options{Batch: 4, SkipBad: true}, -1, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := m.Results("x/best.safetensors", 3905500, []string{"a", "b", "c"}, transform(), 1)
	dir := t.TempDir()
	path := filepath.Join(dir, "r.json")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(path)
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if v["top1"] != 44.4444 ||
		v["top1_err"] != 55.5556 ||
		v["count"] != 9.0 ||
		v["param_count"] != 3.91 ||
		v["img_size"] != 8.0 ||
		v["crop_pct"] != 1.0 ||
		len(v["classes"].([]any)) != 3 || v["skipped"].([]any)[0].(map[string]any)["name"] != "image 4" {
		t.Errorf("%s", raw)
	}
	path = filepath.Join(dir, "r.CSV")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	raw, _ = os.ReadFile(path)
	rows, err := csv.NewReader(strings.NewReader(string(raw))).ReadAll()
	if err != nil ||
		len(rows) != 2 ||
		len(rows[0]) != 11 ||
		rows[1][0] != "x/best.safetensors" ||
		rows[1][1] != "44.4444" ||
		rows[1][10] != "bicubic" {
		t.Errorf("%s %v", raw, err)
	}
	if err := r.Write(filepath.Join(dir, "r.txt")); err == nil || !strings.Contains(err.Error(), ".json or .csv") {
		t.Errorf("r.txt: %v", err)
	}
	r.Loss = math.NaN()
	if err := r.Write(filepath.Join(dir, "nan.json")); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// coloured counts the blue and the red pixels of a picture.
func coloured(t *testing.T, c *eval.Confusion, path string) (blue, red int, size image.Point) {
	t.Helper()
	if err := c.Write(path, "title", nil); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	b := m.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			switch r, _, v, _ := m.At(x, y).RGBA(); {
			case r>>8 < 80 && v>>8 > 180:
				blue++
			case r>>8 > 180 && v>>8 < 80:
				red++
			}
		}
	}
	return blue, red, b.Size()
}

// Confused classes come next to each other, for any numbering.
func TestConfusionOrder(t *testing.T) {
	c := eval.NewConfusion(7)
	add := func(class, answer, n int) {
		for range n {
			c.Add(class, answer)
		}
	}
	for k := range 7 {
		add(k, k, 10)
	}
	add(0, 5, 6)
	add(5, 0, 4)
	add(5, 2, 2)
	add(3, 6, 5)
	c.Add(4, -1)
	if got, want := c.Order(), []int{0, 5, 2, 1, 3, 6, 4}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if got := eval.NewConfusion(3).Order(); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("of classes that nobody takes for another: %v", got)
	}
}

func TestConfusionFiles(t *testing.T) {
	dir := t.TempDir()
	c := eval.NewConfusion(3)
	for range 5 {
		c.Add(0, 0)
	}
	c.Add(1, 0)
	c.Add(1, 1)
	c.Add(2, -1)
	path := filepath.Join(dir, "c.csv")
	if err := c.Write(path, "", []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(path)
	if want := "class,a,b,2,(not a number)\na,5,0,0,0\nb,1,1,0,0\n2,0,0,0,1\n"; string(raw) != want {
		t.Errorf("got %q, want %q", raw, want)
	}
	for _, classes := range []int{1, 2, 12, 40, 300} { // with counts, names, and as pixels
		c := eval.NewConfusion(classes)
		for k := range classes {
			c.Add(k, k)
		}
		blue, red, size := coloured(t, c, filepath.Join(dir, fmt.Sprint(classes, ".png")))
		if size.X < 500 || blue < 500 || red > blue/100 {
			t.Errorf("%d classes, all right: %v, %d blue pixels, %d red ones", classes, size, blue, red)
		}
		if classes == 1 {
			continue
		}
		c = eval.NewConfusion(classes)
		for k := range classes {
			c.Add(k, (k+1)%classes)
		}
		b, r, _ := coloured(t, c, filepath.Join(dir, fmt.Sprint(classes, "wrong.png")))
		if r < 9*blue/10 || r > 11*blue/10 || b > r/100 {
			t.Errorf("%d classes, all wrong: %d blue pixels, %d red ones; where all are right %d blue ones",
				classes, b, r, blue)
		}
	}
	// SVG shows the same, with names as text.
	for _, classes := range []int{3, 300} {
		c := eval.NewConfusion(classes)
		c.Add(1, 0)
		path := filepath.Join(dir, fmt.Sprint(classes, ".SVG"))
		if err := c.Write(path, "5 < 6 & 7", []string{"<b>&\"'\u202e", "dog\x00"}); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var words strings.Builder
		for d := xml.NewDecoder(bytes.NewReader(raw)); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%d classes: %v", classes, err)
			}
			if text, ok := token.(xml.CharData); ok {
				words.Write(text)
			}
		}
		for _, want := range []string{"5 < 6 & 7", "<b>&\"'", "dog"} {
			if !strings.Contains(words.String(), want) {
				t.Errorf("%d classes: %q is not in %q", classes, want, words.String())
			}
		}
		if strings.ContainsAny(string(raw), "\u202e\x00") {
			t.Errorf("%d classes: a control character of a name is in the file", classes)
		}
	}
	if err := eval.NewConfusion(5000).Write(filepath.Join(dir, "big.png"), "", nil); err == nil ||
		!strings.Contains(err.Error(), "want at most 4000") {
		t.Errorf("5000 classes: %v", err)
	}
	if err := c.Write(filepath.Join(dir, "none", "c.csv"), "", nil); err == nil {
		t.Error("a folder that is not there")
	}
}
