package cli

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"fasternet/eval/probe"
	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

func knnCommand() *cobra.Command {
	var f probeFlags
	var o probe.KNNOptions
	c := &cobra.Command{
		Use:   "knn MODEL",
		Short: "Evaluate a frozen encoder with nearest neighbours (k-NN)",
		Long: `Classify the validation images by the training images with the most similar features: the k
nearest by cosine vote for their class with weight exp(cosine/temperature), as in DINO's
evaluation of pre-trained encoders. Nothing is trained.

` + aboutProbes + `

Standard output gets a table. Its last line is a JSON object: top1 and top5 (percent) of
the best k, knn with the accuracy of every k, count and training_count (images), features,
width and model. k neighbours give at most k answers: with fewer than five, top-5 is top-k.`,
		Example: `  fasternet-train knn runs/pretrained --data /data/imagenet
  fasternet-train knn runs/quickstart --k 20 --max-per-class 60 --seed 1
  fasternet-train knn runs/quickstart --dump features.safetensors
  fasternet-train knn --load features.safetensors --k 5,10,20 --temperature 0.1`,
		Args: cobra.MaximumNArgs(1), // no argument with --load
		RunE: func(cmd *cobra.Command, args []string) error {
			f.path = strings.Join(args, "")
			if !(o.Temperature > 0) || math.IsInf(o.Temperature, 1) {
				return usageError{fmt.Errorf("--temperature: want more than 0, got %v", o.Temperature)}
			}
			if len(o.K) == 0 || slices.Min(o.K) < 1 {
				return usageError{fmt.Errorf("--k: want numbers of neighbours, 1 or more, got %v", o.K)}
			}
			if err := f.check(); err != nil {
				return err
			}
			show := display()
			e, pool, err := f.features(cmd, show, true)
			if err != nil {
				return err
			}
			if f.dry.asked {
				return f.sayDry("find the neighbours of", e)
			}
			defer pool.Close()
			if !cmd.Flags().Changed("k") {
				least := o.K[0]
				o.K = slices.DeleteFunc(o.K, func(k int) bool { return k > max(e.Train.Len(), least) })
			}
			begun := false
			o.Progress = func(done, total int) {
				if !begun {
					show.Begin("neighbours", 0, total)
					begun = true
				}
				show.Step(done, "neighbours")
			}
			votes, err := probe.KNN(cmd.Context(), pool, e.Train, e.Val, o)
			show.End()
			if err != nil {
				return err
			}
			return printVotes(votes, o.Temperature, e.source())
		},
	}
	f.register(c)
	c.Flags().IntSliceVar(&o.K, "k", slices.Clone(probe.Neighbours),
		"`numbers` of neighbours; the default leaves out those above the number of images")
	c.Flags().Float64Var(&o.Temperature, "temperature", probe.Temperature,
		"temperature of the votes: smaller counts the nearest more")
	takesModel(c)
	return c
}

// printVotes prints the accuracy by number of neighbours, and the best one.
func printVotes(votes []probe.Votes, temperature float64, from source) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	printable.Fprintf(w, "k\ttop-1\ttop-5\n")
	best := votes[0]
	for _, v := range votes {
		printable.Fprintf(w, "%d\t%.2f %%\t%.2f %%\n", v.K, v.Top1, v.Top5)
		if v.Top1 > best.Top1 {
			best = v
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return printJSON(struct {
		probe.Votes
		Temperature float64       `json:"temperature"`
		KNN         []probe.Votes `json:"knn"`
		source
	}{best, temperature, votes, from})
}
