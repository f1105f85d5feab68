package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/eval"
	"fasternet/train"

	"github.com/spf13/cobra"
)

func dataCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "data",
		Short: "Fetch and inspect data sets",
		Example: `  fasternet-train data fetch fashion-mnist
  fasternet-train data info fashion-mnist
  fasternet-train data info /data/imagenet`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(fetchCommand(), infoCommand())
	return c
}

func fetchCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "fetch fashion-mnist",
		Short: "Get a data set: from the system if it is there, else from the network",
		Long: `Get the four files of Fashion-MNIST: copied from where the Debian package
dataset-fashion-mnist puts them, else downloaded. The content is checked against
SHA-256 sums. Without --dir they go to the user's cache, where training looks.`,
		Example: "  fasternet-train data fetch fashion-mnist\n  fasternet-train data fetch fashion-mnist --dir data/fashion",
		Args:    cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"fashion-mnist"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			show := train.NewDisplay(os.Stderr)
			current := ""
			err := data.FetchFashionMNIST(cmd.Context(), dir, data.FetchOptions{Progress: func(name string, done, total int64) {
				if name != current {
					show.End()
					show.Line("fetching %s", name)
					show.Begin(name, 0, int(max(total, done)))
					current = name
				}
				show.Step(int(done), name)
			}})
			show.End()
			if err != nil {
				return err
			}
			where := dir
			if where == "" {
				if where, err = data.FashionMNISTCache(); err != nil {
					return err
				}
			}
			_, err = fmt.Printf("fashion-mnist is in %s\n", where)
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "`folder` for the files")
	return c
}

func infoCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "info fashion-mnist|FOLDER",
		Short: "Show the size, the classes and the images of a data set",
		Example: `  fasternet-train data info fashion-mnist
  fasternet-train data info /data/imagenet`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			d := configs.Data{Name: "imagefolder", Dir: args[0]}
			if args[0] == "fashion-mnist" {
				d = configs.Data{Name: args[0], Dir: dir}
			}
			for _, part := range []struct {
				name  string
				train bool
			}{{"training", true}, {"validation", false}} {
				ds, err := eval.Open(d, part.train)
				if err != nil {
					return err
				}
				info, err := data.Describe(ds)
				if err != nil {
					return err
				}
				if err := printInfo(part.name, info); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "`folder` of the files of fashion-mnist")
	return c
}

func printInfo(part string, i data.Info) error {
	fmt.Printf("%s: %d images in %d classes; of %d looked at: height %d to %d px, width %d to %d px, %d grey\n",
		part, i.Samples, len(i.Classes), i.Decoded, i.Height.Min, i.Height.Max, i.Width.Min, i.Width.Max, i.Grey)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for k, name := range i.Classes {
		fmt.Fprintf(w, "  %d\t%s\t%d images\n", k, name, i.Counts[k])
	}
	return w.Flush()
}
