package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fasternet/collective"
	"fasternet/configs"
	"fasternet/train"

	"github.com/spf13/cobra"
)

func trainCommand() *cobra.Command {
	var settings []string
	var dir, dataDir, from string
	var resume bool
	var start startFlags
	var maxHours float64
	var watch watching
	var ranks ranks
	var budget budgetFlags
	var profiles profiles
	var dry dryRun
	c := &cobra.Command{
		Use:   "train [CONFIG]",
		Short: "Train a model",
		Long: `Train the model of CONFIG, a preset or a YAML file, and evaluate it after every epoch.

Without CONFIG, --data FOLDER is enough: the program looks at the images, times a few steps, and
makes a configuration for these images and the time (--budget): network, image size,
augmentation and the rest. It writes them to config.yaml in the folder of the run, with a comment
on every choice; docs/defaults.md has the reasons, and --set overrides any of them. FOLDER has one
folder per class, or train and val with such folders; without val, some images are held out.

--budget is the time for everything, with evaluations, the report and an export of the best model
(model.safetensors; of a pre-training, the encoder). The learning rate follows the clock: a machine
that is slower or faster than expected trains fewer or more epochs, and the schedule still ends. A
resumed run has the rest of the time.

The run has its own folder (--run; by default one named after CONFIG in runs/): config.yaml,
log.jsonl, summary.csv, train.log, launches.jsonl (what it ran on), evaluation.json (the confusions
of the best checkpoint), fingerprint.safetensors (which images it has), report.html, tensorboard/
(event files) and checkpoints/{last,previous,best}.safetensors.

SIGINT, SIGTERM, SIGHUP, or the end of the reader of its output (| head) stop a run: it finishes
the batch and writes the last checkpoint. A second SIGINT or SIGTERM stops it at once. nohup lets
a run continue after the terminal is closed. --max-hours stops after a time, with the exit code of
SIGTERM. Only one process at a time works on a run.

If the loss, the gradient norm or a weight becomes NaN or infinite, the run repeats the step, names
the first such op, tensor and sample, saves the batch in the folder debug, and ends with exit code
1. "debug step" shows all values of that step.

--resume needs the classes that the run began with. If images were added or removed, it says how
many, and continues. It names settings that differ from the run's own, and restores a lost best
checkpoint if possible.

--serve shows the report in a browser during the run, and --metrics-addr has metrics for
Prometheus. Both are read-only, and listen only on this machine unless the address says otherwise.

--from starts from the weights of a run, a checkpoint, a folder of timm, or a PyTorch file (.pth,
.pt, .ckpt, .bin, .safetensors; with the names of the official code, timm, torchvision or
Microsoft). It uses averaged weights (EMA) if there are any, as timm does; --weights plain uses the
last ones. Rows of the classifier are matched by class name; a classifier for other classes is
left out, and a missing one begins with fresh values. Position embeddings and position bias tables
are interpolated for another image size or window. From a pre-training, ours or LocalMIM's, it
takes the encoder. A CONFIG without a model takes the model of the weights. A resumed run
continues from its own checkpoint.

A CONFIG with "task: localmim" pre-trains a FasterNet, a ViT or a Swin on images without labels
(LocalMIM); its section mim says what is masked and predicted. With "task: multilabel", an image
has any number of labels.

Under mpirun or srun all processes train one model: they share each batch, and rank 0 writes. This
needs the MPI build (make build-mpi); "version" shows whether you have it. A rank that dies, hangs
or fails ends the job.

The last line on standard output is a JSON object about the best checkpoint: top1 and top5
(percent) and loss (nats); for a pre-training loss; for task multilabel map (percent). With
--budget it also has export (a file) and seconds (of this process).`,
		Example: `  fasternet-train train --data photos --budget 30m
  fasternet-train train --data photos --task localmim --budget 2h --run runs/pretrained
  fasternet-train train quickstart
  fasternet-train train quickstart --resume
  fasternet-train train quickstart --serve 127.0.0.1:8080 --metrics-addr 127.0.0.1:9090
  fasternet-train train fasternet_t0 --data /data/imagenet --set train.batch_size=256
  fasternet-train train fasternet_t0 --data /data/imagenet --resume --max-hours 7.5
  fasternet-train train quickstart --max-hours 0.02 --cpuprofile cpu.pprof   # then: go tool pprof cpu.pprof
  fasternet-train train my.yaml --set ema.decay=0.9998 --set ema.warmup=true
  fasternet-train train vit_base --data /data/imagenet --set train.grad_checkpointing=true   # in less memory
  fasternet-train train my.yaml --set distill.type=soft --set distill.teacher=runs/large
  fasternet-train train my.yaml --run runs/second --set optim.lr=1e-3 --set train.epochs=30
  fasternet-train train fasternet_t0 --data /data/flowers --set model.num_classes=0 --from fasternet_t0.pth
  mpirun -n 4 fasternet-train train vit_base --data /data/imagenet --rank-timeout 5m
  fasternet-train train mim_vit_base --data /data/imagenet
  fasternet-train train vit_base --data /data/imagenet --from runs/mim_vit_base`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if dataDir != "" {
				settings = append(settings, "data.dir="+quoted(dataDir))
			}
			if from != "" {
				settings = append(settings, "from="+quoted(from))
			}
			more, err := start.settings(cmd)
			if err != nil {
				return err
			}
			settings = append(settings, more...)
			if !(maxHours >= 0 && maxHours <= 1e6) {
				return usageError{fmt.Errorf("--max-hours: want a number of hours, or 0 for no limit, got %v",
					maxHours)}
			}
			more, err = budget.settings()
			if err != nil {
				return err
			}
			settings = append(settings, more...)
			if err := ranks.open(); err != nil {
				return err
			}
			defer ranks.fall()
			defer func() { err = ranks.leave(err) }()
			stop, err := profiles.start(&ranks)
			if err != nil {
				return err
			}
			defer stop(&err)
			var config *configs.Config
			var text []byte
			fromFolder := len(args) == 0 && dataDir != ""
			if fromFolder {
				dir = recipeDir(dir, dataDir)
			}
			if fromFolder && (!resume || !train.Holds(dir)) {
				r, err := budget.recipe(cmd.Context(), &ranks, dir, dataDir, from, settings)
				if err != nil {
					return err
				}
				config, text = r.Config, r.Text
			} else {
				config, dir, err = findRun(args, dir, resume, settings)
				if err != nil && !errors.As(err, &weightsError{}) {
					err = usageError{err}
				}
				if err := collective.Agree(ranks, err); err != nil {
					return err
				}
			}
			total, err := config.Train.BudgetTime()
			if err != nil {
				return err
			}
			if dry.asked {
				return dry.train(cmd.Context(), config, dir, resume)
			}
			if err := ranks.only(func() error { return watch.start(dir) }); err != nil {
				return err
			}
			defer func() { _ = watch.stop(cmd.Context().Err() != nil) }() // whether the run succeeded or not
			began := false
			careful.Store(true)
			outcome, err := train.Run(cmd.Context(), config, train.Options{
				Dir: dir, Resume: resume, Log: ranks.log(), MaxTime: time.Duration(maxHours * float64(time.Hour)),
				Before: time.Since(budget.began), After: budget.after(total), Text: text,
				Group: ranks.Group, Preset: presetOf(args, config), Program: ranks.program(),
				Observe: func(s train.Status) {
					began = true
					watch.observe(s)
				},
				Ended: func(err error) {
					if began || err == nil {
						writeReport(cmd.Context(), dir, err)
					}
				},
			})
			if err != nil || !ranks.first() {
				return err
			}
			if total == 0 {
				return printOutcome(config.Task, outcome, nil)
			}
			exported, err := exportRun(dir, config)
			if err != nil {
				return fmt.Errorf("the run has finished, but its export failed: %w", err)
			}
			return printOutcome(config.Task, outcome, &exportedRun{exported, time.Since(budget.began).Seconds()})
		},
	}
	c.Flags().StringArrayVar(&settings, "set", nil, "change a setting, `key=value`, e.g. train.epochs=10; repeatable")
	c.Flags().StringVar(&dir, "run", "", "`folder` of the run")
	c.Flags().StringVar(&dataDir, "data", "", "`folder` of the data set (data.dir)")
	c.Flags().StringVar(
		&from,
		"from",
		"",
		"`weights` to start from: a run, a checkpoint, a file of PyTorch, "+
			"a model of the hub (hf://ORG/NAME) or a URL (from)",
	)
	start.register(c)
	watch.register(c)
	dry.register(c)
	budget.register(c)
	profiles.register(c)
	ranks.register(c)
	c.Flags().
		BoolVar(&resume, "resume", false, "continue from the newest checkpoint of the run, or start if there is none")
	c.Flags().Float64Var(&maxHours, "max-hours", 0,
		"stop after this many `hours`, as SIGTERM does, to resume later; 0 for no limit")
	return c
}

