package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

func infoCommand() *cobra.Command {
	var f datasetFlags
	var most int
	c := &cobra.Command{
		Use:   "info DATASET",
		Short: "Show the size, the classes, the images and the mean of a data set",
		Long: `Show how many images each class of a data set has, how large they are, and the mean and
standard deviation of the training pixels for a configuration. It also counts images with an
EXIF orientation or grey values of more than 8 bits (in up to 10,000 images per part). With
data.val_fraction, --split val lists the images that are held out.
` + datasetHelp,
		Example: `  fasternet-train data info fashion-mnist
  fasternet-train data info /data/imagenet
  fasternet-train data info my.yaml --split train --images 0
  fasternet-train data info my.yaml --split val   # with data.val_fraction: which images are held out
  fasternet-train data info /data/cifar --set data.name=cifar10`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if most < 0 {
				return usageError{fmt.Errorf("--images: want 0 or more, got %d", most)}
			}
			config, err := f.config(args[0])
			if err != nil {
				return err
			}
			parts, err := f.open(cmd.Context(), config)
			if err != nil {
				return err
			}
			skip := config.Data.OnBadImage == "skip"
			report := infoReport{Notes: []string{}}
			for _, p := range parts {
				info, err := data.Describe(p.Dataset, skip)
				if err != nil {
					return err
				}
				if err := printInfo(p.name, info); err != nil {
					return err
				}
				traits, err := data.Survey(cmd.Context(), p.Dataset, surveyed, config.Data.Workers)
				if err != nil {
					return err
				}
				facts, warnings := data.DescribeTraits(p.Dataset, traits)
				report.add(p, info, facts, warnings)
				for _, text := range facts {
					printable.Printf("%s: %s\n", p.name, text)
				}
				for _, text := range warnings {
					printable.Printf("%s: warning: %s\n", p.name, text)
				}
			}
			for _, line := range describeLeftOut(config.Data, parts) {
				report.Notes = append(report.Notes, line)
				printable.Println(line)
			}
			if d := config.Data; d.HoldsOut() && f.split == string(data.Val) {
				if err := printHeldOut(d, parts[0]); err != nil {
					return err
				}
				for i := range parts[0].Len() {
					report.HeldOut = append(report.HeldOut, data.Key(parts[0].Dataset, i))
				}
			}
			s, err := data.Measure(cmd.Context(), parts[0], config.Model.InChans, most, config.Data.Workers, skip)
			if err != nil {
				return err
			}
			if s.Bad > 0 {
				printable.Printf("%d of %d inspected %s images cannot be read and are left out (data.on_bad_image: "+
					"skip); data verify lists all of them\n",
					s.Bad, s.Bad+s.Images, parts[0].name)
			}
			if slices.Max(s.Std) < flat {
				printable.Printf("warning: the pixels of the %s images hardly differ: "+
					"are values of more than 8 bits clipped (data.sixteen_bit), or do they use only a few bits?\n",
					parts[0].name)
			}
			if report.MeasuredOn, report.Mean, report.Std = s.Images, s.Mean, s.Std; wantsJSON() {
				return printJSON(report)
			}
			_, err = printable.Printf("of %d %s images:\ndata:\n  mean: %s\n  std: %s\n",
				s.Images, parts[0].name, numbers(s.Mean), numbers(s.Std))
			return err
		},
	}
	f.register(c)
	c.Flags().IntVar(&most, "images", 2000, "images to measure mean and std on; 0 for all")
	return c
}

// surveyed is the number of files that data info checks for orientation and bit depth.
const surveyed = 10_000

// flat is a standard deviation below which all pixels count as equal.
const flat = 0.01

// printHeldOut lists the samples that data.val_fraction holds out.
func printHeldOut(d configs.Data, val dataPart) error {
	if d.Folds > 0 {
		printable.Printf("held out (data.fold %d of %d, data.val_seed %d):\n", d.Fold, d.Folds, d.ValSeed)
	} else {
		printable.Printf("held out (data.val_fraction %v, data.val_seed %d, data.val_split %s):\n",
			d.ValFraction, d.ValSeed, d.ValSplit)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for i := range val.Len() {
		printable.Fprintf(w, "  %s\t%s\n", data.LabelNames(val.Dataset, i), data.Key(val.Dataset, i))
	}
	return w.Flush()
}

// numbers formats a list as in YAML.
func numbers(v []float64) string {
	var out []string
	for _, x := range v {
		out = append(out, fmt.Sprintf("%.4f", x))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func printInfo(part string, i data.Info) error {
	classes := "in " + printable.Count(len(i.Classes), "class")
	if len(i.Classes) == 1 && i.Classes[0] == "" {
		classes = "without labels"
	}
	printable.Printf("%s: %d images %s; of %d inspected: height %d to %d px, width %d to %d px, %d grey\n",
		part, i.Samples, classes, i.Decoded, i.Height.Min, i.Height.Max, i.Width.Min, i.Width.Max, i.Grey)
	if i.Bad > 0 {
		printable.Printf("%s: %[3]d of %[2]d inspected images cannot be read\n", part, i.Bad+i.Decoded, i.Bad)
	}
	if i.Multi {
		labels := 0
		for _, n := range i.Counts {
			labels += n
		}
		printable.Printf("%s: images have any number of labels, %.2f on average; %d have none\n",
			part, float64(labels)/float64(max(i.Samples, 1)), i.None)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for k, name := range i.Classes {
		printable.Fprintf(w, "  %d\t%s\t%s\n", k, name, printable.Count(i.Counts[k], "image"))
	}
	return w.Flush()
}

// infoReport is the result for --json.
type infoReport struct {
	Parts      []infoPart `json:"parts"`
	Notes      []string   `json:"notes"`
	HeldOut    []string   `json:"held_out,omitempty"` // with --split val
	MeasuredOn int        `json:"measured_on"`        // number of images of the first part
	Mean       []float64  `json:"mean"`
	Std        []float64  `json:"std"`
}

type infoPart struct {
	Part     string      `json:"part"` // train or val
	Images   int         `json:"images"`
	Classes  []infoClass `json:"classes"`
	LookedAt int         `json:"looked_at"` // images in the numbers below
	Bad      int         `json:"bad"`       // images that cannot be read
	Grey     int         `json:"grey"`
	Height   infoSpread  `json:"height"`
	Width    infoSpread  `json:"width"`
	Facts    []string    `json:"facts,omitempty"`
	Warnings []string    `json:"warnings,omitempty"`
}

type infoClass struct {
	Name   string `json:"name"`
	Images int    `json:"images"`
}

type infoSpread struct {
	Min    int `json:"min"`
	Median int `json:"median"`
	Max    int `json:"max"`
}

func (r *infoReport) add(p dataPart, i data.Info, facts, warnings []string) {
	part := infoPart{
		Part: string(p.split), Images: i.Samples, LookedAt: i.Decoded, Bad: i.Bad, Grey: i.Grey,
		Height: infoSpread(i.Height), Width: infoSpread(i.Width), Facts: facts, Warnings: warnings,
	}
	for k, name := range i.Classes {
		part.Classes = append(part.Classes, infoClass{name, i.Counts[k]})
	}
	r.Parts = append(r.Parts, part)
}
