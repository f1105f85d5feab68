package collective

import (
	"errors"
)

// RankError is an error of one rank that all ranks know.
type RankError struct {
	Rank int
	Name string // of the rank
	Err  error  // on other ranks an error with the same text, of the kind that Agree was told about
}

func (e *RankError) Error() string { return e.Name + ": " + e.Err.Error() }

func (e *RankError) Unwrap() error { return e.Err }

// Agree tells all ranks about the errors that some of them have. It returns nil if no rank has an
// error, and otherwise a *RankError for the first rank that has one. If errors.Is finds one of
// kinds in this error, it does so on all ranks. In a group of one the error stays as it is.
//
// All ranks call it after each has done its own part.
func Agree(g Group, err error, kinds ...error) error {
	if g.Size() == 1 {
		return err
	}
	var own []byte // empty for no error; otherwise the number of the kind, from 1, and the text
	if err != nil {
		kind := byte(0)
		for i, k := range kinds {
			if errors.Is(err, k) {
				kind = byte(i + 1)
				break
			}
		}
		own = append([]byte{kind}, err.Error()...)
	}
	all, failure := g.Gather(own)
	if failure != nil {
		return errors.Join(err, failure)
	}
	for rank, text := range all {
		if len(text) == 0 {
			continue
		}
		e := &RankError{Rank: rank, Name: g.Name(rank), Err: err}
		if rank != g.Rank() {
			e.Err = &told{string(text[1:]), nil}
			if k := int(text[0]); k > 0 && k <= len(kinds) {
				e.Err = &told{string(text[1:]), kinds[k-1]}
			}
		}
		return e
	}
	return nil
}

// told is the error of another rank.
type told struct {
	text string
	kind error
}

func (e *told) Error() string { return e.text }

func (e *told) Unwrap() error { return e.kind }
