package cli

import (
	"fmt"
	"os"
	"slices"

	"fasternet/internal/audit"

	"github.com/spf13/cobra"
)

func dataVerifyCommand() *cobra.Command {
	var f datasetFlags
	var o audit.Options
	var duplicates string
	var most int
	c := &cobra.Command{
		Use:   "verify DATASET",
		Short: "Check a data set: images, duplicates, classes, ignored files",
		Long: `Decode every image of a data set strictly, and report all problems, one per line on standard
output. The check does not stop at the first finding.

error: images that cannot be used, wrong folders and lists, the same image in training and
validation or in two classes, classes that only the validation part has.

note: the same image several times in a class, classes without images or without validation
images, ignored files and why, tiny and huge images.

Images are the same if their pixels are equal, whatever their file names. This takes 20 bytes
of memory per image; --duplicates off saves that. --duplicates note accepts copies: many
published data sets have some.

The last line is a JSON object with the number of images and of findings of each kind;
--json prints one object with all findings and their files instead. The exit code is 1
if there is an error, and 0 if there are only notes. ` + datasetHelp,
		Example: `  fasternet-train data verify /data/imagenet
  fasternet-train data verify my.yaml --split train > findings.txt
  fasternet-train data verify my.yaml --duplicates note --list 0
  fasternet-train data verify my.yaml --json > findings.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Copies = audit.CopiesLevel(duplicates)
			switch {
			case !slices.Contains([]audit.CopiesLevel{audit.CopiesError, audit.CopiesNote, audit.CopiesOff}, o.Copies):
				return usageError{fmt.Errorf("--duplicates: want error, note or off, got %q", duplicates)}
			case most < 0:
				return usageError{fmt.Errorf("--list: want 0 or more, got %d", most)}
			case o.MinSide < 0 || o.MaxPixels < 0:
				return usageError{fmt.Errorf("--min-side and --max-pixels: want 0 or more, got %d and %d",
					o.MinSide, o.MaxPixels)}
			}
			config, err := f.config(args[0])
			if err != nil {
				return err
			}
			if o.Splits, err = f.splits(); err != nil {
				return err
			}
			show := display()
			begun := ""
			o.Progress = func(part string, done, total int) {
				if begun != part {
					show.End()
					show.Begin(part, 0, total)
					begun = part
				}
				show.Step(done, part)
			}
			r, err := audit.Dataset(cmd.Context(), config, o)
			show.End()
			if err != nil {
				return err
			}
			if wantsJSON() {
				err = printJSON(struct {
					*audit.Report
					Counts audit.Counts `json:"counts"`
				}{r, r.Counts()})
			} else if err = r.Write(os.Stdout, most); err == nil {
				err = printJSON(r.Counts())
			}
			if err != nil {
				return err
			}
			return r.Err()
		},
	}
	f.register(c)
	c.Flags().StringVar(
		&duplicates,
		"duplicates",
		string(audit.CopiesError),
		"`how` to report the same image in training and validation, or in two classes: "+
			"error, note, or off for no search",
	)
	c.Flags().IntVar(&o.MinSide, "min-side", 10, "images with a shorter side of fewer `pixels` are tiny; 0 for none")
	c.Flags().IntVar(&o.MaxPixels, "max-pixels", 50_000_000, "images with more `pixels` are huge; 0 for none")
	c.Flags().IntVar(&most, "list", 20,
		"list this many findings of each kind, and files of each finding; broken images are all listed; 0 for all")
	return c
}
