// Package audit finds faults of a data set, and settings of a configuration that do not fit its
// data set. It reports all findings, not only the first.
package audit

// Level says how bad a finding is.
type Level string

// The levels.
const (
	Error Level = "error" // training fails, or its numbers mislead
	Note  Level = "note"  // possible, but perhaps a mistake
)

// Kind says what a finding is about.
type Kind string

// The kinds.
const (
	Unopened Kind = "unopened"  // a part of the data set cannot be opened
	Fault    Kind = "fault"     // a folder or a list has an error
	Broken   Kind = "broken"    // an image cannot be used
	Leak     Kind = "leak"      // an image is in training and in validation
	Conflict Kind = "conflict"  // an image is in two classes
	Repeat   Kind = "repeat"    // an image is twice in a class
	Classes  Kind = "classes"   // classes that a part does not have
	Remark   Kind = "remark"    // a remark of the opener of a part
	LeftOut  Kind = "left_out"  // files that are not images of the data set
	Tiny     Kind = "tiny"      // an image with a short side
	Huge     Kind = "huge"      // an image with many pixels
	Pixels   Kind = "pixels"    // a setting loses a part of the images
	Setting  Kind = "setting"   // a setting does not fit the data set
	NotThere Kind = "not_there" // there is no data set to look at
)

// Finding is an error, or a possible mistake.
type Finding struct {
	Level Level  `json:"level"`
	Kind  Kind   `json:"kind"`
	Text  string `json:"text"`
	// Samples names the samples or the files concerned.
	Samples []string `json:"samples,omitempty"`
}

// Report holds the findings.
type Report struct {
	Images   int       `json:"images"` // number of images that were looked at
	Findings []Finding `json:"findings"`
}

func (r *Report) add(level Level, kind Kind, text string, samples ...string) {
	r.Findings = append(r.Findings, Finding{level, kind, text, samples})
}

// Count returns the number of findings of a kind.
func (r *Report) Count(kind Kind) int {
	n := 0
	for _, f := range r.Findings {
		if f.Kind == kind {
			n++
		}
	}
	return n
}

// Errors returns the number of findings that are errors.
func (r *Report) Errors() int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == Error {
			n++
		}
	}
	return n
}
