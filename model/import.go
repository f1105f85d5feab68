package model

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"fasternet/formats"
	"fasternet/formats/torch"
	"fasternet/internal/printable"
	"fasternet/layers"
)

// Row is a tensor in a Table.
type Row struct {
	Name  string
	DType string
	Have  []int // shape in the file; nil if missing
	Want  []int // shape in the model; nil if unexpected
	Note  string
}

// Table says what happened to each tensor of a file.
type Table struct {
	Path      string
	Container string       // kind of file
	Key       string       // of the weights in the file
	EMA       bool         // the weights are averaged
	Naming    torch.Naming // of the tensors in the file; the rows have official names

	Loaded   []Row // taken as they are
	Reshaped []Row // taken, with dimensions of 1 added or removed
	Dropped  []Row // the classifier, for another number of classes: the model keeps fresh values
	// Fresh rows are not taken on purpose: after a pre-trained encoder, or a classifier for other classes.
	Fresh      []Row
	Missing    []Row // the model keeps fresh values
	Unexpected []Row // not used
	Mismatched []Row // of another shape or type
	Ignored    []string
	Notes      []string
}

// classifier names the tensors of a classifier. Their first dimension is the number of classes.
var classifier = []string{"head.weight", "head.bias"}

// Import fills a model with tensors that have official names. A missing or unexpected tensor is an
// error unless allowMissing; another shape or type always is. Import leaves out a classifier that
// differs only in the number of classes, and counters of batches may be missing. After an error the
// model is unchanged; the table is still valid.
func Import(s *layers.Store, ts []formats.Tensor, allowMissing bool) (Table, error) {
	return importTensors(s, ts, allowMissing, flags.AllowMissing, func(string) bool { return false })
}

// importTensors is Import for weights that lack some tensors on purpose (fresh). remedy names the
// option that allows others to be missing; "" if there is none.
func importTensors(
	s *layers.Store,
	ts []formats.Tensor,
	allowMissing bool,
	remedy string,
	fresh func(name string) bool,
) (Table, error) {
	var t Table
	found := map[string]formats.Tensor{}
	for _, x := range ts {
		row := Row{Name: x.Name, DType: x.Type().String(), Have: x.Shape}
		if s.IsComputed(x.Name) {
			continue
		}
		if _, twice := found[x.Name]; twice {
			t.Unexpected = append(t.Unexpected, row)
		} else if _, ok := s.Lookup(x.Name); !ok {
			t.Unexpected = append(t.Unexpected, row)
		} else {
			found[x.Name] = x
		}
	}
	for _, e := range s.Entries {
		x, ok := found[e.Name]
		if ok && e.Counter != nil && len(x.F32) == 1 { // the whole state dict was converted to half precision
			x.F32, x.I64, x.DType = nil, []int64{int64(x.F32[0])}, formats.Int64
			found[e.Name] = x
		}
		row := Row{Name: e.Name, Have: x.Shape, Want: append([]int{}, e.Shape...)}
		if ok {
			row.DType = x.Type().String()
		}
		switch {
		case !ok && e.Counter != nil:
		case !ok && fresh(e.Name):
			t.Fresh = append(t.Fresh, row)
		case !ok:
			t.Missing = append(t.Missing, row)
		case x.Integer() != (e.Counter != nil):
			row.Note = "is " + row.DType
			t.Mismatched = append(t.Mismatched, row)
		case slices.Equal(row.Have, row.Want):
			t.Loaded = append(t.Loaded, row)
		case slices.Equal(squeezed(row.Have), squeezed(row.Want)):
			t.Reshaped = append(t.Reshaped, row)
		case slices.Contains(classifier, e.Name) &&
			len(row.Have) == len(row.Want) &&
			slices.Equal(row.Have[1:], row.Want[1:]):
			t.Dropped = append(t.Dropped, row)
		default:
			t.Mismatched = append(t.Mismatched, row)
		}
	}
	dropHead(&t)
	if err := t.check(allowMissing, remedy); err != nil {
		return t, err
	}
	for _, row := range slices.Concat(t.Loaded, t.Reshaped) {
		e, _ := s.Lookup(row.Name)
		x := found[row.Name]
		switch {
		case e.Param != nil:
			copy(e.Param.Data(), x.F32)
			e.Param.Changed()
		case e.Buffer != nil:
			copy(e.Buffer, x.F32)
		default:
			*e.Counter = x.I64[0]
		}
	}
	return t, nil
}

// squeezed returns a shape without its dimensions of 1.
func squeezed(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 })
}

