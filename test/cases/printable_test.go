//go:build unix

package cases

import (
	"archive/tar"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"fasternet/checkpoints"
	"fasternet/formats"
	"fasternet/internal/printable"
)

// hostile is a name that would clear the screen, reverse the line, set the title of the terminal, and add
// a line that looks like the program's.
const hostile = "a\x1b[2J\u202e\u009b1m\x1b]0;x\a\nfasternet-train: all is well"

// clean fails if a stream has a character that a terminal would obey, or a line from the hostile
// name.
func (o outcome) clean() outcome {
	o.t.Helper()
	demandClean(o.t, strings.Join(o.args, " "), o.stdout+o.stderr)
	return o
}

func demandClean(t *testing.T, what, text string) {
	t.Helper()
	if printable.Text(text) != text || strings.Contains(text, "\nfasternet-train: all is well") {
		t.Errorf("%s: not fit for a terminal: %.3000q", what, text)
	}
}

// demandShown is demandClean for a page, whose lines have no meaning.
func demandShown(t *testing.T, what, text string) {
	t.Helper()
	demandClean(t, what, strings.ReplaceAll(text, "\n", ""))
}

// Names of classes, images, members, tensors and keys are printed without characters that a terminal
// would obey, everywhere.
func TestHostileNames(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{hostile, "b"}, 8, 4)
	for _, part := range []string{"train", "val"} {
		f.write("base/"+part+"/b/broken"+hostile+".png", []byte("\x89PNG\r\n\x1a\nnothing"))
	}
	f.config("t.yaml", tinyFasterNet)
	skip := []string{"--set", "data.on_bad_image=skip"}
	f.run(append([]string{"train", "t.yaml", "--run", "run", "--set", "train.epochs=1"}, skip...)...).exits(0).clean().
		says(`\x1b[2J`)
	for _, name := range []string{"train.log", "log.jsonl", "launches.jsonl", "summary.csv", "evaluation.json"} {
		demandClean(t, name, string(f.read("run/"+name)))
	}

	demandShown(t, "report.html", string(f.read("run/report.html")))
	f.run("data", "info", "t.yaml").clean().says(`\x1b[2J`)
	f.run("data", "verify", "t.yaml").exits(1).clean().says(`broken`)
	f.run("train", "t.yaml", "--run", "second").exits(1).clean()
	f.run("eval", "--model", "run", "--on-bad-image", "skip", "--confusion", "c.csv",
		"--results-file", "r.json").exits(0).clean().
		says(`\x1b[2J`)
	f.run("predict", "base/val", "--model", "run", "--on-bad-image", "skip").exits(0).clean().says(`\x1b[2J`)
	f.run("predict", "base/val", "--model", "run", "--on-bad-image", "skip", "--format", "csv",
		"--out", "p.csv").exits(0).clean()
	jsonl := f.run("predict", "base/val", "--model", "run", "--on-bad-image", "skip",
		"--format", "jsonl").exits(0).clean()
	f.run("features", "base/val", "--model", "run", "--on-bad-image", "skip", "--out", "f.npy").exits(0).clean()
	f.run("knn", "--model", "run", "--on-bad-image", "skip").exits(0).clean()
	f.run(append([]string{"data", "browse", "t.yaml", "--out", "b.html"}, skip...)...).clean()
	for _, name := range []string{"c.csv", "r.json", "p.csv", "f.csv"} {
		demandClean(t, name, string(f.read(name)))
	}

	demandShown(t, "b.html", string(f.read("b.html")))

	// All values are there, with escapes.
	rows, err := csv.NewReader(bytes.NewReader(f.read("c.csv"))).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][1] != printable.Line(hostile) {
		t.Errorf("confusion: %q, %v", rows, err)
	}
	var first struct {
		File string `json:"file"`
	}
	if err := json.Unmarshal([]byte(strings.SplitN(jsonl.stdout, "\n", 2)[0]), &first); err != nil ||
		!strings.Contains(first.File, hostile) {
		t.Errorf("the name in JSON is %q, %v", first.File, err)
	}
}

// Texts in a file are shown, but not obeyed.
func TestHostileFiles(t *testing.T) {
	f := newFolder(t)
	var shard bytes.Buffer
	w := tar.NewWriter(&shard)
	for _, name := range []string{hostile + ".png", hostile + ".cls"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 1}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("0"))
	}
	w.Close()
	f.write("shards/train-000000.tar", shard.Bytes())
	f.run("data", "verify", "shards", "--split", "train").clean()

	for _, c := range []struct {
		name string
		meta map[string]string
	}{
		{"format.safetensors", map[string]string{"format": "fasternet-train checkpoint 1" + hostile}},
		{"key.safetensors",
			map[string]string{
				"format":  "fasternet-train checkpoint 1",
				"config":  "\"" + `x\e\n` + "\": 1",
				"classes": "[]",
			}},
		{"names.safetensors", map[string]string{"format": "pt"}},
	} {
		file := checkpoints.File{
			Meta:    c.meta,
			Tensors: []formats.Tensor{{Name: "x" + hostile, Shape: []int{1}, F32: []float32{1}}},
		}
		if err := checkpoints.Write(f.file(c.name), file); err != nil {
			t.Fatal(err)
		}
		f.run("eval", "--model", c.name).clean()
		f.run("convert", c.name, "out.safetensors").clean()
		f.run("convert", c.name, "out.safetensors", "--config", "fasternet_t0", "--allow-missing", "--verbose").clean()
		f.run("verify", c.name).clean()
	}
	f.write("k.yaml", []byte("\"tra\\e[2Jin\\u202e\": 1\n"))
	f.run("config", "check", "k.yaml").exits(2).clean().says("unknown key")
	f.write("v.yaml", []byte("data: {name: \"x\\e[2J\\nfasternet-train: all is well\"}\n"))
	f.run("config", "check", "v.yaml").exits(2).clean()
	f.run("config", "show", "quickstart", "--set", "data.dir="+hostile).clean()
	f.run("eval", "--model", hostile).exits(1).clean()
	f.write("run/run.lock", []byte(hostile))
	f.write("run/config.yaml", []byte("seed: \x1b[2J"))
	f.run("report", "run").clean()
}

// An error is a line of some hundred characters at most: its beginning and its end stay.
func TestLongErrors(t *testing.T) {
	f := newFolder(t)
	long := strings.Repeat("long/", 2000)
	for _, args := range [][]string{
		{"eval", "--model", long},
		{"config", "check", "quickstart", "--set", long + "=1"},
		{"train", "quickstart", "--set", "data.name=" + long},
		{"predict", long, "--model", long},
		{long},
	} {
		o := f.run(args...).clean()
		n := utf8.RuneCountInString(o.stderr)
		if o.code == 0 ||
			n > 800 ||
			n < 100 ||
			strings.Count(o.stderr, "\n") != 1 ||
			!strings.Contains(o.stderr, "characters left out") {
			t.Errorf("%s: exit code %d, %d characters: %s", args[0], o.code, n, o.stderr)
		}
	}
}
