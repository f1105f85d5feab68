package sweep

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"fasternet/checkpoints"
	"fasternet/internal/disk"
)

// JournalFile records what a sweep has begun and finished: a JSON object per line, synced before the sweep continues.
const JournalFile = "sweep.jsonl"

// entry is a line of the journal.
type entry struct {
	Kind string `json:"kind"`

	// plan: what was requested.
	Plan *recorded `json:"plan,omitempty"`

	// begin and end of a job.
	Trial  int     `json:"trial,omitempty"`  // from 1
	Rung   int     `json:"rung,omitempty"`   // from 1
	Result *Result `json:"result,omitempty"` // of end
}

// The kinds of entries.
const (
	planned = "plan"
	begun   = "begin"
	ended   = "end"
)

// recorded must stay the same when a sweep is resumed. Trials may be added.
type recorded struct {
	Config    string      `json:"config"`
	Search    string      `json:"search"`
	Seed      uint64      `json:"seed"`
	Metric    string      `json:"metric"`
	Settings  []string    `json:"settings"`
	Space     []recordKey `json:"space"`
	MinEpochs int         `json:"min_epochs,omitempty"`
	Reduction int         `json:"reduction,omitempty"`
	Epochs    int         `json:"epochs"`
}

type recordKey struct {
	Key   string `json:"key"`
	Range string `json:"range"`
}

// Result is the state of a trial after a rung.
type Result struct {
	Epochs    int     `json:"epochs"`               // trained epochs
	BestEpoch int     `json:"best_epoch,omitempty"` // from 1
	Top1      float64 `json:"top1,omitempty"`       // percent, of the best checkpoint up to there
	Top5      float64 `json:"top5,omitempty"`
	Loss      float64 `json:"loss"`
	Count     int     `json:"count,omitempty"` // validation images
	Error     string  `json:"error,omitempty"` // why it failed, without figures
	Early     bool    `json:"stopped_early,omitempty"`
}

// journal appends to the file.
type journal struct{ file *disk.File }

// openJournal reads the journal, and opens it to append. It drops a last line that a crash has cut off. Any other
// unreadable line is an error, because its information is lost.
func openJournal(dir string) (*journal, []entry, error) {
	path := filepath.Join(dir, JournalFile)
	text, err := disk.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("sweep: %w", err)
	}
	var all []entry
	whole := 0
	for r, number := bufio.NewReader(bytes.NewReader(text)), 1; ; number++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // a line without an end was cut off
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, nil, fmt.Errorf("%s:%d: it is damaged: %w; "+
				"remove the line to let the sweep train these trials again",
				path, number, err)
		}
		all = append(all, e)
		whole += len(line)
	}
	if whole < len(text) {
		err := checkpoints.WriteAtomic(path, func(w io.Writer) error {
			_, err := w.Write(text[:whole])
			return err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("sweep: %w", err)
		}
	}
	f, err := disk.AppendTo(path)
	if err != nil {
		return nil, nil, fmt.Errorf("sweep: %w", err)
	}
	return &journal{f}, all, nil
}

// add appends an entry and syncs it.
func (j *journal) add(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("%s: %w", JournalFile, err)
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s: %w", JournalFile, err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("%s: %w", JournalFile, err)
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }
