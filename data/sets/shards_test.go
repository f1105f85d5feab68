package sets

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/internal/datatest"
)

// shardsOf opens shards with the given contents. Their names are 0.tar, 1.tar and so on.
func shardsOf(t *testing.T, labels Labels, shards ...[]byte) (*Shards, error) {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for i, content := range shards {
		path := filepath.Join(dir, fmt.Sprintf("%d.tar", i))
		datatest.WriteFile(t, path, content)
		files = append(files, path)
	}
	return OpenShards(files, labels)
}

// described lists the samples of shards, with their labels.
func described(d *Shards) (all []string) {
	for i := range d.Len() {
		all = append(all, fmt.Sprintf("%s=%d", d.samples[i].name, d.Label(i)))
	}
	return all
}

// Members with the name of a sample belong together. Their labels are read in all the forms that
// people write.
func TestShardLabels(t *testing.T) {
	a, b := string(datatest.PNGOf(t, 10)), string(datatest.PNGOf(t, 20))
	pets := []string{"cat", "dog", "Golden Retriever"}
	long := strings.Repeat("folder/", 30) + "1" // longer than the names that a plain header has room for
	utf16 := "\xff\xfe2\x00\r\x00\n\x00"
	for _, c := range []struct {
		name    string
		members []string
		labels  Labels
		want    []string
		classes int
	}{
		{
			name:    "sorted",
			members: []string{"x/1.png", a, "x/1.cls", "2", "x/2.png", b, "x/2.cls", "0"},
			want:    []string{"x/1.png=2", "x/2.png=0"}, classes: 3,
		},
		{
			name:    "unsorted",
			members: []string{"1.png", a, "2.png", b, "1.cls", "1", "2.cls", "0"},
			want:    []string{"1.png=1", "2.png=0"}, classes: 2,
		},
		{
			name:    "labels first",
			members: []string{"2.cls", "0", "1.cls", "1", "1.png", a, "2.png", b},
			want:    []string{"2.png=0", "1.png=1"}, classes: 2,
		},
		{
			name: "all members",
			members: []string{
				"1.png", a, "1.cls.txt", "1",
				"2.png", a, "2.txt", "2",
				"3.png", a, "3.target.cls", "3",
				"4.png", a, "4.label", "4",
				"5.png", a, "5.label.txt", "5",
				"6.png", a, "6.class", "6",
				"7.png", a, "7.target.txt", "7",
			},
			want:    []string{"1.png=1", "2.png=2", "3.png=3", "4.png=4", "5.png=5", "6.png=6", "7.png=7"},
			classes: 8,
		},
		{
			name: "all keys of json",
			members: []string{
				"1.png", a, "1.json", `{"label": 1}`,
				"2.png", a, "2.json", `{"class": 2, "width": 9}`,
				"3.png", a, "3.json", `{"class_id": "3"}`,
				"4.png", a, "4.json", `{"cls": 4.0}`,
				"5.png", a, "5.json", `{"Category-ID": 5}`,
				"6.png", a, "6.json", `{"target": 6, "label": null}`,
				"7.png", a, "7.json", "7",
			},
			want:    []string{"1.png=1", "2.png=2", "3.png=3", "4.png=4", "5.png=5", "6.png=6", "7.png=7"},
			classes: 8,
		},
		{
			name: "as people write numbers",
			members: []string{
				"1.png", a, "1.cls", "3\n",
				"2.png", a, "2.cls", " 2 ",
				"3.png", a, "3.cls", "1.0",
				"4.png", a, "4.cls", "\ufeff1\r\n",
				"5.png", a, "5.cls", utf16,
				"6.png", a, "6.cls", "+03",
				"7.png", a, "7.cls", "2\x00",
			},
			want:    []string{"1.png=3", "2.png=2", "3.png=1", "4.png=1", "5.png=2", "6.png=3", "7.png=2"},
			classes: 4,
		},
		{
			name: "by name", labels: Labels{Classes: pets},
			members: []string{
				"1.png", a, "1.cls", "Golden Retriever\n",
				"2.png", a, "2.txt", "cat",
				"3.png", a, "3.json", `{"class": "dog", "label": 1}`,
				"4.png", a, "4.cls", "1",
			},
			want:    []string{"1.png=2", "2.png=0", "3.png=1", "4.png=1"},
			classes: 3,
		},
		{
			name: "a caption next to a label",
			members: []string{
				"1.png", a, "1.txt", "a dog on the grass", "1.cls", "1",
				"2.png", a, "2.cls", "0", "2.json", `{"label": [1, 2], "boxes": []}`,
			},
			want: []string{"1.png=1", "2.png=0"}, classes: 2,
		},
		{
			name: "a caption before a label in json",
			members: []string{
				"1.png", a, "1.txt", "a dog", "1.json", `{"label": 1}`,
				"2.png", a, "2.json", `{"label": 0}`, "2.txt", "a cat",
			},
			want: []string{"1.png=1", "2.png=0"}, classes: 2,
		},
		{
			name:    "labels that agree",
			members: []string{"1.png", a, "1.cls", "1", "1.json", `{"label": "1", "class_id": 1}`, "1.txt", "1.0"},
			want:    []string{"1.png=1"}, classes: 2,
		},
		{
			name:    "any case",
			members: []string{"1.JPG", a, "1.CLS", "1", "2.Png", a, "2.Json", `{"LABEL": 0}`},
			want:    []string{"1.JPG=1", "2.Png=0"}, classes: 2,
		},
		{
			name:    "key up to the first dot",
			members: []string{"v1.0/a.b.png", a, "v1.0/a.cls", "1", "c.x.jpg", b, "c.y.cls", "0"},
			want:    []string{"v1.0/a.b.png=1", "c.x.jpg=0"},
			classes: 2,
		},
		{
			name:    "folders keep samples apart",
			members: []string{"x/1.png", a, "y/1.png", b, "y/1.cls", "1", "./x//1.cls", "0"},
			want:    []string{"x/1.png=0", "y/1.png=1"}, classes: 2,
		},
		{
			name: "hidden members",
			members: []string{
				"1.png", a,
				"._1.png", "x",
				"1.cls", "1",
				"._1.cls", "junk",
				"PaxHeaders.77/1.cls", "junk",
				"./PaxHeader/1.png", "junk",
				"__MACOSX/._1.cls", "9",
			},
			want: []string{"1.png=1"}, classes: 2,
		},
		{
			name:    "a mask next to an image",
			members: []string{"1.seg.png", b, "1.png", a, "1.depth.png", b, "1.cls", "1"},
			want:    []string{"1.png=1"}, classes: 2,
		},
		{
			name:    "a name with a dot among others",
			members: []string{"1.png", a, "1.cls", "1", "2.seg.png", b, "2.cls", "0"},
			want:    []string{"1.png=1", "2.seg.png=0"}, classes: 2,
		},
		{
			name:    "images of one longer key",
			members: []string{"1.input.png", a, "1.target.cls", "1", "2.input.jpg", b, "2.target.cls", "0"},
			want:    []string{"1.input.png=1", "2.input.jpg=0"},
			classes: 2,
		},
		{
			name: "long names", members: []string{long + ".png", a, long + ".cls", "1"},
			want: []string{long + ".png=1"}, classes: 2,
		},
		{
			name:    "folders are classes",
			members: []string{"dog/1.png", a, "./cat/2.png", b, "README", "x"},
			want:    []string{"dog/1.png=1", "cat/2.png=0"}, classes: 2,
		},
		{
			name:    "folders of named classes",
			labels:  Labels{Classes: []string{"fox", "dog", "cat"}},
			members: []string{"dog/1.png", a, "cat/2.png", b},
			want:    []string{"dog/1.png=1", "cat/2.png=2"}, classes: 3,
		},
		{
			name: "folders when told so", labels: Labels{Key: LabelFolder},
			members: []string{"dog/1.png", a, "dog/1.cls", "7", "cat/2.png", b, "cat/2.txt", "words"},
			want:    []string{"dog/1.png=1", "cat/2.png=0"}, classes: 2,
		},
		{
			name: "a member that is named", labels: Labels{Key: "lbl"},
			members: []string{"1.png", a, "1.lbl", "1", "1.cls", "7", "2.png", a, "2.lbl", "0"},
			want:    []string{"1.png=1", "2.png=0"}, classes: 2,
		},
		{
			name: "a key that is named", labels: Labels{Key: "coarse"},
			members: []string{"1.png", a, "1.json", `{"label": 7, "coarse": 1}`},
			want:    []string{"1.png=1"}, classes: 2,
		},
		{
			name: "other texts",
			members: []string{
				"1.png", a, "1.cls", "0",
				"README.txt", "About these images",
				"dataset.json", `{"classes": 2}`,
				"LICENSE", "MIT",
			},
			want: []string{"1.png=0"}, classes: 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := shardsOf(t, c.labels, tarOf(t, c.members...))
			if err != nil {
				t.Fatal(err)
			}
			if got := described(d); !slices.Equal(got, c.want) || len(d.Classes()) != c.classes {
				t.Errorf("%q in classes %q, want %q in %d", got, d.Classes(), c.want, c.classes)
			}
			for i := range d.Len() { // the image is the one that has this name
				at := slices.IndexFunc(c.members, func(m string) bool { return path.Clean(m) == d.samples[i].name })
				content, ok, err := data.Encoded(d, i, nil)
				if err != nil || !ok || string(content) != c.members[at+1] {
					t.Errorf("sample %d: %v, %v, another image", i, ok, err)
				}
			}
		})
	}
}

