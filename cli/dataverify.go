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
		Short: "Check a data set: every image, duplicates, classes, files that are left out",
		Long: `Decode every image of a data set, strictly, and report what is wrong with it, one
finding a line on standard output. All of it is looked at; nothing stops at the first
finding.

error: images that cannot be used, folders and lists that are not as they should be,
the same image in training and validation or in two classes, classes that only the
validation part has.

note: the same image more than once in a class, classes without images or without
validation images, files that are left out and why, tiny and huge images.

Images are the same if their pixels are, whatever the files are called. It takes 20
bytes of memory an image; --duplicates off saves that. --duplicates note lets copies
pass, as many published data sets have some.

The last line is a JSON object with the number of images and of findings of each kind;
--json prints one object with all findings and their files instead. The exit code is 1
if there is an error, 0 if there are only notes. ` + datasetHelp,
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
				return usageError{fmt.Errorf("--min-side and --max-pixels: want 0 or more, got %d and %d", o.MinSide, o.MaxPixels)}
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
	c.Flags().StringVar(&duplicates, "duplicates", string(audit.CopiesError), "`what` the same image in training and validation or in two classes is: error, note, or off to not look for it")
	c.Flags().IntVar(&o.MinSide, "min-side", 10, "images with a shorter side of fewer `pixels` are tiny; 0 for none")
	c.Flags().IntVar(&o.MaxPixels, "max-pixels", 50_000_000, "images with more `pixels` are huge; 0 for none")
	c.Flags().IntVar(&most, "list", 20, "findings of each kind that are listed, and files of one; broken images are listed all; 0 for all")
	return c
}
