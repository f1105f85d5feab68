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
	"strconv"
	"time"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/eval"
)

// The files in the folder of a run.
const (
	ConfigFile  = "config.yaml" // resolved
	LogFile     = "log.jsonl"   // one JSON object a line: steps and epochs
	SummaryFile = "summary.csv" // one line an evaluated epoch
	TextFile    = "train.log"   // what a terminal would show, as plain lines
	ReportFile  = "report.html" // curves
)

// Folder is the folder of a run.
type Folder struct {
	Dir         string
	Checkpoints checkpoints.Folder
	log, text   *os.File
}

// OpenFolder opens the folder of a run, new or to be resumed, and finds out
// that it cannot be written to before hours of work.
func OpenFolder(dir string) (*Folder, error) {
	f := &Folder{Dir: dir, Checkpoints: checkpoints.Folder{Dir: filepath.Join(dir, "checkpoints")}}
	if err := os.MkdirAll(f.Checkpoints.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	probe, err := os.CreateTemp(f.Checkpoints.Dir, "probe-*")
	if err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	return f, nil
}

// Holds says whether there is a run in a folder.
func Holds(dir string) bool {
	for _, name := range []string{ConfigFile, LogFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// start writes the configuration and opens the logs. Of a run that is resumed,
// what the logs say of later than p is forgotten: it happens again.
func (f *Folder) start(c *configs.Config, p Progress) error {
	text, err := c.YAML()
	if err != nil {
		return err
	}
	if err := checkpoints.WriteAtomic(f.path(ConfigFile), writer(text)); err != nil {
		return err
	}
	if err := f.forget(p); err != nil {
		return err
	}
	if f.log, err = appendTo(f.path(LogFile)); err != nil {
		return err
	}
	f.text, err = appendTo(f.path(TextFile))
	return err
}

func (f *Folder) path(name string) string { return filepath.Join(f.Dir, name) }

func writer(text []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}
}

func appendTo(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	return f, nil
}

// forget drops the records that a resumed run will write again.
func (f *Folder) forget(p Progress) error {
	var log bytes.Buffer
	err := eachRecord(f.path(LogFile), func(r Record, line []byte) {
		if r.Batches <= p.Batches && (r.Kind != epochRecord || r.Epoch < p.Epoch) {
			log.Write(append(line, '\n'))
		}
	})
	if err != nil {
		return err
	}
	scores, err := f.Scores()
	if err != nil {
		return err
	}
	var summary bytes.Buffer
	w := csv.NewWriter(&summary)
	w.Write(summaryHeader)
	for _, s := range scores {
		if s.Epoch < p.Epoch {
			w.Write(summaryRow(s))
		}
	}
	w.Flush()
	return errors.Join(
		checkpoints.WriteAtomic(f.path(LogFile), writer(log.Bytes())),
		checkpoints.WriteAtomic(f.path(SummaryFile), writer(summary.Bytes())))
}

// Record is a line of the log.
type Record struct {
	Kind     string    `json:"kind"` // step or epoch
	Epoch    int       `json:"epoch"`
	Step     int       `json:"step,omitempty"`         // batches of the epoch that are done
	Batches  int       `json:"batches"`                // of the run
	Loss     float64   `json:"loss"`                   // of training: mean since the last record, or of the epoch
	Scales   []float64 `json:"scale_losses,omitempty"` // whose sum is loss, in pre-training
	LR       float64   `json:"lr"`
	GradNorm float64   `json:"grad_norm,omitempty"`
	Speed    float64   `json:"img_per_s,omitempty"`
	Waited   float64   `json:"data_s,omitempty"` // seconds spent waiting for data
	Top1     *float64  `json:"top1,omitempty"`   // of the evaluation, percent
	Top5     *float64  `json:"top5,omitempty"`
	EvalLoss *float64  `json:"eval_loss,omitempty"`
	Seconds  float64   `json:"seconds"` // since this process began
	Time     string    `json:"time"`    // of day, RFC 3339

	// Plain is the evaluation of the weights as they are, where the one above is of
	// their average.
	Plain *eval.Result `json:"plain,omitempty"`
}

const (
	stepRecord  = "step"
	epochRecord = "epoch"
)

// record appends to the log.
func (f *Folder) record(r Record) error {
	r.Time = time.Now().Format(time.RFC3339)
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("%s: %w", LogFile, err)
	}
	if _, err := f.log.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	return nil
}

// eachRecord reads the log; a line that a crash has cut off is left out.
func eachRecord(path string, f func(r Record, line []byte)) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var r Record
		if json.Unmarshal(lines.Bytes(), &r) == nil {
			f(r, lines.Bytes())
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Records reads the log.
func (f *Folder) Records() ([]Record, error) {
	var all []Record
	err := eachRecord(f.path(LogFile), func(r Record, _ []byte) { all = append(all, r) })
	return all, err
}

// summaryHeader has the columns of timm's summary.
var summaryHeader = []string{"epoch", "train_loss", "eval_loss", "eval_top1", "eval_top5", "lr"}

func summaryRow(s Score) []string {
	text := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	return []string{strconv.Itoa(s.Epoch), text(s.TrainLoss), text(s.Loss), text(s.Top1), text(s.Top5), text(s.LR)}
}

// summarise appends a line to the summary.
func (f *Folder) summarise(s Score) error {
	file, err := appendTo(f.path(SummaryFile))
	if err != nil {
		return err
	}
	w := csv.NewWriter(file)
	w.Write(summaryRow(s))
	w.Flush()
	if err := errors.Join(w.Error(), file.Close()); err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	return nil
}

// Scores reads the summary.
func (f *Folder) Scores() ([]Score, error) {
	file, err := os.Open(f.path(SummaryFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("run folder: %w", err)
	}
	defer file.Close()
	r := csv.NewReader(file)
	r.FieldsPerRecord = -1
	var all []Score
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.path(SummaryFile), err)
		}
		if len(row) != len(summaryHeader) || row[0] == summaryHeader[0] {
			continue // the header, or cut off by a crash
		}
		var s Score
		s.Epoch, err = strconv.Atoi(row[0])
		for i, v := range []*float64{&s.TrainLoss, &s.Loss, &s.Top1, &s.Top5, &s.LR} {
			var e error
			*v, e = strconv.ParseFloat(row[i+1], 64)
			err = errors.Join(err, e)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.path(SummaryFile), err)
		}
		all = append(all, s)
	}
}

// close ends the logs.
func (f *Folder) close() error { return errors.Join(f.log.Close(), f.text.Close()) }