// A sample that training cannot use is an error that names the shard and the member.
func TestShardErrors(t *testing.T) {
	a, b := string(datatest.PNGOf(t, 10)), string(datatest.PNGOf(t, 20))
	good := tarOf(t, "1.png", a, "1.cls", "0", "2.png", b, "2.cls", "1")
	link := bytes.Clone(good)
	link[156] = '2'
	sum := 0
	copy(link[148:156], "        ")
	for _, v := range link[:512] {
		sum += int(v)
	}
	copy(link[148:], fmt.Sprintf("%06o\x00 ", sum))
	many := make([]string, 0, 40)
	for i := range 10 {
		many = append(many, fmt.Sprintf("%d.png", i), a, fmt.Sprintf("%d.%c", i, 'a'+i), "x")
	}
	pets := Labels{Classes: []string{"cat", "dog"}, From: "classes.txt"}
	for _, c := range []struct {
		name   string
		shards [][]byte
		labels Labels
		want   []string
	}{
		{
			name: "member cut", shards: [][]byte{good[:512+len(a)/2]},
			want: []string{`0.tar: member "1.png"`, "the shard is truncated"},
		},
		{name: "header cut", shards: [][]byte{good[:len(good)-2048-700]}, want: []string{"truncated"}},
		{name: "not a tar", shards: [][]byte{bytes.Repeat([]byte("text "), 300)}, want: []string{"not a tar file"}},
		{name: "climbs", shards: [][]byte{tarOf(t, "../../etc/1.png", a)}, want: []string{"not safe"}},
		{name: "absolute", shards: [][]byte{tarOf(t, "/etc/1.png", a)}, want: []string{"not safe"}},
		{name: "link", shards: [][]byte{link}, want: []string{`member "1.png" is a link or a special file`}},
		{
			name:   "joined with cat",
			shards: [][]byte{slices.Concat(good, tarOf(t, "3.png", a, "3.cls", "0"))},
			want:   []string{`more follows the end of the archive, after member "2.cls"`, "--concatenate"},
		},
		{name: "empty file", shards: [][]byte{good, nil}, want: []string{"1.tar: the file is empty"}},
		{
			name: "no images", shards: [][]byte{tarOf(t, "1.txt", a, "2.npy", a)},
			want: []string{"no images in 1 shard(s); the members are txt, npy"},
		},
		{
			name: "gzip", shards: [][]byte{good, []byte("\x1f\x8b\x08\x00rest of it")},
			want: []string{"1.tar: compressed with gzip", "gunzip "},
		},
		{
			name: "zstd", shards: [][]byte{[]byte("\x28\xb5\x2f\xfdrest of it")},
			want: []string{"compressed with zstd", "zstd -d "},
		},
		{name: "xz", shards: [][]byte{[]byte("\xfd7zXZ\x00rest of it")}, want: []string{"compressed with xz", "unxz "}},
		{name: "bzip2", shards: [][]byte{[]byte("BZh91AY&SY")}, want: []string{"compressed with bzip2", "bunzip2 "}},
		{
			name: "zip", shards: [][]byte{[]byte("PK\x03\x04rest of it")},
			want: []string{"0.tar: a zip file, but a shard is a tar file"},
		},

		{
			name: "no number", shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "dog")},
			want: []string{`0.tar:1.cls: .cls: label "dog" is not a number; labels by name need data.classes`},
		},
		{
			name: "no name", shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "Dog")}, labels: pets,
			want: []string{
				`1.cls: .cls: label "Dog" is neither a number nor one of the 2 class names of classes.txt; did ` +
					`you mean "dog"?`,
			},
		},
		{
			name:   "too large",
			shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "99999999999999999999")},
			want:   []string{"label 99999999999999999999 is not from 0 to 1048575"},
		},
		{
			name:   "negative",
			shards: [][]byte{tarOf(t, "1.png", a, "1.json", `{"label": -1}`)},
			want:   []string{`1.json: .json, key "label": label -1 is negative`},
		},
		{
			name: "fraction", shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "0.5")},
			want: []string{"label 0.5 is not a whole number"},
		},
		{
			name: "empty", shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "\n")},
			want: []string{"1.cls: .cls: the label is empty"},
		},
		{
			name: "over the classes", shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "7")},
			labels: pets,
			want:   []string{"label 7 is not below the number of classes, 2 of classes.txt"},
		},
		{
			name: "counted from 1", shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "2")},
			labels: pets, want: []string{"labels count from 0"},
		},
		{
			name: "not only names", shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "1")},
			labels: Labels{Classes: pets.Classes, Kind: LabelName},
			want:   []string{`label "1" is not one of the 2 class names`},
		},
		{
			name:   "two labels",
			shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "1", "1.json", `{"label": 2}`)},
			want:   []string{`0.tar:1.json: two labels that disagree: 1 in .cls, 2 in .json, key "label"`},
		},
		{
			name:   "two texts",
			shards: [][]byte{tarOf(t, "1.png", a, "1.txt", "0", "1.cls.txt", "1")},
			want:   []string{`1.cls.txt: two labels that disagree: 0 in .txt, 1 in .cls.txt`},
		},
		{
			name:   "two keys",
			shards: [][]byte{tarOf(t, "1.png", a, "1.json", `{"label": 1, "class_id": 0}`)},
			want:   []string{`1.json: two labels that disagree: 0 in .json, key "class_id", 1 in .json, key "label"`},
		},
		{
			name:   "a key twice",
			shards: [][]byte{tarOf(t, "1.png", a, "1.json", `{"label": 1, "label": 0}`)},
			want: []string{
				`1.json: two labels that disagree: 1 in .json, key "label", 0 in .json, key "label"; ` +
					`data.label_key says which counts`,
			},
		},
		{
			name:   "name and number",
			shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "0", "1.json", `{"class": "dog"}`)},
			labels: pets,
			want:   []string{`two labels that disagree: 0 in .cls, dog in .json, key "class"`},
		},

		{
			name:   "image without a label",
			shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "0", "2.png", b)},
			want: []string{
				"0.tar:2.png: an image without a label; the members are png, cls; a label is a member cls",
			},
		},
		{
			name:   "label without an image",
			shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "0", "2.cls", "0")},
			want:   []string{"0.tar:2.cls: a label without an image"},
		},
		{
			name:   "label in json without an image",
			shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "0", "2.json", `{"label": 0}`)},
			want:   []string{"2.json: a label without an image"},
		},
		{
			name:   "labels in another folder",
			shards: [][]byte{tarOf(t, "images/1.png", a, "labels/1.cls", "0")},
			want:   []string{"labels/1.cls: a label without an image"},
		},
		{
			name: "labels in another shard",
			shards: [][]byte{
				tarOf(t, "1.png", a, "1.cls", "0", "2.png", a),
				tarOf(t, "2.cls", "0", "3.png", a, "3.cls", "1"),
			},
			want: []string{
				"1.tar:2.cls: a label without an image; there is one of that name in ",
				"0.tar, but a sample must be in one shard",
			},
		},
		{
			name:   "a caption for a label",
			shards: [][]byte{tarOf(t, "1.png", a, "1.txt", "a dog", "2.png", a, "2.cls", "0")},
			want:   []string{`0.tar:1.png: .txt: label "a dog" is not a number`},
		},
		{
			name:   "broken json",
			shards: [][]byte{tarOf(t, "1.png", a, "1.json", "{", "2.png", a, "2.cls", "0")},
			want:   []string{"1.png: .json: want a JSON object with a label"},
		},

		{
			name:   "two images",
			shards: [][]byte{tarOf(t, "1.png", a, "1.jpg", b, "1.cls", "0")},
			want:   []string{"0.tar:1.jpg: a second image of the same sample, next to 1.png"},
		},
		{
			name:   "names with dots",
			shards: [][]byte{tarOf(t, "img.1.png", a, "img.1.cls", "0", "img.2.png", b, "img.2.cls", "0")},
			want: []string{
				"img.2.png: a second image of the same sample, next to img.1.png; a sample consists of the " +
					"members with the same name up to the first dot",
			},
		},
		{
			name:   "the same member twice",
			shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "0", "1.png", b, "1.cls", "0")},
			want:   []string{`1.png: sample "1" has a member png twice in this shard`},
		},
		{
			name:   "the same label twice",
			shards: [][]byte{tarOf(t, "1.png", a, "1.cls", "0", "1.CLS", "0")},
			want:   []string{`1.CLS: sample "1" has a member cls twice`},
		},
		{
			name:   "a mask without its image",
			shards: [][]byte{tarOf(t, "1.png", a, "1.seg.png", b, "1.cls", "0", "2.seg.png", b, "2.cls", "1")},
			want:   []string{"2.seg.png: the image that it belongs to is missing"},
		},
		{
			name: "key that is nowhere", shards: [][]byte{tarOf(t, "dog/1.png", a, "cat/2.png", b)},
			labels: Labels{Key: "lbl"},
			want:   []string{`data.label_key: no sample has a member or a JSON key "lbl"; the members are png`},
		},
		{
			name:   "folder that is not a class",
			shards: [][]byte{tarOf(t, "dog/1.png", a, "bird/2.png", b)}, labels: pets,
			want: []string{`bird/2.png: no label, and its folder "bird" is not one of the 2 classes`},
		},
		{
			name:   "all of them",
			shards: [][]byte{tarOf(t, many...), tarOf(t, "z.png", a, "z.cls", "0")},
			want: []string{
				"0.png: an image without a label; the members are png, a, b, c, d, e, f, g and 4 more",
				"(and 9 more; data verify lists all)",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := shardsOf(t, c.labels, c.shards...)
			for _, want := range c.want {
				datatest.WantError(t, err, want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("several lines: %v", err)
			}
		})
	}
}

