package sets

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

// setsOf lists the images of a dataset with the names of their labels.
func setsOf(ds data.Dataset) string {
	var all []string
	for i := range ds.Len() {
		var names []string
		for _, l := range data.LabelSet(ds, i) {
			names = append(names, ds.Classes()[l])
		}
		all = append(all, filepath.Base(data.Key(ds, i))+"="+strings.Join(names, "+"))
	}
	return strings.Join(all, " ")
}

// Images with any number of labels are read in all the forms that people write.
func TestLabelSetsOfLists(t *testing.T) {
	t.Parallel()
	images := []string{"a.png", "b c.png", "x/y.jpg", "coco/z.png"}
	pets := Labels{Classes: []string{"cat", "dog", "old bird"}, From: "classes.txt"}
	for _, c := range []struct {
		name, file, text string
		labels           Labels
		want             string
		classes          string
	}{
		{
			name: "names with ;", file: "train.csv",
			text: "filename,labels\na.png,dog;cat\nb c.png,\nx/y.jpg, cat ; cat\n",
			want: "a.png=cat+dog b c.png= y.jpg=cat", classes: "cat dog",
		},
		{
			name: "names with |", file: "train.csv",
			text:   "filename,labels\na.png,dog|old bird\nb c.png,cat\n",
			labels: pets, want: "a.png=dog+old bird b c.png=cat", classes: "cat dog old bird",
		},
		{
			name: "a comma of its own", file: "train.csv", text: "image,tags\na.png,\"dog,cat\"\n",
			labels: Labels{Separator: ","}, want: "a.png=cat+dog", classes: "cat dog",
		},
		{
			name: "blanks", file: "train.csv", text: "image,tags\na.png,dog cat\n",
			labels: Labels{Separator: " "}, want: "a.png=cat+dog", classes: "cat dog",
		},
		{
			name: "numbers", file: "train.csv", text: "file,labels\na.png,0;2\nb c.png,1\n",
			want: "a.png=0+2 b c.png=1", classes: "0 1 2",
		},
		{
			name: "numbers of names", file: "train.csv",
			text: "file,labels\na.png,0;2\nb c.png,1\n", labels: pets,
			want: "a.png=cat+old bird b c.png=dog", classes: "cat dog old bird",
		},
		{
			name: "a column by name", file: "train.csv",
			text: "file,labels,note\na.png,x,dog;cat\n", labels: Labels{Key: "note"},
			want: "a.png=cat+dog", classes: "cat dog",
		},
		{
			name: "a column by any name", file: "train.csv", text: "file,what\na.png,dog;cat\n",
			want: "a.png=cat+dog", classes: "cat dog",
		},
		{
			name: "TSV", file: "train.tsv", text: "file\tlabels\na.png\tdog;cat\n",
			want: "a.png=cat+dog", classes: "cat dog",
		},
		{
			name: "columns of classes", file: "train.csv",
			text: "filename,split,dog,cat\na.png,x,1,0\nb c.png,x,1.0,True\nx/y.jpg,x,0,0\n",
			want: "a.png=dog b c.png=dog+cat y.jpg=", classes: "dog cat",
		},
		{
			name: "some columns of classes", file: "train.csv",
			text:   "filename,width,dog,cat,old bird\na.png,512,1,0,1\n",
			labels: pets, want: "a.png=dog+old bird", classes: "cat dog old bird",
		},
		{
			name: "one column of a class", file: "train.csv",
			text: "filename,defect\na.png,1\nb c.png,0\n",
			want: "a.png=defect b c.png=", classes: "defect",
		},
		{
			name: "no header", file: "train.csv", text: "a.png,dog;cat\nb c.png,\n",
			want: "a.png=cat+dog b c.png=", classes: "cat dog",
		},
		{
			name:    "a plain list",
			text:    "a.png dog;cat\nb c.png  old bird|dog\nx/y.jpg\n",
			want:    "a.png=cat+dog b c.png=dog+old bird y.jpg=",
			classes: "cat dog old bird",
		},
		{
			name: "a plain list of numbers", text: "a.png 0,2\nb c.png 1 2\n",
			want: "a.png=0+2 b c.png=1+2", classes: "0 1 2",
		},
		{
			name: "the same twice", text: "a.png dog;cat\na.png cat;dog\n",
			want: "a.png=cat+dog a.png=cat+dog", classes: "cat dog",
		},
		{
			name: "COCO", file: "instances_coco.json",
			text: `{"info": {"a": [1]}, "annotations": [
					{"image_id": 7, "category_id": 30, "segmentation": [[1, 2]]},
					{"image_id": 7, "category_id": 9}, {"image_id": 7, "category_id": 9}],
				"images": [{"id": 7, "file_name": "z.png"}],
				"categories": [{"id": 30, "name": "cat"}, {"id": 9, "name": "dog"}, {"id": 40, "name": "never"}]}`,
			want: "z.png=dog+cat", classes: "dog cat never",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := c.file
			if file == "" {
				file = "train.txt"
			}
			c.labels.Multi = true
			d, err := listOf(t, file, c.text, c.labels, images...)
			if err != nil {
				t.Fatal(err)
			}
			if got := setsOf(d); got != c.want || strings.Join(d.Classes(), " ") != c.classes ||
				!data.IsMultiLabel(d) || d.Label(0) != -1 {
				t.Errorf("%s of %v, want %s of %s", got, d.Classes(), c.want, c.classes)
			}
			if err := data.CheckLabels(d, "training"); err != nil {
				t.Error(err)
			}
		})
	}
}

