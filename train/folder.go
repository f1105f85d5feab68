package train

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/eval"
	"fasternet/internal/disk"

	"github.com/gofrs/flock"
)

// Files in the folder of a run.
const (
	ConfigFile  = "config.yaml" // with all keys
	LogFile     = "log.jsonl"   // one JSON object per line, for steps and epochs
	SummaryFile = "summary.csv" // one line per evaluated epoch
	TextFile    = "train.log"   // the lines that a terminal shows
)

// Folder is the folder of a run. A nil Folder writes nothing: it belongs to a rank other than 0.
type Folder struct {
	Dir         string
	Checkpoints checkpoints.Folder
	log, text   *logFile
	lock        *flock.Flock
	unlocked    error    // why there is no lock
	told        []string // warnings about files that were deleted during the run
	release     func()   // gives the folder back
}

// OpenFolder opens the folder of a run, new or to be resumed, for this process alone. It checks that the folder
// can be written to, and removes the unfinished files of killed processes.
func OpenFolder(dir string) (f *Folder, err error) {
	f = &Folder{Dir: dir, Checkpoints: Checkpoints(dir)}
	if err := disk.MakeFolder(f.Checkpoints.Dir); err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	f.lock, err = lockFolder(dir)
	if errors.Is(err, errNoLocks) {
		f.unlocked, err = err, nil
	}
	if err != nil {
		return nil, err
	}
	f.release = disk.Claim(dir, f.owned)
	for _, d := range []string{dir, f.Checkpoints.Dir} {
		err = errors.Join(err, checkpoints.Clean(d))
	}
	if err == nil {
		err = checkpoints.WriteAtomic(filepath.Join(f.Checkpoints.Dir, "probe"), writer(nil))
	}
	if err == nil {
		err = f.Checkpoints.Remove("probe")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run folder: %w", err), f.Close())
	}
	return f, nil
}

// CheckpointDir returns the folder of a run's checkpoints.
func CheckpointDir(dir string) string { return filepath.Join(dir, "checkpoints") }

// Holds reports whether a folder has a run.
func Holds(dir string) bool {
	for _, name := range []string{ConfigFile, LogFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return !Checkpoints(dir).Empty()
}

// start writes the configuration and opens the logs. For a resumed run it removes the records after p, which will
// be written again. The configuration is the given text, or the existing file if that has comments and the same
// values, else all keys.
func (f *Folder) start(c *configs.Config, given []byte, p Progress) error {
	text, err := f.configText(c, given)
	if err != nil {
		return err
	}
	if err := checkpoints.WriteAtomic(f.path(ConfigFile), writer(text)); err != nil {
		return err
	}
	if err := f.forget(p); err != nil {
		return err
	}
	if f.log, err = f.openLog(LogFile); err != nil {
		return err
	}
	f.text, err = f.openLog(TextFile)
	return err
}

// configText returns the content for config.yaml.
func (f *Folder) configText(c *configs.Config, given []byte) ([]byte, error) {
	text, err := c.YAML()
	if err != nil {
		return nil, err
	}
	commented := given
	if commented == nil {
		if commented, err = disk.ReadFile(f.path(ConfigFile)); err != nil || !bytes.HasPrefix(commented, []byte("#")) {
			return text, nil //nolint:nilerr // there is no file
		}
	}
	same, err := configs.Parse(ConfigFile, string(commented))
	if err != nil {
		return text, nil //nolint:nilerr // another version wrote it
	}
	if other, err := same.YAML(); err != nil || !bytes.Equal(other, text) {
		return text, err
	}
	return commented, nil
}

func (f *Folder) path(name ...string) string {
	return filepath.Join(f.Dir, filepath.Join(name...))
}

func writer(text []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}
}

func appendTo(path string) (*disk.File, error) {
	f, err := disk.AppendTo(path)
	if err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	return f, nil
}

// SaveLast writes the last checkpoint, after it syncs the log up to that point.
func (f *Folder) SaveLast(c checkpoints.File) error {
	if err := f.prepare(); err != nil {
		return err
	}
	return f.Checkpoints.SaveLast(c)
}

// prepare gets ready for a checkpoint that a run may resume from: it syncs the log, and makes the folder.
func (f *Folder) prepare() error { return errors.Join(f.syncLog(), f.remake()) }

func (f *Folder) syncLog() error {
	if err := f.log.file.Sync(); err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	return nil
}

// dropEpoch removes the checkpoint of an epoch.
func (f *Folder) dropEpoch(epoch int) error {
	if f == nil {
		return nil
	}
	return f.Checkpoints.Remove(checkpoints.Epoch(epoch))
}