// exportedRun is what a run with a budget adds to its outcome.
type exportedRun struct {
	Export  string  `json:"export"`
	Seconds float64 `json:"seconds"` // of this process
}

// printOutcome prints the last line of a run; more is nil for a run without a budget.
func printOutcome(task string, o train.Outcome, more *exportedRun) error {
	switch task {
	case "localmim":
		return printJSON(struct {
			train.Pretraining
			*exportedRun
		}{o.Pretraining(), more})
	case configs.MultiLabelTask:
		return printJSON(struct {
			train.MultiLabel
			*exportedRun
		}{o.MultiLabel(), more})
	case "classify":
		return printJSON(struct {
			train.Outcome
			*exportedRun
		}{o, more})
	}
	return fmt.Errorf("task: no outcome for task %q", task)
}

// findRun finds the configuration of a run and its folder. A resumed run uses the given configuration, or else
// its own.
func findRun(args []string, dir string, resume bool, settings []string) (*configs.Config, string, error) {
	if len(args) == 0 {
		if !resume || dir == "" {
			return nil, "", fmt.Errorf("want a preset (%s) or a YAML file, or only --data FOLDER for a recipe that "+
				"fits its images, or --resume --run DIR",
				strings.Join(configs.Presets(), ", "))
		}
		config, err := train.Config(dir, settings...)
		return config, dir, err
	}
	config, given, err := configs.LoadGiven(args[0], settings...)
	if err != nil {
		return nil, "", err
	}
	if dir == "" {
		dir = filepath.Join(config.RunDir, strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0])))
	}
	if resume && train.Holds(dir) {
		own, err := train.Config(dir)
		if err != nil || config.From == "" || !config.Classifies() {
			return config, dir, nil //nolint:nilerr // resuming reports the error
		}
		if config, err = adopt(args[0], config, given, own, settings); err != nil {
			return nil, "", err
		}
		return config, dir, nil
	}
	config, err = adopt(args[0], config, given, nil, settings)
	return config, dir, err
}

// presetOf returns the preset that a run starts from, or "" if unknown.
func presetOf(args []string, c *configs.Config) string {
	if len(args) > 0 && slices.Contains(configs.Presets(), args[0]) {
		return args[0]
	}
	return c.Base
}

// quoted quotes a text as a YAML value.
func quoted(s string) string {
	b, _ := json.Marshal(s) // a JSON string is a YAML string
	return string(b)
}
