package train

import (
	"encoding/json"
	"fmt"

	"fasternet/internal/printable"
)

// CheckLogs names unreadable lines of a run's log and summary; "" if there are none. The run can still be
// resumed: it drops them.
func CheckLogs(dir string) (string, error) {
	f := Folder{Dir: dir}
	bad, first := 0, ""
	note := func(name string, line int) {
		if bad++; bad == 1 {
			first = fmt.Sprintf("%s:%d", name, line)
		}
	}
	err := eachLine(f.path(LogFile), func(n int, line []byte) {
		var r Record
		if json.Unmarshal(line, &r) != nil || r.Kind != StepRecord && r.Kind != EpochRecord {
			note(LogFile, n)
		}
	})
	if err != nil {
		return "", err
	}
	err = eachLine(f.path(SummaryFile), func(n int, line []byte) {
		if _, e := readScore(columns(line)); e != nil && !isHeader(line) {
			note(SummaryFile, n)
		}
	})
	if bad == 0 || err != nil {
		return "", err
	}
	return fmt.Sprintf("%s of the logs cannot be read, the first: %s", printable.Count(bad, "line"), first), nil
}

// Standing says how far the run of a checkpoint is.
func Standing(progress string) (string, error) {
	var p Progress
	if err := json.Unmarshal([]byte(progress), &p); err != nil {
		return "", fmt.Errorf("its progress: %w", err)
	}
	if p.Epoch < 0 || p.Step < 0 || p.Batches < p.Step {
		return "", fmt.Errorf("its progress is epoch %d, step %d, batch %d", p.Epoch, p.Step, p.Batches)
	}
	if p.Step == 0 {
		return "after " + printable.Count(p.Epoch, "epoch"), nil
	}
	return fmt.Sprintf("in epoch %d after step %d", p.Epoch+1, p.Step), nil
}
