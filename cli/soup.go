package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"fasternet/checkpoints"
	"fasternet/data/sets"
	"fasternet/eval"
	"fasternet/eval/soup"
	"fasternet/formats/safetensors"
	"fasternet/formats/torch"
	"fasternet/internal/printable"
	"fasternet/kernels"
	"fasternet/model"

	"github.com/spf13/cobra"
)

// soupKey is the key in a checkpoint's metadata that says how its weights were averaged, as JSON.
const soupKey = "soup"

// soupResult is the JSON object of the command.
type soupResult struct {
	Path   string      `json:"path"`
	Method soup.Method `json:"method"`
	eval.Result
	BestAlone   float64           `json:"best_alone_top1"`
	NormImages  int               `json:"norm_images"`
	Ingredients []soup.Ingredient `json:"ingredients"`
}

func soupCommand() *cobra.Command {
	var f modelFlags
	var out, dataDir, method string
	var normImages int
	var dry dryRun
	c := &cobra.Command{
		Use:   "soup MODEL MODEL... --out FILE",
		Short: "Average the weights of several runs into one model",
		Long: `Average the weights of several runs into one model of the same size and speed ("Model soups",
2022). It works for runs that were fine-tuned from the same weights with other settings or
seeds. Runs that began with random weights have nothing in common, and their soup is useless.
The models need the same architecture and the same classes.

uniform averages all models. greedy begins with the best one and tries the others, the better
ones first: it keeps each that does not lower top-1 on the validation images. So these images
have chosen the soup, and its accuracy on them is a little too good.

Batch norms are measured again on augmented training images, because averaged statistics do not
fit averaged weights. All models and the soup are evaluated on the validation images, with the
data set and the settings of the first model. The file is a checkpoint for eval, export,
predict, and train --from.`,
		Example: `  fasternet-train soup runs/a runs/b runs/c --out soup.safetensors
  fasternet-train soup runs/a runs/b runs/c --method greedy --out soup.safetensors
  fasternet-train eval soup.safetensors`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			how, err := soup.ParseMethod(method)
			if err != nil {
				return usageError{fmt.Errorf("--method: %w", err)}
			}
			if out == "" {
				return usageError{fmt.Errorf("--out: want a file that ends in .safetensors")}
			}
			if !safetensors.IsFile(out) {
				return usageError{fmt.Errorf("--out: %s: want a name that ends in .safetensors", out)}
			}
			if normImages < 1 {
				return usageError{fmt.Errorf("--bn-images: want 1 or more, got %d", normImages)}
			}
			if err := checkOutputs(output{"--out", out, nil}); err != nil {
				return err
			}
			var models []*model.Loaded
			for _, path := range args {
				g := f
				g.path = path
				m, config, err := openModel(&g, dataDir)
				if err != nil {
					return err
				}
				m.Config = config
				models = append(models, m)
			}
			if err := soup.Check(models); err != nil {
				return err
			}
			first := models[0]
			config := first.Config
			training, val, err := sets.OpenBoth(cmd.Context(), config.Data)
			if err != nil {
				return err
			}
			val, note, err := eval.ForModel(val, first.Classes, first.Model.Classes())
			if err != nil {
				return err
			}
			if dry.asked {
				plan := fmt.Sprintf("average %s, and evaluate them on %d images", strings.Join(args, ", "), val.Len())
				return dry.say(plan, out)
			}
			show := display()
			if note != "" {
				show.Line("note: %s", note)
			}
			for _, m := range models {
				showKnown(show, m.Path, config.Data)
			}
			pool := kernels.NewPool(config.Threads)
			defer pool.Close()
			at := ""
			s, err := soup.Make(cmd.Context(), models, config, pool, soup.Options{
				Method: how, Train: training, Val: val, NormImages: normImages, SkipBad: f.skipBad(),
				Tried: func(i soup.Ingredient, r *eval.Result) {
					show.End()
					at = ""
					switch {
					case r == nil:
						show.Line("%s: top-1 %.2f %%, loss %.4f", i.Path, i.Top1, i.Loss)
					case i.Used:
						show.Line("with %s: top-1 %.2f %%, loss %.4f: kept", i.Path, r.Top1, r.Loss)
					default:
						show.Line("with %s: top-1 %.2f %%, loss %.4f: left out", i.Path, r.Top1, r.Loss)
					}
				},
				Progress: func(what string, done, total int) {
					if what != at {
						show.End()
						show.Begin(what, 0, total)
						at = what
					}
					show.Step(done, what)
				},
			})
			show.End()
			if err != nil {
				return err
			}
			v := soupResult{
				Path:        out,
				Method:      how,
				Result:      s.Result,
				NormImages:  s.NormImages,
				Ingredients: s.Ingredients,
			}
			for _, i := range s.Ingredients {
				v.BestAlone = max(v.BestAlone, i.Top1)
			}
			if err := writeSoup(out, s, v); err != nil {
				return err
			}
			if s.Result.Top1 < v.BestAlone {
				show.Line("note: the soup is worse than the best model (%.2f %%, top-1 %.2f %%): "+
					"were all fine-tuned from the same weights?",
					s.Result.Top1, v.BestAlone)
			}
			if err := printSoup(v); err != nil {
				return err
			}
			return printJSON(v)
		},
	}
	f.register(c)
	c.Flags().StringVar(&out, "out", "", "`file` to write, .safetensors")
	c.Flags().StringVar(&dataDir, "data", "", "`folder` of the data set")
	c.Flags().StringVar(&method, "method", string(soup.Uniform), "`which` models to average: uniform (all) or greedy")
	c.Flags().IntVar(&normImages, "bn-images", 8192, "training `images` to measure batch norms on")
	dry.register(c)
	takesModel(c)
	return c
}

// writeSoup writes a checkpoint.
func writeSoup(path string, s *soup.Soup, v soupResult) error {
	meta, err := s.Meta()
	if err != nil {
		return err
	}
	about, err := json.Marshal(struct {
		Method      soup.Method       `json:"method"`
		Ingredients []soup.Ingredient `json:"ingredients"`
	}{v.Method, v.Ingredients})
	if err != nil {
		return err
	}
	meta[soupKey], meta[model.UsedKey] = string(about), string(torch.Plain)
	return checkpoints.Write(path, checkpoints.File{Meta: meta, Tensors: model.Tensors(s.Model.Store())})
}

func printSoup(v soupResult) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	printable.Fprintf(w, "model\ttop-1\tloss\tin the soup\n")
	for _, i := range v.Ingredients {
		used := "no"
		if i.Used {
			used = "yes"
		}
		printable.Fprintf(w, "%s\t%.2f %%\t%.4f\t%s\n", i.Path, i.Top1, i.Loss, used)
	}
	printable.Fprintf(w, "%s\t%.2f %%\t%.4f\t\n", v.Path, v.Top1, v.Loss)
	return w.Flush()
}
