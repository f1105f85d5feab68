package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fasternet/configs"
	"fasternet/eval/viz"
	"fasternet/internal/disk"
	"fasternet/train"
)

// Run is the content of the folder of a run.
type Run struct {
	Dir        string
	Name       string // of the folder
	Config     *configs.Config
	Steps      []train.Record // neighbours are merged if the log is long
	Epochs     []train.Record
	Scores     []train.Score // of the evaluated epochs
	Launches   []train.Launch
	Evaluation *train.Evaluation // of the best epoch; nil if there is none
	// Labels is the evaluation of the best epoch for task multilabel; nil if there is none.
	Labels   *train.LabelEvaluation
	Files    []File    // checkpoints
	Samples  []string  // pictures that a pre-training drew, in order
	Modified time.Time // when the log was written last

	perEpoch int             // batches
	times    map[int]float64 // see elapsed
	ends     map[int]int     // batches at the end of an epoch
	looks    *looks          // set by Examine
	sheet    *viz.Sheet      // set by Examine
}

// File is a checkpoint on disk.
type File struct {
	Name string
	Size int64
	Time time.Time
}

// Load reads the folder of a run, which may be in progress.
func Load(dir string) (*Run, error) {
	if !train.Holds(dir) {
		return nil, fmt.Errorf("%s: want the folder of a run: it has no %s", dir, train.ConfigFile)
	}
	r := &Run{Dir: dir, Name: filepath.Base(filepath.Clean(dir))}
	if absolute, err := filepath.Abs(dir); err == nil {
		r.Name = filepath.Base(absolute)
	}
	var err error
	if r.Config, err = train.Config(dir); err != nil {
		return nil, err
	}
	f := &train.Folder{Dir: dir}
	var steps history
	r.perEpoch = 1
	err = f.EachRecord(func(rec train.Record) {
		if rec.Kind == train.EpochRecord {
			r.Epochs = append(r.Epochs, rec)
		} else {
			steps.add(rec)
			r.perEpoch = max(r.perEpoch, rec.Step)
		}
	})
	if err != nil {
		return nil, err
	}
	r.Steps = steps.steps
	if r.Scores, err = f.Scores(); err != nil {
		return nil, err
	}
	if r.Launches, err = f.Launches(); err != nil {
		return nil, err
	}
	for _, s := range r.Launches {
		r.perEpoch = max(r.perEpoch, s.Steps)
	}
	if info, err := os.Stat(filepath.Join(dir, train.LogFile)); err == nil {
		r.Modified = info.ModTime()
	}
	e, err := f.Evaluation()
	switch best := r.Best(); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case best != nil && best.Epoch == e.Epoch: // after a crash, it may be older or newer
		r.Evaluation = e
	}
	l, err := f.Labels()
	switch best := r.Best(); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case best != nil && best.Epoch+1 == l.Epoch:
		r.Labels = l
	}
	r.Files = files(train.CheckpointDir(dir))
	r.Samples, _ = disk.Glob(dir, filepath.Join(train.SamplesFolder, "epoch-*.png")) // the pattern is valid
	slices.Sort(r.Samples)
	return r, nil
}

func files(dir string) (all []File) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // the run has no checkpoint yet
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && filepath.Ext(e.Name()) == ".safetensors" {
			all = append(all, File{e.Name(), info.Size(), info.ModTime()})
		}
	}
	return all
}

// MultiLabel reports whether the images of the run have any number of labels.
func (r *Run) MultiLabel() bool { return r.Config.Task == configs.MultiLabelTask }

// Pretraining reports whether the run has no labels.
func (r *Run) Pretraining() bool { return r.Config.Task == "localmim" }

// Best returns the score of the best epoch, by the run's own measure; nil if there is none.
func (r *Run) Best() *train.Score {
	var best *train.Score
	for i, s := range r.Scores {
		if best == nil || r.better(s, *best) {
			best = &r.Scores[i]
		}
	}
	return best
}

func (r *Run) better(a, b train.Score) bool {
	if r.Pretraining() {
		return a.Better(b, "loss")
	}
	return a.Better(b, r.Config.Checkpoint.Monitor)
}

// at returns the place of a record in epochs.
func (r *Run) at(rec train.Record) float64 {
	return float64(rec.Epoch) + float64(rec.Step)/float64(r.perEpoch)
}

// done returns how many epochs are done, with the part of the epoch in progress.
func (r *Run) done() float64 {
	d := 0.0
	if n := len(r.Epochs); n > 0 {
		d = float64(r.Epochs[n-1].Epoch + 1)
	}
	if n := len(r.Steps); n > 0 {
		d = max(d, r.at(r.Steps[n-1]))
	}
	return d
}

// last returns the launch that wrote last; nil if none is recorded.
func (r *Run) last() *train.Launch {
	if len(r.Launches) == 0 {
		return nil
	}
	return &r.Launches[len(r.Launches)-1]
}

// took returns the time that all processes have trained and evaluated, up to their last
// records.
func (r *Run) took() time.Duration {
	var total, since float64
	for _, rec := range r.merged() {
		if rec.Seconds < since { // another process
			total += since
		}
		since = rec.Seconds
	}
	return time.Duration((total + since) * float64(time.Second))
}

// merged returns all records in the order in which they were written.
func (r *Run) merged() []train.Record {
	all := slices.Concat(r.Steps, r.Epochs)
	slices.SortStableFunc(all, func(a, b train.Record) int { return a.Batches - b.Batches })
	return all
}

// remaining returns the time to the end at the pace of the last launch; 0 if it is not
// known.
func (r *Run) remaining() time.Duration {
	s, all := r.last(), r.merged()
	if s == nil || len(all) == 0 {
		return 0
	}
	now := all[len(all)-1]
	left := r.Config.Train.Epochs*r.perEpoch - now.Batches
	if now.Batches <= s.Batches || left <= 0 {
		return 0
	}
	return time.Duration(now.Seconds / float64(now.Batches-s.Batches) * float64(left) * float64(time.Second))
}

// images returns how many images a step record sums up.
func (r *Run) images(i int) float64 {
	rec, before := r.Steps[i], 0
	if i > 0 {
		before = r.Steps[i-1].Batches
	}
	for _, s := range r.Launches { // the first record of a process counts from its beginning
		if s.Batches < rec.Batches {
			before = max(before, s.Batches)
		}
	}
	return float64((rec.Batches - before) * r.Config.Train.BatchSize)
}

// waited returns the part of the time before a step record that was spent waiting for data.
func (r *Run) waited(i int) float64 {
	rec, n := r.Steps[i], r.images(i)
	if n <= 0 || rec.Speed <= 0 {
		return 0
	}
	return min(rec.Waited*rec.Speed/n, 1)
}

// pace returns the speed of training in images per second, and the part of the time that was
// spent waiting for data, over all step records.
func (r *Run) pace() (speed, waited float64) {
	var images, seconds, lost float64
	for i, rec := range r.Steps {
		if rec.Speed > 0 {
			n := r.images(i)
			images, seconds, lost = images+n, seconds+n/rec.Speed, lost+rec.Waited
		}
	}
	if seconds == 0 {
		return 0, 0
	}
	return images / seconds, min(lost/seconds, 1)
}