// An error in labels names the line.
func TestLabelSetErrors(t *testing.T) {
	t.Parallel()
	pets := Labels{Classes: []string{"cat", "dog"}, From: "classes.txt"}
	for _, c := range []struct {
		name, file, text, want string
		labels                 Labels
	}{
		{
			name: "an unknown name", file: "train.csv", text: "file,labels\na.png,cat;Dog\n",
			labels: pets,
			want: `train.csv:2: label "Dog" is neither a number nor one of the 2 class names of classes.txt; did ` +
				`you mean "dog"?`,
		},
		{
			name: "a number too large", file: "train.csv", text: "file,labels\na.png,0;2\n",
			labels: pets,
			want:   "train.csv:2: label 2 is not below the number of classes, 2",
		},
		{name: "negative", text: "a.png 0;-1\n", want: "train.txt:1: label -1 is negative"},
		{
			name: "real numbers", file: "train.csv", text: "file,labels\na.png,0.73\n",
			want: "regression (predicting numbers) is not supported",
		},
		{
			name: "real numbers in columns", file: "train.csv",
			text: "file,age,weight\na.png,31.5,80.2\n",
			want: `train.csv:2: column "age": want 0 or 1, got "31.5": a real number is not a class`,
		},
		{
			name: "other numbers in columns", file: "train.csv",
			text: "file,cat,dog\na.png,1,0\na.png,-1,0\n",
			want: `train.csv:3: column "cat": want 1 for an image that has the class and 0 for one that does ` +
				`not, got "-1"`,
		},
		{
			name: "a class without a column", file: "train.csv", text: "file,cat,bird\na.png,1,0\n",
			labels: pets,
			want:   `train.csv:1: there is no column for class "dog"`,
		},
		{
			name: "a column twice", file: "train.csv", text: "file,cat,cat\na.png,1,0\n",
			want: `columns 2 and 3 are both called "cat"`,
		},
		{
			name: "listed twice", file: "train.csv", text: "file,labels\na.png,cat\na.png,dog\n",
			want: `train.csv:3: a.png is listed twice, with labels "dog" here and "cat" before (train.csv:2): ` +
				`put all labels of an image into one entry`,
		},
		{name: "names that look the same", text: "a.png caf\u00e9;cafe\u0301\n", want: ""},
		{
			name: "two columns of labels", file: "train.csv",
			text: "file,labels,tags\na.png,cat,dog\n",
			want: `columns "labels" and "tags" may both have the labels; say which with data.label_key`,
		},
		{
			name: "no such column", file: "train.csv", text: "file,labels\na.png,cat\n",
			labels: Labels{Key: "what"},
			want:   `data.label_key: there is no column "what"`,
		},
		{
			name: "COCO, an unknown image", file: "a.json",
			text: `{"images": [], "categories": [], "annotations": [{"image_id": 1, "category_id": 2}]}`,
			want: "image_id 1, which is not among the images",
		},
		{
			name: "COCO, an unknown category", file: "a.json",
			text: `{"images": [{"id": 1, "file_name": "a.png"}], "categories": [], "annotations": [{"image_id": ` +
				`1, "category_id": 2}]}`,
			want: "category_id 2, which is not among the categories",
		},
		{
			name: "COCO, cut off", file: "a.json", text: `{"images": [{"id": 1,`,
			want: "want annotations in the form of COCO",
		},
		{
			name: "COCO, a list", file: "a.json", text: `[1]`,
			want: "want annotations in the form of COCO: want an object",
		},
		{
			name: "COCO, an unknown name", file: "a.json", labels: pets,
			text: `{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 2, "name": "bird"}], ` +
				`"annotations": [{"image_id": 1, "category_id": 2}]}`,
			want: `a.json: image a.png: label "bird" is not one of the 2 class names of classes.txt`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := c.file
			if file == "" {
				file = "train.txt"
			}
			c.labels.Multi = true
			_, err := listOf(t, file, c.text, c.labels, "a.png")
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "\\", "/"), c.want) {
				if err == nil || !strings.Contains(stripDirs(err.Error()), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			}
		})
	}
	_, err := listOf(t, "train.csv", "file,label\na.png,cat;dog\n", pets, "a.png")
	datatest.WantError(t, err, "images with several labels need the task multilabel")
	_, err = listOf(
		t, "a.json",
		`{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 2, "name": "bird"}, {"id": 3, `+
			`"name": "cat"}], "annotations": [{"image_id": 1, "category_id": 2}, {"image_id": 1, "category_id": 3}]}`,
		Labels{}, "a.png",
	)
	datatest.WantError(t, err, "annotations of 2 categories; images with several labels need the task multilabel")
}

