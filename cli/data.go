package cli

import (
	"strings"

	"fasternet/data/augment"
	"fasternet/data/sets"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

func dataCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "data",
		Short: "Fetch, inspect, check and convert data sets",
		Long:  "Fetch, inspect, check and convert data sets.\n\n" + kindsHelp(),
		Example: `  fasternet-train data fetch fashion-mnist
  fasternet-train data info /data/imagenet
  fasternet-train data verify /data/imagenet
  fasternet-train data browse fasternet_t0 --data /data/imagenet --out samples.png
  fasternet-train data pack /data/imagenet --out /fast/imagenet --short-side 256
  fasternet-train data shard /data/imagenet --out /data/shards`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(fetchCommand(), infoCommand(), dataVerifyCommand(), browseCommand(), packCommand(), shardCommand())
	return c
}

func fetchCommand() *cobra.Command {
	var dir string
	var dry dryRun
	c := &cobra.Command{
		Use:   "fetch fashion-mnist",
		Short: "Get a data set, from this system if it has it, else from the network",
		Long: `Get the four files of Fashion-MNIST: from the Debian package dataset-fashion-mnist if it is
installed, else from the network. Their SHA-256 sums are checked. Without --dir they go to the
user's cache, where training finds them.`,
		Example: "  fasternet-train data fetch fashion-mnist\n" +
			"  fasternet-train data fetch fashion-mnist --dir data/fashion",
		Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"fashion-mnist"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			where := dir
			if where == "" {
				var err error
				if where, err = sets.FashionMNISTCache(); err != nil {
					return err
				}
			}
			if dry.asked {
				return dry.say("get the four files of Fashion-MNIST, unless they are there", where)
			}
			show := display()
			current := ""
			err := sets.FetchFashionMNIST(cmd.Context(), dir, sets.FetchOptions{
				Progress: func(name string, done, total int64) {
					if name != current {
						show.End()
						show.Line("fetching %s", name)
						show.Begin(name, 0, int(max(total, done)))
						current = name
					}
					show.Step(int(done), name)
				},
			})
			show.End()
			if err != nil {
				return err
			}
			if wantsJSON() {
				return printJSON(struct {
					Name string `json:"name"`
					Dir  string `json:"dir"`
				}{"fashion-mnist", where})
			}
			_, err = printable.Printf("fashion-mnist is in %s\n", where)
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "`folder` for the files")
	dry.register(c)
	return c
}

// kindsHelp lists what data.name and augment.extra can name.
func kindsHelp() string {
	var b strings.Builder
	b.WriteString("Formats (data.name):\n")
	for _, f := range sets.Formats() {
		printable.Fprintf(&b, "  %-16s %s\n", f.Name, f.Doc)
	}
	b.WriteString("\nAugmentations (augment.extra; names, or {name: solarize, prob: 0.2, threshold: 128}):\n")
	for _, a := range augment.Augmentations() {
		printable.Fprintf(&b, "  %-16s %s\n", a.Name, a.Doc)
	}
	return strings.TrimRight(b.String(), "\n")
}
