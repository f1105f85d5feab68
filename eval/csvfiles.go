package eval

import (
	"encoding/csv"
	"io"
	"strconv"

	"fasternet/checkpoints"
	"fasternet/data"
	"fasternet/eval/metrics"
	"fasternet/internal/printable"
)

// WriteClassCSV writes a table with the figures of each class, a line for each. Undefined
// values are empty.
func (m *Report) WriteClassCSV(path string) error {
	return writeCSVFile(path, func(write func(...string) error) error {
		if err := write("index", "class", "images", "predicted", "correct",
			"precision", "recall", "f1", "roc_auc", "average_precision"); err != nil {
			return err
		}
		for _, c := range m.Figures.Classes {
			err := write(strconv.Itoa(c.Index), c.Name,
				strconv.Itoa(c.Support), strconv.Itoa(c.Predicted), strconv.Itoa(c.Correct),
				decimal(c.Precision), decimal(c.Recall), decimal(c.F1),
				optional(c.ROCAUC), optional(c.AveragePrecision))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// WriteImageCSV writes a table with a line for each image that was read, in the order of the data set.
// names are the names of the classes.
func (m *Report) WriteImageCSV(path string, ds data.Dataset, names []string) error {
	return writeCSVFile(path, func(write func(...string) error) error {
		err := write("file", "label", "class", "answer", "answer_class", "correct", "rank", "confidence", "nll")
		if err != nil {
			return err
		}
		return m.Samples(func(index int, s metrics.Sample) error {
			return write(ds.Name(index), strconv.Itoa(s.Label), ClassName(names, s.Label),
				strconv.Itoa(s.Answer), answerName(names, s.Answer),
				strconv.FormatBool(s.Rank == 0), strconv.Itoa(s.Rank+1), decimal(s.Confidence), decimal(s.NLL))
		})
	})
}

// WriteComparedImageCSV writes a table with the answers of two models to each image, a line for each.
func (t *Together) WriteComparedImageCSV(path string, ds data.Dataset, names []string) error {
	a, b := t.Members[0], t.Members[1]
	return writeCSVFile(path, func(write func(...string) error) error {
		if err := write("file", "label", "class", "right",
			"a_answer", "a_answer_class", "a_confidence",
			"b_answer", "b_answer_class", "b_confidence"); err != nil {
			return err
		}
		for i, index := range a.indices {
			x, y := a.collected.Sample(i), b.collected.Sample(i)
			right := map[[2]bool]string{
				{true, true}:   "both",
				{true, false}:  "a",
				{false, true}:  "b",
				{false, false}: "neither",
			}[[2]bool{x.Rank == 0, y.Rank == 0}]
			err := write(ds.Name(int(index)), strconv.Itoa(x.Label), ClassName(names, x.Label), right,
				strconv.Itoa(x.Answer), answerName(names, x.Answer), decimal(x.Confidence),
				strconv.Itoa(y.Answer), answerName(names, y.Answer), decimal(y.Confidence))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// answerName returns the name of an answer, "" if there is none.
func answerName(names []string, answer int) string {
	if answer < 0 {
		return ""
	}
	return ClassName(names, answer)
}

// decimal writes a value with all its digits, "" for NaN.
func decimal(v float64) string {
	if v != v {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func optional(v *float64) string {
	if v == nil {
		return ""
	}
	return decimal(*v)
}

func writeCSVFile(path string, lines func(write func(...string) error) error) error {
	return checkpoints.WriteAtomic(path, func(w io.Writer) error {
		c := csv.NewWriter(w)
		if err := lines(func(row ...string) error { return c.Write(printable.Row(row)) }); err != nil {
			return err
		}
		c.Flush()
		return c.Error()
	})
}