// stripDirs removes the folders from the paths in a message.
func stripDirs(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if at := strings.LastIndex(w, "/"); at > 0 && strings.Contains(w, "train.") {
			open := ""
			if strings.HasPrefix(w, "(") {
				open = "("
			}
			words[i] = open + w[at+1:]
		}
	}
	return strings.Join(words, " ")
}

// If each image has one label, annotations in the form of COCO are read too.
func TestCOCOWithOneLabel(t *testing.T) {
	t.Parallel()
	const text = `{
		"images": [{"id": 1, "file_name": "a.png"}, {"id": 5, "file_name": "b.png"}],
		"categories": [{"id": 2, "name": "cat"}, {"id": 1, "name": "bird"}],
		"annotations": [
			{"image_id": 5, "category_id": 2}, {"image_id": 5, "category_id": 2},
			{"image_id": 1, "category_id": 1}]}`
	d, err := listOf(t, "a.json", text, Labels{}, "a.png", "b.png")
	if err != nil || data.IsMultiLabel(d) || fmt.Sprint(d.Label(0), d.Label(1), d.Classes()) != "0 1 [bird cat]" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestLabelSetsOfShards(t *testing.T) {
	a := string(datatest.PNGOf(t, 10))
	for _, c := range []struct {
		name    string
		members []string
		labels  Labels
		want    string
		classes string
		err     string
	}{
		{
			name: "texts",
			members: []string{
				"1.png", a, "1.labels", "dog;cat",
				"2.png", a, "2.cls", "",
				"3.png", a, "3.txt", "cat\nbird\n",
			},
			want: "1.png=cat+dog 2.png= 3.png=bird+cat", classes: "bird cat dog",
		},
		{
			name: "json",
			members: []string{
				"1.png", a, "1.json", `{"labels": ["dog", "cat"], "width": 9}`,
				"2.png", a, "2.json", `{"labels": []}`,
				"3.png", a, "3.json", `["cat"]`,
			},
			want: "1.png=cat+dog 2.png= 3.png=cat", classes: "cat dog",
		},
		{
			name:    "numbers",
			members: []string{"1.png", a, "1.json", `{"class_ids": [2, 0]}`, "2.png", a, "2.cls", "1"},
			want:    "1.png=0+2 2.png=1", classes: "0 1 2",
		},
		{
			name:    "a caption next to labels",
			members: []string{"1.png", a, "1.txt", "a cat; on a mat", "1.json", `{"tags": "cat|mat"}`},
			want:    "1.png=cat+mat", classes: "cat mat",
		},
		{
			name:    "a key",
			members: []string{"1.png", a, "1.json", `{"labels": ["x"], "shows": ["cat"]}`},
			labels:  Labels{Key: "shows"}, want: "1.png=cat", classes: "cat",
		},
		{
			name: "an image without", members: []string{"1.png", a, "1.cls", "0", "2.png", a},
			err: "0.tar:2.png: an image without a label",
		},
		{
			name:    "labels without an image",
			members: []string{"1.png", a, "1.cls", "0", "2.cls", "0"},
			err:     "a label without an image",
		},
		{
			name:    "an object",
			members: []string{"1.png", a, "1.json", `{"labels": {"cat": 1}}`},
			err:     "want a list of labels",
		},
		{
			name:    "two keys",
			members: []string{"1.png", a, "1.json", `{"labels": ["a"], "tags": ["b"]}`},
			err:     `keys "labels" and "tags" may both have the labels`,
		},
		{name: "a real number", members: []string{"1.png", a, "1.json", `{"labels": [0.5]}`}, err: "regression"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.labels.Multi = true
			d, err := shardsOf(t, c.labels, tarOf(t, c.members...))
			if c.err != "" {
				datatest.WantError(t, err, c.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := setsOf(d); got != c.want || strings.Join(d.Classes(), " ") != c.classes {
				t.Errorf("%s of %v, want %s of %s", got, d.Classes(), c.want, c.classes)
			}
		})
	}
}

// Images with any number of labels can be written to shards and read back.
func TestShardsOfLabelSets(t *testing.T) {
	d, err := listOf(
		t, "train.csv", "file,labels\na.png,dog;cat\nb.png,\nc.png,cat\n", Labels{Multi: true},
		"a.png", "b.png", "c.png",
	)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := WriteShards(t.Context(), dir, d, ShardOptions{Name: "train", PerShard: 2}); err != nil {
		t.Fatal(err)
	}
	_, err = Pack(t.Context(), filepath.Join(dir, "train.pack"), d, PackOptions{Form: PackDecoded})
	datatest.WantError(t, err, "use shards (data shard)")
	files, err := filepath.Glob(filepath.Join(dir, "*.tar"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	again, err := OpenShards(files, Labels{Multi: true, Classes: d.Classes(), Kind: LabelNumber})
	if err != nil {
		t.Fatal(err)
	}
	if got := setsOf(again); got != setsOf(d) {
		t.Errorf("%s, want %s", got, setsOf(d))
	}
}