// If class names look like numbers, the labels of the whole data set decide whether labels are
// names or numbers.
func TestShardsOfNumberNames(t *testing.T) {
	a := string(datatest.PNGOf(t, 10))
	of := func(labels ...string) []byte {
		var members []string
		for i, l := range labels {
			members = append(members, fmt.Sprintf("%d.png", i), a, fmt.Sprintf("%d.cls", i), l)
		}
		return tarOf(t, members...)
	}
	sorted := []string{"1", "10", "2", "3"} // as folders sort
	for _, c := range []struct {
		name    string
		classes []string
		kind    LabelKind
		labels  []string
		want    []int
		found   LabelKind
		err     string
	}{
		{name: "names", classes: sorted, labels: []string{"1", "2", "10"}, want: []int{0, 2, 1}, found: LabelName},
		{
			name: "numbers", classes: sorted, labels: []string{"0", "1", "2", "3"},
			want: []int{0, 1, 2, 3}, found: LabelNumber,
		},
		{
			name: "either", classes: sorted, labels: []string{"1", "2"},
			err: `0.png: label 1 may be the name of class 0 or the number of class 1, "10": say which with ` +
				`data.label_kind`,
		},
		{
			name: "told names", classes: sorted, kind: LabelName, labels: []string{"1", "2"},
			want: []int{0, 2}, found: LabelName,
		},
		{
			name: "told numbers", classes: sorted, kind: LabelNumber, labels: []string{"1", "2"},
			want: []int{1, 2}, found: LabelNumber,
		},
		{
			name: "both mean the same", classes: []string{"0", "1", "2"},
			labels: []string{"2", "1", "0"}, want: []int{2, 1, 0}, found: LabelAuto,
		},
		{
			name: "years", classes: []string{"2019", "2020"}, labels: []string{"2020", "2019"},
			want: []int{1, 0}, found: LabelName,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := shardsOf(t, Labels{Classes: c.classes, Kind: c.kind}, of(c.labels...))
			if c.err != "" {
				datatest.WantError(t, err, c.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for i := range d.Len() {
				got = append(got, d.Label(i))
			}
			if !slices.Equal(got, c.want) || d.LabelKind() != c.found {
				t.Errorf("labels %v by %s, want %v by %s", got, d.LabelKind(), c.want, c.found)
			}
		})
	}
}

// The opener says which files it leaves out and what it assumes.
func TestShardNotes(t *testing.T) {
	a, b := string(datatest.PNGOf(t, 10)), string(datatest.PNGOf(t, 20))
	d, err := shardsOf(
		t, Labels{},
		tarOf(
			t,
			"1.png", a, "1.seg.png", b, "1.cls", "0",
			"2.png", a, "2.seg.png", b, "2.depth.png", b, "2.cls", "1",
			"._2.png", b,
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	want := "3 extra images of samples are left out: seg.png 2, depth.png 1; 1 hidden file or folder is left out"
	if text := data.DescribeLeftOut(data.LeftOutOf(data.Subset(d, []int{1}))); text != want {
		t.Error(text)
	}
	if d, err = shardsOf(t, Labels{}, tarOf(t, "dog/1.png", a, "cat/2.png", b)); err != nil {
		t.Fatal(err)
	}
	want = `the shards have no labels (members: png), so that the 2 folders in them are the classes: "cat", "dog"`
	if notes := data.NotesOf(d); len(notes) != 1 || notes[0] != want {
		t.Errorf("%q", notes)
	}
	cut := tarOf(t, "1.png", a, "1.cls", "0")
	if d, err = shardsOf(t, Labels{}, cut[:len(cut)-1024]); err != nil {
		t.Fatal(err)
	}
	want = `0.tar does not end as a tar file does: it may have been cut short after member "1.cls"`
	if notes := data.NotesOf(d); len(notes) != 1 || !strings.HasSuffix(notes[0], want) {
		t.Errorf("%q", notes)
	}
	// A text that is not a label is not a fault if no sample has a label: training without labels
	// needs none.
	captions := tarOf(t, "a/1.png", a, "a/1.txt", "a dog", "b/2.png", b, "b/2.txt", "a cat")
	if d, err = shardsOf(t, Labels{}, captions); err != nil || !data.Unlabelled(d) {
		t.Fatal(d, err)
	}
	err = data.CheckLabels(d, "training")
	datatest.WantError(t, err, "the 2 training images have no labels, which a classifier needs: ")
	datatest.WantError(t, err,
		`0.tar:a/1.png: .txt: label "a dog" is not a number; labels by name need data.classes, a file with the `+
			`name of a class in each line; the members are png, txt; a label is a member cls, label`)
}

func TestShardThatBecomesShorter(t *testing.T) {
	a, b := string(datatest.PNGOf(t, 10)), string(datatest.PNGOf(t, 20))
	path := filepath.Join(t.TempDir(), "train-0.tar")
	datatest.WriteFile(t, path, tarOf(t, "1.png", a, "1.cls", "0", "2.png", b, "2.cls", "1"))
	d, err := OpenShards([]string{path}, Labels{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := d.Image(1); err != nil || m.Pix[0] != 20 {
		t.Error(err)
	}
	if err := os.Truncate(path, 600); err != nil {
		t.Fatal(err)
	}
	_, err = d.Image(1)
	datatest.WantError(t, err, "shorter than it was, at "+path+":2.png")
}
