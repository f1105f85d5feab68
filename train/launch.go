package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"fasternet/configs"
	"fasternet/internal/printable"
)

// LaunchesFile records for every process that trained in the folder what it ran on and how it ended: a JSON object
// at the beginning and one at the end.
const LaunchesFile = "launches.jsonl"

// Launch is a process that trained in the folder of a run.
type Launch struct {
	Kind    string    `json:"kind"` // begin
	Time    time.Time `json:"time"`
	Batches int       `json:"batches"` // finished batches of the run when the process began
	PID     int       `json:"pid"`

	Preset      string `json:"preset,omitempty"` // preset or file of the configuration
	Program     string `json:"program,omitempty"`
	Go          string `json:"go"`
	Platform    string `json:"platform"`
	Processor   string `json:"processor"`
	Threads     int    `json:"threads"`
	Ranks       int    `json:"ranks,omitempty"` // number of ranks, if several
	Kernels     string `json:"kernels"`
	Precision   string `json:"precision,omitempty"`    // fp32, or bf16 and its path: "bf16 (amx)"
	MemoryLimit int64  `json:"memory_limit,omitempty"` // GOMEMLIMIT in bytes
	Model       string `json:"model"`                  // description
	Parameters  int    `json:"parameters"`
	TrainImages int    `json:"train_images"`
	ValImages   int    `json:"val_images"`
	Steps       int    `json:"steps"` // batches per epoch

	// Paths are the absolute forms of the relative paths in the configuration.
	Paths configs.Paths `json:"paths,omitempty"`

	End *Ending `json:"end,omitempty"` // nil during training, or after a kill
}

// Ways in which a process ends.
const (
	Finished  = "finished"
	Stopped   = "interrupted"
	Diverged  = "diverged"
	Failed    = "failed"
	beginning = "begin"
	ending    = "end"
)

// Ending is how a process ended.
type Ending struct {
	Kind    string    `json:"kind"` // end
	State   string    `json:"state"`
	Message string    `json:"message,omitempty"` // the error
	Time    time.Time `json:"time"`
	Epoch   int       `json:"epoch"` // finished epochs
	Batches int       `json:"batches"`
}

// begin records that this process trains.
func (t *trainer) begin(o Options) error {
	s := t.launch()
	s.Kind, s.Time, s.Batches, s.PID = beginning, t.began.Round(0), t.progress.Batches, os.Getpid()
	s.Preset, s.Program, s.Paths = o.Preset, o.Program, t.paths
	s.Model, s.Parameters = t.task.describe(), t.task.store().Parameters()
	s.TrainImages, s.ValImages, s.Steps = t.train.Len(), t.val.Len(), t.steps
	if n := t.ranks.Size(); n > 1 {
		s.Ranks = n
	}
	if limit := debug.SetMemoryLimit(-1); limit < 1<<50 {
		s.MemoryLimit = limit
	}
	return t.folder.appendLaunch(s)
}

// end records how this process ended. A failure to write it is not an error of the run.
func (t *trainer) end(err error) {
	e := Ending{
		Kind:    ending,
		State:   Finished,
		Time:    clock().Round(0),
		Epoch:   t.progress.Epoch,
		Batches: t.progress.Batches,
	}
	var diverged *DivergedError
	switch {
	case err == nil && t.paused() && t.more(): // Options.Until
		e.State = Stopped
	case err == nil:
	case errors.Is(err, ErrInterrupted):
		e.State = Stopped
	case errors.As(err, &diverged):
		e.State, e.Message = Diverged, err.Error()
	default:
		e.State, e.Message = Failed, err.Error()
	}
	if err := t.folder.appendLaunch(e); err != nil {
		t.show.Line("warning: %v", err)
	}
}

func (f *Folder) appendLaunch(v any) error {
	if f == nil {
		return nil
	}
	line, err := printable.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", LaunchesFile, err)
	}
	file, err := appendTo(f.path(LaunchesFile))
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	return nil
}

// Launches reads the records of the processes, in order.
func (f *Folder) Launches() ([]Launch, error) {
	var all []Launch
	err := eachLine(f.path(LaunchesFile), func(_ int, line []byte) {
		var s Launch
		var e Ending
		switch {
		case json.Unmarshal(line, &s) != nil: // a crash cut it off
		case s.Kind == beginning:
			all = append(all, s)
		case s.Kind == ending && len(all) > 0 && json.Unmarshal(line, &e) == nil:
			all[len(all)-1].End = &e
		}
	})
	return all, err
}
