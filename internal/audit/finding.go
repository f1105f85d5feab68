// Package audit finds what is wrong with a data set, and where a configuration does not
// fit its data set. It never stops at the first finding.
package audit

// Level says how bad a finding is.
type Level string

// The levels.
const (
	Error Level = "error" // training fails, or its numbers mislead
	Note  Level = "note"  // possible, but perhaps not meant
)

// Kind says what a finding is about.
type Kind string

// The kinds.
const (
	Unopened Kind = "unopened"  // a part of the data set cannot be opened
	Fault    Kind = "fault"     // a folder or a list is not as it should be
	Broken   Kind = "broken"    // an image that cannot be used
	Leak     Kind = "leak"      // one image in training and in validation
	Conflict Kind = "conflict"  // one image in two classes
	Repeat   Kind = "repeat"    // one image twice in a class
	Classes  Kind = "classes"   // classes that a part does not have
	Remark   Kind = "remark"    // something that the opener of a part noticed
	LeftOut  Kind = "left_out"  // files that are not images of the data set
	Tiny     Kind = "tiny"      // an image with a short side
	Huge     Kind = "huge"      // an image with many pixels
	Pixels   Kind = "pixels"    // a setting loses something of images
	Setting  Kind = "setting"   // a setting that does not fit the data set
	NotThere Kind = "not_there" // there is no data set to look at
)

// Finding is something that is wrong, or may be.
type Finding struct {
	Level Level  `json:"level"`
	Kind  Kind   `json:"kind"`
	Text  string `json:"text"`
	// Samples are those that it is about, or files.
	Samples []string `json:"samples,omitempty"`
}

// Report is what was found.
type Report struct {
	Images   int       `json:"images"` // that were looked at
	Findings []Finding `json:"findings"`
}

func (r *Report) add(level Level, kind Kind, text string, samples ...string) {
	r.Findings = append(r.Findings, Finding{level, kind, text, samples})
}

// Count is the number of findings of a kind.
func (r *Report) Count(kind Kind) int {
	n := 0
	for _, f := range r.Findings {
		if f.Kind == kind {
			n++
		}
	}
	return n
}

// Errors is the number of findings that are errors.
func (r *Report) Errors() int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == Error {
			n++
		}
	}
	return n
}
