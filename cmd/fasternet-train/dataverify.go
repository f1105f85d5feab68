package main

import (
	"fmt"
	"os"

	"fasternet/data"
	"fasternet/train"

	"github.com/spf13/cobra"
)

func dataVerifyCommand() *cobra.Command {
	var f datasetFlags
	c := &cobra.Command{
		Use:   "verify DATASET",
		Short: "Decode every image and list those that are broken",
		Long: `Decode every image of a data set, strictly, and list those that cannot be used, one
a line on standard output. The last line is a JSON object: images and broken. The
exit code is 1 if there are any. ` + datasetHelp,
		Example: `  fasternet-train data verify /data/imagenet
  fasternet-train data verify my.yaml --split train > broken.txt`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := f.config(args[0])
			if err != nil {
				return err
			}
			parts, err := f.open(config)
			if err != nil {
				return err
			}
			show := train.NewDisplay(os.Stderr)
			images, broken := 0, 0
			for _, p := range parts {
				show.Begin(p.name, 0, p.Len())
				found, err := data.Verify(cmd.Context(), p.Dataset, config.Data.Workers, func(done, _ int) { show.Step(done, p.name) })
				show.End()
				if err != nil {
					return err
				}
				for _, b := range found {
					fmt.Println(b.Err)
				}
				images, broken = images+p.Len(), broken+len(found)
			}
			if err := printJSON(struct {
				Images int `json:"images"`
				Broken int `json:"broken"`
			}{images, broken}); err != nil || broken == 0 {
				return err
			}
			return fmt.Errorf("%d of %d images are broken", broken, images)
		},
	}
	f.register(c)
	return c
}
