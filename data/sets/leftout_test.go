package sets

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fasternet/data"
	"fasternet/data/picture"
	"fasternet/internal/datatest"
)

func TestDescribeLeftOut(t *testing.T) {
	of := func(why data.Reason, paths ...string) (left []data.LeftOut) {
		for _, p := range paths {
			left = append(left, data.LeftOut{Path: p, Reason: why})
		}
		return left
	}
	many := of(data.OtherEnding, "a.1", "a.2", "a.3", "a.4", "a.5", "a.6", "a.7", "a.8", "a.9", "b.9", "a.10")
	for _, c := range []struct {
		name string
		left []data.LeftOut
		want string
	}{
		{"nothing", nil, ""},
		{"one", of(data.OtherEnding, "x/a.GIF"), "1 file with another ending is left out: .gif 1"},
		{"as many of each", of(data.OtherEnding, "a.jfif", "b.gif", "c.ppm", "d", "D.JFIF", "e.gif", "f.ppm", "x.y/g"),
			"8 files with other endings are left out: .jfif 2, .gif 2, .ppm 2, none 2"},
		{
			"members of shards",
			of(data.OtherEnding, "a/x.tar:README", "a/x.tar:b/notes.TXT"),
			"2 files with other endings are left out: none 1, .txt 1",
		},
		{
			"the most first", of(data.OtherEnding, "a.txt", "b.gif", "c.gif"),
			"3 files with other endings are left out: .gif 2, .txt 1",
		},
		{
			"an image that is not supported", of(data.OtherEnding, "a.HEIC", "b.txt"),
			"2 files with other endings are left out: .heic 1, .txt 1 " +
				"(the .heic file is an image in a format that is not supported; " + picture.ErrConvert.Error() + ")",
		},
		{
			"images that are not read", of(data.OtherEnding, "a.heic", "b.avif", "c.heic"),
			"3 files with other endings are left out: .heic 2, .avif 1 " +
				"(the 3 files .avif, .heic are images in formats that are not supported; " + picture.ConvertThem + ")",
		},
		{
			"many endings", many,
			"11 files with other endings are left out: .9 2, .1 1, .2 1, .3 1, .4 1, .5 1, .6 1, .7 1, and 2 " +
				"more endings",
		},
		{
			"several reasons",
			slices.Concat(
				of(data.Hidden, ".a", ".b"),
				of(data.Outside, "c.png"),
				of(data.OtherEnding, "d.txt"),
				of(data.BrokenLink, "e"),
				of(data.Special, "f"),
				of(data.OtherClass, "g"),
			),
			"1 file with another ending is left out: .txt 1; " +
				"1 image outside the class folders is left out; " +
				"1 folder that is not a class of data.classes is left out; " +
				"1 broken link is left out; " +
				"1 pipe, socket or device is left out; " +
				"2 hidden files and folders are left out",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := data.DescribeLeftOut(c.left); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Everything in the folder is a sample, or left out with a reason, or a fault. Nothing is skipped
// in silence.
func TestLeftOutAndFaults(t *testing.T) {
	root := t.TempDir()
	writeTree(t, root,
		"cat/1.png", "cat/.cache/2.png", "cat/.DS_Store", "cat/deep/er/3.png", "cat/deep/er/notes.txt",
		"cat/4.avif", "cat/img.0005", "dog/1.png", "fox/1.png", "stray.png", "labels.csv", ".git/x.png")
	datatest.WriteFile(t, filepath.Join(root, "cat", "README"), []byte("images of cats"))
	symlink(t, "nowhere", filepath.Join(root, "cat", "old"))
	symlink(t, "nowhere", filepath.Join(root, "cat", "9.png"))
	symlink(t, "..", filepath.Join(root, "dog", "up"))
	os.Mkdir(filepath.Join(root, "empty"), 0o755)
	symlink(t, "nowhere", filepath.Join(root, "gone"))

	left := func(d *ImageFolder) (got []string) {
		for _, l := range d.LeftOut() {
			rel, _ := filepath.Rel(root, l.Path)
			got = append(got, filepath.ToSlash(rel)+" "+string(l.Reason))
		}
		slices.Sort(got)
		return got
	}
	d, err := InspectClassFolders(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		".git hidden", "cat/.DS_Store hidden", "cat/.cache hidden", "cat/4.avif ending", "cat/README ending",
		"cat/deep/er/notes.txt ending", "cat/old broken link", "labels.csv ending", "stray.png outside",
	}
	if got := left(d); !slices.Equal(got, want) {
		t.Errorf("left out %q\nwant     %q", got, want)
	}
	if want := []string{"cat", "dog", "empty", "fox", "gone"}; !slices.Equal(d.Classes(), want) || d.Len() != 6 {
		t.Errorf("%d images of %q, want 6 of %q", d.Len(), d.Classes(), want)
	}
	faults := ""
	images := 0
	for _, f := range d.Faults() {
		faults += f.Err.Error() + "\n"
		if f.Image {
			images++
		}
	}
	for _, want := range []string{"9.png", "leads back", "empty: no images", "gone"} {
		if !strings.Contains(faults, want) {
			t.Errorf("the faults do not name %s:\n%s", want, faults)
		}
	}
	if n := len(d.Faults()); n != 4 || images != 1 {
		t.Errorf("%d faults with %d images, want 4 with 1:\n%s", n, images, faults)
	}
	_, err = OpenClassFolders(root, nil)
	datatest.WantError(t, err, "and 3 more; data verify lists all")

	d, err = InspectClassFolders(root, []string{"fox", "cat", "wolf"})
	if err != nil || d.Len() != 5 {
		t.Fatalf("%d images, %v", d.Len(), err)
	}
	want = append(want[:8:8], "dog class", "empty class", "gone broken link", "labels.csv ending", "stray.png outside")
	want = slices.Compact(slices.Sorted(slices.Values(want)))
	if got := left(d); !slices.Equal(got, want) {
		t.Errorf("with a class map left out %q\nwant %q", got, want)
	}
	if err := data.CheckFaults(data.Few(d, 1, 0), true); err == nil ||
		!strings.Contains(err.Error(), `class 2, "wolf"`) {
		t.Errorf("a part of it: %v", err)
	}
	if got := data.LeftOutOf(data.Few(data.Few(d, 2, 0), 1, 0)); len(got) != len(want) {
		t.Errorf("a part of a part has left out %d, want %d", len(got), len(want))
	}
}

// A link to nothing with the name of an image is an image that cannot be read: it is an error, or
// is skipped.
func TestBrokenImageLink(t *testing.T) {
	root := t.TempDir()
	writeTree(t, root, "a/1.png")
	symlink(t, "nowhere", filepath.Join(root, "a", "2.png"))
	d, err := InspectClassFolders(root, nil)
	if err != nil || d.Len() != 2 {
		t.Fatalf("%+v, %v", d, err)
	}
	if err := data.CheckFaults(d, true); err != nil {
		t.Errorf("skipped: %v", err)
	}
	datatest.WantError(t, data.CheckFaults(d, false), "2.png")
	_, err = d.Image(1)
	datatest.WantError(t, err, "2.png is a symbolic link to nothing")
	if v, err := data.Verify(t.Context(), d, data.VerifyOptions{Workers: 2}); err != nil ||
		len(v.Broken) != 1 || v.Broken[0].Index != 1 {
		t.Errorf("verify: %+v, %v", v, err)
	}
	if files, _, err := ListImages(root); err != nil || len(files) != 2 {
		t.Errorf("listed: %v, %v", files, err)
	}
}
