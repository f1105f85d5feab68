package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"fasternet/configs"
	"fasternet/internal/audit"
	"fasternet/internal/printable"
)

// fewFindings is the number of findings of each kind that "config check" prints.
const fewFindings = 20

// checkConfig prints all problems of a configuration and of its data set.
func checkConfig(ctx context.Context, name string, settings []string) error {
	if c, given, err := configs.LoadGiven(name, settings...); err == nil {
		adopted, err := adoptedSettings(c, given, nil)
		if err != nil {
			return err
		}
		settings = append(adopted, settings...)
	}
	e := configs.Examine(name, settings...)
	for _, p := range e.Problems {
		if _, err := printable.Printf("error: %s\n", p); err != nil {
			return err
		}
	}
	report := &audit.Report{}
	if e.Config != nil {
		for _, n := range e.Config.Notes {
			if _, err := printable.Printf("note: %s\n", n); err != nil {
				return err
			}
		}
		report = audit.Config(ctx, e.Config, e.Wrong)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := report.Write(os.Stdout, fewFindings); err != nil {
			return err
		}
	}
	errs := slices.Clone(e.Problems)
	for _, f := range report.Findings {
		if f.Level == audit.Error {
			errs = append(errs, errors.New(f.Text))
		}
	}
	if wantsJSON() {
		if err := printCheck(name, e, report); err != nil {
			return err
		}
	}
	var err error
	switch len(errs) {
	case 0:
		_, err = printable.Printf("%s: no problem found\n", name)
		return err
	case 1:
		err = errs[0]
	default:
		err = fmt.Errorf("%s: %d errors; the first: %w", name, len(errs), errs[0])
	}
	if len(e.Problems) > 0 {
		return usageError{err}
	}
	return err
}

// printCheck prints the result for --json.
func printCheck(name string, e *configs.Examined, report *audit.Report) error {
	out := struct {
		Config string        `json:"config"`
		OK     bool          `json:"ok"`     // the settings are valid and fit the data set
		Errors []string      `json:"errors"` // in the settings
		Notes  []string      `json:"notes"`
		Data   *audit.Report `json:"data"` // what does not fit the data set
	}{
		Config: name,
		OK:     len(e.Problems) == 0 && report.Errors() == 0,
		Errors: []string{},
		Notes:  []string{},
		Data:   report,
	}
	for _, p := range e.Problems {
		out.Errors = append(out.Errors, p.Error())
	}
	if e.Config != nil {
		out.Notes = append(out.Notes, e.Config.Notes...)
	}
	return printJSON(out)
}