// forget drops the records that a resumed run will write again, and unreadable lines: a log that a crash has
// damaged must not stop a run.
func (f *Folder) forget(p Progress) error {
	var log bytes.Buffer
	err := eachRecord(f.path(LogFile), func(r Record, line []byte) {
		if r.Batches <= p.Batches && (r.Kind != EpochRecord || r.Epoch < p.Epoch) {
			log.Write(append(line, '\n'))
		}
	})
	if err != nil {
		return err
	}
	var summary bytes.Buffer
	w := csv.NewWriter(&summary)
	w.Write(summaryHeader)
	err = eachScore(f.path(SummaryFile), func(s Score, row []string, err error) {
		if err == nil && s.Epoch < p.Epoch {
			w.Write(countFromOne(s, row))
		}
	})
	if err != nil {
		return err
	}
	w.Flush()
	return errors.Join(
		checkpoints.WriteAtomic(f.path(LogFile), writer(log.Bytes())),
		checkpoints.WriteAtomic(f.path(SummaryFile), writer(summary.Bytes())))
}

// Record is a line of the log.
type Record struct {
	Kind  string `json:"kind"`  // step or epoch
	Epoch int    `json:"epoch"` // from 0; the file counts from First
	// number of the first epoch in the file: 1, or 0 in older versions
	First    int       `json:"first_epoch,omitempty"`
	Step     int       `json:"step,omitempty"`         // finished batches of the epoch
	Batches  int       `json:"batches"`                // finished batches of the run
	Loss     float64   `json:"loss"`                   // training loss: mean since the last record, or of the epoch
	Scales   []float64 `json:"scale_losses,omitempty"` // pre-training: loss is the sum of these
	LR       float64   `json:"lr"`
	GradNorm float64   `json:"grad_norm,omitempty"`
	Speed    float64   `json:"img_per_s,omitempty"`
	// seconds waited for data, since the last record or in the epoch
	Waited    float64 `json:"data_s,omitempty"`
	Synced    float64 `json:"sync_s,omitempty"`  // seconds waited for gradients of other ranks, in the same time
	Trained   float64 `json:"train_s,omitempty"` // seconds of training in the epoch
	Evaluated float64 `json:"eval_s,omitempty"`  // seconds of the evaluation
	// seconds that training waited for checkpoints, since the last epoch's record
	Stood    float64  `json:"checkpoint_s,omitempty"`
	Memory   float64  `json:"memory_mb,omitempty"` // resident memory
	Top1     *float64 `json:"top1,omitempty"`      // percent
	Top5     *float64 `json:"top5,omitempty"`
	MAP      *float64 `json:"map,omitempty"` // percent: mean average precision over the labels, for task multilabel
	MicroMAP *float64 `json:"map_micro,omitempty"`
	F1       *float64 `json:"f1_macro,omitempty"`
	EvalLoss *float64 `json:"eval_loss,omitempty"`
	// Similar is the mean cosine of pairs of hidden channels in each stage, in the pre-training of a FasterNet.
	Similar []float64 `json:"channel_similarity,omitempty"`
	Seconds float64   `json:"seconds"` // since this process began
	Time    string    `json:"time"`    // RFC 3339

	// Plain is the evaluation of the last weights, if the result above is for their average.
	Plain *eval.Result `json:"plain,omitempty"`
}

// The kinds of records.
const (
	StepRecord  = "step"
	EpochRecord = "epoch"
)

// record appends to the log.
func (f *Folder) record(r Record) error {
	if f == nil {
		return nil
	}
	r.Time = clock().Format(time.RFC3339)
	r.Epoch, r.First = r.Epoch+1, 1
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("%s: %w", LogFile, err)
	}
	if _, err := f.log.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	return nil
}

// eachLine yields the lines of a file without line ends. It skips a last line that a crash has cut off.
func eachLine(path string, f func(number int, line []byte)) error {
	file, err := disk.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	defer file.Close()
	for r, number := bufio.NewReader(file), 1; ; number++ {
		line, err := r.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("run folder: %w", err)
		}
		f(number, line[:len(line)-1])
	}
}

// eachRecord reads the log. It skips lines that a crash has damaged.
func eachRecord(path string, f func(r Record, line []byte)) error {
	return eachLine(path, func(_ int, line []byte) {
		var r Record
		if json.Unmarshal(line, &r) == nil && (r.Kind == StepRecord || r.Kind == EpochRecord) {
			r.Epoch, r.First = r.Epoch-r.First, 0
			f(r, line)
		}
	})
}

// EachRecord reads the log, one record at a time.
func (f *Folder) EachRecord(visit func(Record)) error {
	return eachRecord(f.path(LogFile), func(r Record, _ []byte) { visit(r) })
}

// Records reads the log.
func (f *Folder) Records() (all []Record, err error) {
	err = f.EachRecord(func(r Record) { all = append(all, r) })
	return all, err
}