// dropHead drops all of the classifier if one part was dropped: weight and bias must come from one model.
func dropHead(t *Table) {
	if len(t.Dropped) == 0 {
		return
	}
	for _, rows := range []*[]Row{&t.Loaded, &t.Reshaped} {
		*rows = slices.DeleteFunc(*rows, func(r Row) bool {
			if slices.Contains(classifier, r.Name) {
				t.Dropped = append(t.Dropped, r)
				return true
			}
			return false
		})
	}
	r := t.Dropped[0]
	t.Notes = append(t.Notes, fmt.Sprintf("the classifier is for %d classes, the model for %d: "+
		"it is replaced by a fresh one",
		r.Have[0], r.Want[0]))
}

func (t *Table) check(allowMissing bool, remedy string) error {
	switch {
	case len(t.Mismatched) > 0:
		return fmt.Errorf("the weights belong to another model: %s", t.Summary())
	case len(t.Loaded)+len(t.Reshaped) == 0:
		return fmt.Errorf("the weights belong to another model: no tensor fits: %s", t.Summary())
	case !allowMissing && len(t.Missing)+len(t.Unexpected) > 0:
		return fmt.Errorf("the weights do not fit the model: %s%s",
			t.Summary(), option("; ", remedy, " goes on anyway"))
	}
	return nil
}

// sections returns the parts of the table in the order in which they are shown.
func (t *Table) sections() []struct {
	Name string
	Rows []Row
} {
	return []struct {
		Name string
		Rows []Row
	}{
		{"loaded", t.Loaded}, {"reshaped", t.Reshaped}, {"dropped", t.Dropped}, {"fresh", t.Fresh},
		{"missing", t.Missing}, {"unexpected", t.Unexpected}, {"mismatched", t.Mismatched},
	}
}

// Summary describes the table in one line: how many tensors, and the first names that are wrong.
func (t *Table) Summary() string {
	var parts []string
	for _, s := range t.sections() {
		if len(s.Rows) == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", len(s.Rows), s.Name)
		if s.Name != "loaded" && s.Name != "reshaped" {
			var names []string
			for _, r := range s.Rows[:min(3, len(s.Rows))] {
				names = append(names, r.String())
			}
			if len(s.Rows) > len(names) {
				names = append(names, "…")
			}
			part += " (" + strings.Join(names, ", ") + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// String returns the name of the tensor and what differs.
func (r Row) String() string {
	switch {
	case r.Note != "":
		return r.Name + " " + r.Note
	case r.Have == nil || r.Want == nil || slices.Equal(r.Have, r.Want):
		return r.Name
	}
	return fmt.Sprintf("%s %v, want %v", r.Name, r.Have, r.Want)
}

// Write shows the table. It cuts lists longer than most, unless most is 0.
func (t *Table) Write(out io.Writer, most int) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	where := t.Container
	if t.Key != "" {
		where += ", under " + t.Key
	}
	printable.Fprintf(w, "%s: %s, %s names\n", t.Path, where, t.Naming)
	if len(t.Ignored) > 0 {
		few := t.Ignored
		if most > 0 && len(few) > most {
			few = append(slices.Clone(few[:most]), "…")
		}
		printable.Fprintf(w, "next to the weights, not used: %s\n", strings.Join(few, ", "))
	}
	for _, s := range t.sections() {
		if len(s.Rows) == 0 && (s.Name == "dropped" || s.Name == "fresh" || s.Name == "mismatched") {
			continue // the exceptions
		}
		printable.Fprintf(w, "%s: %d\n", s.Name, len(s.Rows))
		for i, r := range s.Rows {
			if most > 0 && i == most {
				printable.Fprintf(w, "  … and %d more\n", len(s.Rows)-most)
				break
			}
			printable.Fprintf(w, "  %s\t%s\t%s\n", r.Name, r.DType, r.shapes())
		}
	}
	for _, n := range t.Notes {
		printable.Fprintf(w, "%s\n", Remark(n))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}

// Remark formats a note of a table as a line; a warning begins with "warning".
func Remark(note string) string {
	if strings.HasPrefix(note, "warning: ") {
		return note
	}
	return "note: " + note
}

// shapes returns the shapes that the table gives, and what is wrong with them.
func (r Row) shapes() string {
	switch {
	case r.Note != "":
		return r.Note
	case r.Have == nil:
		return fmt.Sprintf("model %v", r.Want)
	case r.Want == nil || slices.Equal(r.Have, r.Want):
		return fmt.Sprint(r.Have)
	}
	return fmt.Sprintf("%v, model %v", r.Have, r.Want)
}
