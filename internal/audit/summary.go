package audit

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"fasternet/internal/printable"
)

// order lists the kinds in the order in which they are reported, with the words for their
// errors.
var order = []struct {
	kind      Kind
	one, many string
}{
	{Unopened, "part cannot be opened", "parts cannot be opened"},
	{Fault, "folder or list has an error", "folders or lists have errors"},
	{Broken, "of %d images is broken", "of %d images are broken"},
	{Leak, "image is in training and validation", "images are in training and validation"},
	{Conflict, "image is in two classes", "images are in two classes"},
	{Setting, "setting does not fit", "settings do not fit"},
	{Classes, "finding about classes", "findings about classes"},
	{Repeat, "", ""},
	{Tiny, "", ""},
	{Huge, "", ""},
	{Pixels, "", ""},
	{Remark, "", ""},
	{LeftOut, "", ""},
	{NotThere, "", ""},
}

// sort sorts the findings by their kinds.
func (r *Report) sort() {
	at := map[Kind]int{}
	for i, o := range order {
		at[o.kind] = i
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return at[a.Kind] - at[b.Kind] })
}

// Counts holds the numbers of images and of findings.
type Counts struct {
	Images   int `json:"images"`
	Broken   int `json:"broken"`
	Faults   int `json:"faults"` // folders and lists with errors, and parts that cannot be opened
	Leak     int `json:"in_training_and_validation"`
	Conflict int `json:"in_two_classes"`
	Repeat   int `json:"more_than_once_in_a_class"`
	Classes  int `json:"classes"`
	LeftOut  int `json:"left_out"` // number of files
	Tiny     int `json:"tiny"`
	Huge     int `json:"huge"`
	Errors   int `json:"errors"` // findings that are errors
	Notes    int `json:"notes"`  // other findings
}

// Counts counts what was found.
func (r *Report) Counts() Counts {
	left := 0
	for _, f := range r.Findings {
		if f.Kind == LeftOut {
			left += len(f.Samples)
		}
	}
	return Counts{
		Images: r.Images, Broken: r.Count(Broken), Faults: r.Count(Fault) + r.Count(Unopened),
		Leak: r.Count(Leak), Conflict: r.Count(Conflict), Repeat: r.Count(Repeat),
		Classes: r.Count(Classes), LeftOut: left, Tiny: r.Count(Tiny), Huge: r.Count(Huge),
		Errors: r.Errors(), Notes: len(r.Findings) - r.Errors(),
	}
}

// Write writes a line for each finding, and for each file that is left out. It writes at most
// this many of a kind, 0 for all, but always all images that cannot be used and all faults of
// folders and lists.
func (r *Report) Write(w io.Writer, most int) error {
	var b strings.Builder
	for _, o := range order {
		written, left := 0, 0
		for _, f := range r.Findings {
			if f.Kind != o.kind {
				continue
			}
			if most > 0 && written == most && o.kind != Broken && o.kind != Fault {
				left++
				continue
			}
			written++
			printable.Fprintf(&b, "%s: %s\n", f.Level, f.Text)
			if f.Kind == LeftOut {
				writeFiles(&b, f.Samples, most)
			}
		}
		if left > 0 {
			printable.Fprintf(&b, "… and %d more like these; --list 0 lists all\n", left)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeFiles(b *strings.Builder, files []string, most int) {
	if most == 0 {
		most = len(files)
	}
	for _, file := range files[:min(len(files), most)] {
		printable.Fprintf(b, "  %s\n", file)
	}
	if more := len(files) - most; more > 0 {
		printable.Fprintf(b, "  … and %d more; --list 0 lists all\n", more)
	}
}

// Err sums up the errors in one line; nil if there are only notes.
func (r *Report) Err() error {
	var parts []string
	for _, o := range order {
		n := 0
		for _, f := range r.Findings {
			if f.Kind == o.kind && f.Level == Error {
				n++
			}
		}
		if n == 0 {
			continue
		}
		what := o.many
		if n == 1 {
			what = o.one
		}
		if o.kind == Broken {
			what = fmt.Sprintf(what, r.Images)
		}
		parts = append(parts, fmt.Sprintf("%d %s", n, what))
	}
	if len(parts) == 0 {
		return nil
	}
	return errors.New(strings.Join(parts, "; "))
}
