package data

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/data/picture"
)

// LeftOut is a file or a folder among the images of a dataset that is not one of its
// samples.
type LeftOut struct {
	Path   string // of the file, or shard and member
	Reason Reason
}

// Reason says why a file is left out.
type Reason string

// The reasons. Nothing in a hidden folder is looked at.
const (
	OtherEnding Reason = "ending"     // it does not end as an image does
	Unreadable  Reason = "unreadable" // it has no ending, and its content cannot be read
	// Its name starts with a dot, or it is a folder of the system (__MACOSX, @eaDir, …).
	Hidden     Reason = "hidden"
	Outside    Reason = "outside"     // an image that lies in no class folder
	OtherClass Reason = "class"       // a folder that the class map (data.classes) does not have
	ExtraImage Reason = "extra"       // an image next to the image of its sample in a shard, such as a mask
	NoImages   Reason = "empty"       // a folder without images that is not a class of the training part
	RunFolder  Reason = "run"         // the folder of a training run, or a folder with nothing but such folders
	BrokenLink Reason = "broken link" // a symbolic link to nothing, without the name of an image
	Special    Reason = "special"     // a pipe, a socket or a device
)

// reasons has the words for each reason, for one file and for several, in the order in
// which messages list them.
var reasons = []struct {
	reason    Reason
	one, many string
}{
	{OtherEnding, "file with another ending", "files with other endings"},
	{Unreadable, "file without an ending, which cannot be read,", "files without an ending, which cannot be read,"},
	{Outside, "image outside the class folders", "images outside the class folders"},
	{OtherClass, "folder that is not a class of data.classes", "folders that are not a class of data.classes"},
	{NoImages, "folder without images", "folders without images"},
	{RunFolder, "folder of training runs", "folders of training runs"},
	{ExtraImage, "extra image of a sample", "extra images of samples"},
	{BrokenLink, "broken link", "broken links"},
	{Special, "pipe, socket or device", "pipes, sockets and devices"},
	{Hidden, "hidden file or folder", "hidden files and folders"},
}

// fewEndings is how many endings a message lists.
const fewEndings = 8

// Leaver is a dataset that knows which files its opener has left out.
type Leaver interface{ LeftOut() []LeftOut }

// LeftOutOf lists the files that the opener of a dataset has left out, in the order in
// which it found them. For a part or a view of a dataset it lists the files of the whole.
func LeftOutOf(ds Dataset) []LeftOut {
	if l, ok := undivided(ds).(Leaver); ok {
		return l.LeftOut()
	}
	return nil
}

// undivided returns the dataset that a view or a part was made from.
func undivided(ds Dataset) Dataset {
	for {
		w, ok := ds.(wrapper)
		if !ok {
			return ds
		}
		ds = w.source()
	}
}

// DescribeLeftOut says in one line how many files are left out and why, with the endings
// of the files that are not images by name. It returns "" if there are none.
func DescribeLeftOut(left []LeftOut) string {
	count := map[Reason]int{}
	for _, l := range left {
		count[l.Reason]++
	}
	var parts []string
	for _, r := range reasons {
		n := count[r.reason]
		if n == 0 {
			continue
		}
		are, what := "are", r.many
		if n == 1 {
			are, what = "is", r.one
		}
		text := fmt.Sprintf("%d %s %s left out", n, what, are)
		switch r.reason {
		case OtherEnding:
			text += ": " + describeEndings(left, r.reason, endingOf) + UnreadHint(left)
		case ExtraImage:
			text += ": " + describeEndings(left, r.reason, memberKey)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// UnreadHint says which of the files left out are images in formats that are not supported, and
// what to do. It returns "" if there are none.
func UnreadHint(left []LeftOut) string {
	count, unread := map[string]int{}, 0
	for _, l := range left {
		ending := strings.ToLower(endingOf(l.Path))
		if l.Reason == OtherEnding && slices.Contains(picture.UnreadEndings, ending) {
			count[ending]++
			unread++
		}
	}
	if unread == 0 {
		return ""
	}
	endings := strings.Join(slices.Sorted(maps.Keys(count)), ", ")
	if unread == 1 {
		return fmt.Sprintf(" (the %s file is an image in a format that is not supported; %v)",
			endings, picture.ErrConvert)
	}
	return fmt.Sprintf(" (the %d files %s are images in formats that are not supported; %s)",
		unread, endings, picture.ConvertThem)
}

// endingOf returns the ending of a file, or of a member of a shard.
func endingOf(name string) string {
	base := filepath.Base(name)
	if at := strings.LastIndex(base, ".tar:"); at >= 0 {
		base = base[at+len(".tar:"):]
	}
	return filepath.Ext(base)
}

// memberKey returns what follows the first dot in the base name of a shard:member.
func memberKey(name string) string {
	base := path.Base(name)
	_, key, _ := strings.Cut(base[strings.LastIndexByte(base, ':')+1:], ".")
	return key
}

// describeEndings counts the endings of the files that are left out for this reason, the
// most frequent first.
func describeEndings(left []LeftOut, why Reason, endingOf func(string) string) string {
	count := map[string]int{}
	var endings []string
	for _, l := range left {
		if l.Reason != why {
			continue
		}
		ending := strings.ToLower(endingOf(l.Path))
		if ending == "" {
			ending = "none"
		}
		if count[ending] == 0 {
			endings = append(endings, ending)
		}
		count[ending]++
	}
	slices.SortStableFunc(endings, func(a, b string) int { return count[b] - count[a] })
	var parts []string
	for _, e := range endings[:min(len(endings), fewEndings)] {
		parts = append(parts, fmt.Sprintf("%s %d", e, count[e]))
	}
	if more := len(endings) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more endings", more))
	}
	return strings.Join(parts, ", ")
}
