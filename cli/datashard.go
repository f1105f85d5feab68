package cli

import (
	"errors"
	"fmt"
	"path/filepath"

	"fasternet/data/sets"

	"github.com/spf13/cobra"
)

func shardCommand() *cobra.Command {
	var f datasetFlags
	var dry dryRun
	var out string
	o := sets.ShardOptions{}
	c := &cobra.Command{
		Use:   "shard DATASET --out FOLDER",
		Short: "Write a data set as tar files in WebDataset format",
		Long: `Write the parts of a data set as tar files in WebDataset format, FOLDER/train-000000.tar and so
on, with the unchanged image files, class indices, classes.txt and _info.json
(data.name: shards). ` + datasetHelp,
		Example: `  fasternet-train data shard /data/imagenet --out /data/shards
  fasternet-train data shard my.yaml --out shards --per-shard 1000 --shuffle`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case out == "":
				return usageError{errors.New("--out: want a folder")}
			case o.PerShard < 1:
				return usageError{fmt.Errorf("--per-shard: want 1 or more, got %d", o.PerShard)}
			}
			config, err := f.config(args[0])
			if err != nil {
				return err
			}
			parts, err := f.open(cmd.Context(), config)
			if err != nil {
				return err
			}
			show := display()
			showPartsLeftOut(show, config.Data, parts)
			if dry.asked {
				return dry.parts("shard", parts, func(p dataPart) string {
					return filepath.Join(out, string(p.split)+"-*.tar")
				})
			}
			counts := map[string]int{}
			for _, p := range parts {
				show.Begin(p.name, 0, p.Len())
				o.Name, o.Seed = string(p.split), config.Seed
				o.Progress = func(done, _ int) { show.Step(done, p.name) }
				err := sets.WriteShards(cmd.Context(), out, p.Dataset, o)
				show.End()
				if err != nil {
					return err
				}
				counts[o.Name] = p.Len()
			}
			return printJSON(counts)
		},
	}
	f.register(c)
	dry.register(c)
	c.Flags().StringVar(&out, "out", "", "`folder` for the shards")
	c.Flags().IntVar(&o.PerShard, "per-shard", 5000, "images per shard")
	c.Flags().BoolVar(&o.Shuffle, "shuffle", false, "shuffle the images (seed), for programs that read shards in order")
	return c
}