// summaryHeader has the columns of timm's summary, and the cost of the epoch.
var summaryHeader = []string{
	"epoch", "train_loss", "eval_loss", "eval_top1", "eval_top5", "lr", "img_per_s", "data_s", "memory_mb",
	"grad_norm", "first_epoch", "eval_map",
}

// scoreColumns are the columns of a score. Older versions wrote only these, or all but first_epoch, and counted
// epochs from 0.
const scoreColumns = 6

// firstColumn holds the number of the first epoch, mapColumn mean average precision, for task multilabel. Older
// versions wrote only the columns before these.
const (
	firstColumn = 10
	mapColumn   = 11
)

func summaryRow(s Score, r Record) []string {
	row := []string{strconv.Itoa(s.Epoch + 1)}
	for _, v := range []float64{s.TrainLoss, s.Loss, s.Top1, s.Top5, s.LR} {
		row = append(row, strconv.FormatFloat(v, 'g', -1, 64))
	}
	for _, v := range []float64{r.Speed, r.Waited, r.Memory, r.GradNorm} {
		row = append(row, strconv.FormatFloat(v, 'g', 6, 64))
	}
	row = append(row, "1") // first_epoch
	if r.MAP == nil {
		return append(row, "")
	}
	row[3], row[4] = "", "" // there is no accuracy
	return append(row, strconv.FormatFloat(*r.MAP, 'g', -1, 64))
}

// summarise appends a line to the summary.
func (f *Folder) summarise(s Score, r Record) error {
	if f == nil {
		return nil
	}
	file, err := appendTo(f.path(SummaryFile))
	if err != nil {
		return err
	}
	w := csv.NewWriter(file)
	w.Write(summaryRow(s, r))
	w.Flush()
	if err := errors.Join(w.Error(), file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	return nil
}

// Scores reads the summary.
func (f *Folder) Scores() (all []Score, err error) {
	var bad error
	err = eachScore(f.path(SummaryFile), func(s Score, _ []string, err error) {
		all = append(all, s)
		bad = errors.Join(bad, err)
	})
	if err = errors.Join(err, bad); err != nil {
		return nil, err
	}
	return all, nil
}

// eachScore reads a summary. The error says which line cannot be read.
func eachScore(path string, f func(s Score, row []string, err error)) error {
	return eachLine(path, func(number int, line []byte) {
		if isHeader(line) {
			return
		}
		row := columns(line)
		s, err := readScore(row)
		if err != nil {
			err = fmt.Errorf("%s:%d: %w", path, number, err)
		}
		f(s, row, err)
	})
}

func columns(line []byte) []string {
	return strings.Split(strings.TrimSuffix(string(line), "\r"), ",")
}

func isHeader(line []byte) bool {
	row := columns(line)
	return len(row) <= len(summaryHeader) && slices.Equal(row, summaryHeader[:len(row)])
}

// countFromOne converts a row of an older version to today's columns.
func countFromOne(s Score, row []string) []string {
	row = append(row, make([]string, len(summaryHeader)-len(row))...)
	row[0], row[firstColumn] = strconv.Itoa(s.Epoch+1), "1"
	return row
}

func readScore(row []string) (s Score, err error) {
	if n := len(row); n != scoreColumns && n != firstColumn && n != mapColumn && n != len(summaryHeader) {
		return s, fmt.Errorf("want %d columns, got %d", len(summaryHeader), n)
	}
	s.Epoch, err = strconv.Atoi(row[0])
	if len(row) > firstColumn {
		first, e := strconv.Atoi(row[firstColumn])
		s.Epoch, err = s.Epoch-first, errors.Join(err, e)
	}
	for i, v := range []*float64{&s.TrainLoss, &s.Loss, &s.Top1, &s.Top5, &s.LR} {
		if field := row[i+1]; field != "" || !accuracy(i+1) {
			err = errors.Join(err, parse(field, v))
		}
	}
	if len(row) > mapColumn && row[mapColumn] != "" {
		err = errors.Join(err, parse(row[mapColumn], &s.MAP))
	}
	return s, err
}

// accuracy reports whether a column is empty in task multilabel.
func accuracy(column int) bool { return column == 3 || column == 4 }

func parse(text string, v *float64) (err error) {
	*v, err = strconv.ParseFloat(text, 64)
	return err
}

// Close closes the logs and gives the folder back.
func (f *Folder) Close() error {
	var err error
	for _, l := range []*logFile{f.log, f.text} {
		if l != nil {
			err = errors.Join(err, l.file.Close())
		}
	}
	f.log, f.text = nil, nil
	if f.release != nil {
		f.release()
		f.release = nil
	}
	err = errors.Join(err, unlockFolder(f.lock))
	f.lock = nil
	return err
}
