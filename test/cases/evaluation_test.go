package cases

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

// number returns a value in an object, by its keys.
func number(t *testing.T, v any, keys ...string) float64 {
	t.Helper()
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("no %v in %v", keys, v)
		}
		v = m[k]
	}
	n, ok := v.(float64)
	if !ok {
		t.Fatalf("%v is %v", keys, v)
	}
	return n
}

func (f folder) table(name string) (rows [][]string) {
	f.t.Helper()
	rows, err := csv.NewReader(strings.NewReader(string(f.read(name)))).ReadAll()
	if err != nil {
		f.t.Fatal(err)
	}
	return rows
}

// Evaluates one model, several together, and one against another, and exports with a temperature.
func TestEvaluation(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"ant", "bee", "cat"}, 12, 8)
	f.config("t.yaml", tinyFasterNet)
	f.run("train", "t.yaml", "--run", "a").exits(0)
	f.run("train", "t.yaml", "--run", "b", "--from", "a", "--set", "train.epochs=1", "--set", "seed=7").exits(0)
	f.run("train", "t.yaml", "--run", "c", "--from", "a", "--set", "train.epochs=1", "--set", "seed=8",
		"--set", "optim.lr=3e-3").exits(0)

	t.Run("files", func(t *testing.T) {
		v := f.run("eval", "--model", "a", "--csv", "tables", "--results-file", "r.json").exits(0).
			says("balanced accuracy", "ECE", "95 % intervals of 1000 resamples: top-1").json()
		var file struct {
			Metrics struct {
				F1      map[string]float64
				Classes []struct {
					Support, Correct int
					F1               float64
				}
				Curves      []any `json:"pr_curves"`
				Reliability []struct{ Count int }
				Intervals   struct{ Figures map[string][2]float64 }
			}
		}
		if err := json.Unmarshal(f.read("r.json"), &file); err != nil {
			t.Fatal(err)
		}
		m := file.Metrics
		rows := f.table("tables/images.csv")
		right, bins := 0, 0
		for _, r := range rows[1:] {
			if r[5] == "true" {
				right++
			}
			if (r[1] == r[3]) != (r[5] == "true") || r[5] == "true" && (r[6] != "1" || r[2] != r[4]) {
				t.Errorf("%v", r)
			}
		}
		for _, b := range m.Reliability {
			bins += b.Count
		}
		if len(rows) != 25 || bins != 24 ||
			math.Abs(float64(right)/24*100-number(t, v, "top1")) > 1e-9 ||
			len(m.Curves) != 3 ||
			len(m.Reliability) != 15 {
			t.Errorf("%d rows, %d right, %d in bins, %d curves: %v", len(rows), right, bins, len(m.Curves), v)
		}
		if i := m.Intervals.Figures["top1"]; !(i[0] <= number(t, v, "top1") && i[1] >= number(t, v, "top1")) {
			t.Errorf("interval %v", i)
		}
		classes := f.table("tables/classes.csv")
		mean := 0.0
		for k, c := range m.Classes {
			if r := classes[k+1]; r[2] != fmt.Sprint(c.Support) ||
				r[4] != fmt.Sprint(c.Correct) ||
				r[7] != fmt.Sprint(c.F1) {
				t.Errorf("%v, want %+v", r, c)
			}
			mean += c.F1 / 3
		}
		if math.Abs(mean-number(t, v, "metrics", "f1", "macro")) > 1e-9 || math.Abs(mean-m.F1["macro"]) > 1e-9 {
			t.Errorf("macro F1 %v, want %v", m.F1, mean)
		}
		var kept struct {
			Metrics struct {
				Balanced float64 `json:"balanced_accuracy"`
			}
		}
		if err := json.Unmarshal(f.read("a/evaluation.json"), &kept); err != nil ||
			kept.Metrics.Balanced != number(t, v, "metrics", "balanced_accuracy") {
			t.Errorf("the run has %+v, %v", kept, err)
		}
		f.run("eval", "--model", "a", "--results-file", "r.csv", "--bootstrap", "0").exits(0).hides("intervals")
		if r := f.table("r.csv"); len(r) != 2 || r[0][13] != "f1_macro" || r[1][13] != fmt.Sprint(m.F1["macro"]) {
			t.Errorf("%v", r)
		}
	})
	t.Run("tta", func(t *testing.T) {
		for _, kind := range []string{"flip", "fivecrop", "tencrop"} {
			v := f.run("eval", "--model", "a", "--tta", kind).exits(0).says("mean of the probabilities").json()
			if v["tta"] != kind || v["count"] != 24.0 {
				t.Errorf("%s: %v", kind, v)
			}
		}
		f.run("eval", "--model", "a", "--tta", "six").exits(2).says("--tta: want none, flip, fivecrop or tencrop")
		f.run("eval", "--model", "a", "--tta", "fivecrop", "--set", "data.test_crop=squash").exits(2).
			says("no corners to crop")
	})
	t.Run("tta of predict", func(t *testing.T) { predictViews(t, f) })
	t.Run("compare", func(t *testing.T) {
		o := f.run("eval", "--compare", "a", "b", "--csv", "compared").exits(0).
			says("only A right (b)", "only B right (c)", "McNemar's test")
		v := o.json()
		b, c := number(t, v, "mcnemar", "only_a"), number(t, v, "mcnemar", "only_b")
		d := number(t, v, "b", "top1") - number(t, v, "a", "top1")
		if math.Abs(d-100*(c-b)/24) > 1e-9 || math.Abs(d-number(t, v, "difference", "top1")) > 1e-9 {
			t.Errorf("%v", v)
		}
		for _, r := range f.table("compared/images.csv")[1:] {
			switch r[3] {
			case "a":
				b--
			case "b":
				c--
			}
		}
		if b != 0 || c != 0 {
			t.Errorf("the table has %v and %v fewer", b, c)
		}
		same := f.run("eval", "--compare", "a", "a").exits(0).says("the models are right on the same images").json()
		if number(t, same, "mcnemar", "p") != 1 {
			t.Errorf("%v", same)
		}
	})
	t.Run("ensemble", func(t *testing.T) {
		v := f.run("eval", "a", "b", "c", "--ensemble").exits(0).says("ensemble of 3 models").json()
		if v["count"] != 24.0 || len(v["ensemble"].([]any)) != 3 {
			t.Errorf("%v", v)
		}
		one := f.run("eval", "--model", "a").exits(0).json()
		twice := f.run("eval", "a", "a", "--ensemble").exits(0).json()
		if twice["top1"] != one["top1"] || math.Abs(number(t, twice, "loss")-number(t, one, "loss")) > 1e-6 {
			t.Errorf("twice the same model: %v, want %v", twice, one)
		}
	})
	t.Run("soup", func(t *testing.T) {
		v := f.run("soup", "b", "c", "--out", "soup.safetensors").exits(0).says("in the soup").json()
		if v["norm_images"] != 32.0 || v["method"] != "uniform" {
			t.Errorf("%v", v)
		}
		for _, args := range [][]string{
			{"eval", "--model", "soup.safetensors"},
			{"eval", "--compare", "soup.safetensors", "a"},
			{"export", "--model", "soup.safetensors", "--out", "soup.onnx"},
		} {
			f.run(args...).exits(0)
		}
		if got := f.run("eval", "--model", "soup.safetensors").exits(0).json(); got["top1"] != v["top1"] {
			t.Errorf("evaluated %v, made %v", got, v)
		}
		greedy := f.run("soup", "c", "a", "b", "--method", "greedy", "--out", "greedy.safetensors").exits(0).json()
		if number(t, greedy, "top1") < number(t, greedy, "best_alone_top1") {
			t.Errorf("%v", greedy)
		}
		if got := f.run("eval", "--model", "greedy.safetensors").exits(0).json(); got["top1"] != greedy["top1"] {
			t.Errorf("evaluated %v, made %v", got, greedy)
		}
	})
	t.Run("temperature", func(t *testing.T) {
		plain := f.run("eval", "--model", "a").exits(0).json()
		hot := f.run("eval", "--model", "a", "--temperature", "3").exits(0).json()
		for _, file := range []string{"t.safetensors", "t.onnx"} {
			made := f.run("export", "--model", "a", "--out", file, "--temperature", "3").exits(0).json()
			got := f.run("eval", "--model", file).exits(0).says("already divided by a temperature of 3").json()
			if number(t, made, "temperature") != 3 ||
				got["top1"] != plain["top1"] ||
				math.Abs(number(t, got, "loss")-number(t, hot, "loss")) > 1e-5 ||
				got["loss"] == plain["loss"] {
				t.Errorf("%s: %v, want %v", file, got, hot)
			}
		}
		f.run("soup", "a", "t.safetensors", "--out", "x.safetensors").exits(1).says("folded into the convolutions")
		f.run("export", "--model", "t.yaml", "--out", "x.onnx", "--temperature", "fit").exits(2).says("fresh weights")
	})
	t.Run("bad options", func(t *testing.T) {
		f.imageFolders("other", []string{"ant", "bee", "dog"}, 8, 2)
		f.run("train", "t.yaml", "--run", "other-run", "--set", "data.dir=other", "--set", "train.epochs=1").exits(0)
		f.config("vit.yaml", tinyViT)
		f.run("train", "vit.yaml", "--run", "vit", "--set", "train.epochs=1").exits(0)
		for _, c := range []struct {
			code int
			says string
			args []string
		}{
			{2, "want one, or --ensemble", []string{"eval", "a", "b"}},
			{2, "--compare: want two models, got 3", []string{"eval", "a", "b", "c", "--compare"}},
			{2, "--ensemble: want two models or more", []string{"eval", "a", "--ensemble"}},
			{2, "choose one", []string{"eval", "a", "b", "--ensemble", "--compare"}},
			{2, "--threshold: a threshold of 1.5: want a probability from 0 to 1", []string{
				"eval", "a", "--threshold", "1.5",
			}},
			{2, "--threshold decides between two classes; a/checkpoints/best.safetensors has 3", []string{
				"eval", "a", "--threshold", "0.3",
			}},
			{2, "--temperature: want a number or fit", []string{"eval", "a", "--temperature", "warm"}},
			{2, "--temperature: a temperature of 0", []string{
				"export", "--model", "a", "--out", "x.onnx", "--temperature", "0",
			}},
			{2, "--bootstrap: want 0 to 100000", []string{"eval", "a", "--bootstrap", "-1"}},
			{1, `only in other-run/checkpoints/best.safetensors: "dog"`,
				[]string{"eval", "a", "other-run", "--compare"}},
			{1, `the models have different classes`, []string{"eval", "a", "other-run", "--ensemble"}},
			{1, `the models have different classes`, []string{"soup", "a", "other-run", "--out", "x.safetensors"}},
			{1, "the models have different architectures: model.",
				[]string{"soup", "a", "vit", "--out", "x.safetensors"}},
			{2, "--method: want uniform or greedy", []string{
				"soup", "a", "b", "--out", "x.safetensors", "--method", "best",
			}},
			{2, "want a name that ends in .safetensors", []string{"soup", "a", "b", "--out", "x.onnx"}},
			{2, "--out: want a file", []string{"soup", "a", "b"}},
		} {
			f.run(c.args...).exits(c.code).says(c.says).hides("goroutine")
		}
		if _, err := os.Stat(f.file("x.safetensors")); err == nil {
			t.Error("a soup that failed has left a file")
		}
		// Models of different architectures can be compared, and their answers averaged.
		f.run("eval", "a", "vit", "--compare").exits(0).says("McNemar")
		f.run("eval", "a", "vit", "--ensemble").exits(0)
	})
}

// With two classes there is a threshold, and a class without images is named.
func TestEvaluationOfTwoClasses(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"no", "yes"}, 10, 6)
	f.config("t.yaml", tinyViT)
	f.run("train", "t.yaml", "--run", "run").exits(0)
	v := f.run("eval", "--model", "run", "--threshold", "0").exits(0).
		says("yes from a probability of 0 on: precision 0.5000, recall 1.0000").json()
	if number(t, v, "threshold", "true_positives") != 6 ||
		number(t, v, "threshold", "false_positives") != 6 ||
		number(t, v, "metrics", "roc_auc", "macro") != number(t, v, "metrics", "roc_auc", "weighted") {
		t.Errorf("%v", v)
	}
	if err := os.RemoveAll(f.file("base/val/yes")); err != nil {
		t.Fatal(err)
	}
	o := f.run("eval", "--model", "run").exits(0).
		says("1 of the 2 classes has no images: yes", "ROC-AUC not defined", "ROC-AUC is not defined for no")
	if v := o.json(); v["metrics"].(map[string]any)["roc_auc"].(map[string]any)["macro"] != nil {
		t.Errorf("%v", v)
	}
}
