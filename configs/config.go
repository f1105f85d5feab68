package configs

// Config is a run. The yaml tags are the keys; every key has a default.
type Config struct {
	Base             string     `yaml:"base,omitempty"` // preset that this file starts from
	Task             string     `yaml:"task"`           // classify; multilabel, where an image has any number of the classes; or localmim for pre-training
	Seed             uint64     `yaml:"seed"`
	Threads          int        `yaml:"threads"`            // of the kernels; 0 for one a processor
	Precision        string     `yaml:"precision"`          // of matrix products: fp32, bf16, or auto for bf16 where the processor has it
	RunDir           string     `yaml:"run_dir"`            // folder in which a run makes its own
	From             string     `yaml:"from"`               // run or weights that a run starts from, also hf://ORG/NAME of the hub or a URL; "" for fresh ones
	FromWeights      string     `yaml:"from_weights"`       // from: auto takes the averaged weights (EMA) if there are any, as timm does; plain takes the weights of the last step; with ema averaged ones must be there
	FromStateKey     string     `yaml:"from_state_key"`     // from, a file of PyTorch with several sets of weights: the key of one, e.g. model_ema; "" looks for it
	FromAllowMissing bool       `yaml:"from_allow_missing"` // from: go on if tensors are missing, which begin with fresh values, or unexpected
	FromAllowNaN     bool       `yaml:"from_allow_nan"`     // from: go on if weights are NaN or infinite
	Model            Model      `yaml:"model"`
	MIM              MIM        `yaml:"mim,omitempty"` // of task localmim
	Data             Data       `yaml:"data"`
	Augment          Augment    `yaml:"augment"`
	Loss             Loss       `yaml:"loss"`
	Distill          Distill    `yaml:"distill"`
	Optim            Optim      `yaml:"optim"`
	Sched            Sched      `yaml:"sched"`
	EMA              EMA        `yaml:"ema"`
	Train            Train      `yaml:"train"`
	Checkpoint       Checkpoint `yaml:"checkpoint"`
	Log              Log        `yaml:"log"`

	// Notes are what Load noticed that is possible, but hardly meant.
	Notes []string `yaml:"-"`

	rateNote string `yaml:"-"` // of Notes

	written map[string]string `yaml:"-"` // by a path that Locate has set: what the file says
}

// Model is a backbone with its classifier. Its family has more keys.
type Model struct {
	Name         string  `yaml:"name"` // family of the model
	Arch         Arch    `yaml:",inline"`
	DropPathRate float64 `yaml:"drop_path_rate"`
	InitStd      float64 `yaml:"init_std"`    // of the normal distribution that weights are drawn from
	InChans      int     `yaml:"in_chans"`    // 1 or 3
	NumClasses   int     `yaml:"num_classes"` // 0 for as many as the data set has
}

// Data is where the images come from and how they become tensors.
type Data struct {
	Name          string    `yaml:"name"` // format of the data set
	Dir           string    `yaml:"dir"`
	Train         string    `yaml:"train"`        // folder or file of the training part, relative to dir; "" for the usual name
	Val           string    `yaml:"val"`          // of the validation part
	TrainLabels   string    `yaml:"train_labels"` // of name idx: the files of labels
	ValLabels     string    `yaml:"val_labels"`
	Classes       string    `yaml:"classes"`           // file with a class name in each line, relative to dir; "" for those that the data set says
	LabelKind     string    `yaml:"label_kind"`        // of lists and shards: labels are the number or the name of a class, or auto for what they look like
	LabelKey      string    `yaml:"label_key"`         // of tables: the column of the label; of shards: the member or the key in json, or folder; "" for the usual ones
	MultiLabel    bool      `yaml:"multi_label"`       // images have any number of labels; true for task multilabel
	Separator     string    `yaml:"label_separator"`   // of lists and shards with multi_label: what is between the labels of an image; "" for ; or |
	Options       Options   `yaml:"options,omitempty"` // that only this format has; config show lists them
	ValFraction   float64   `yaml:"val_fraction"`      // of the training part, held out for validation; 0 for a part of its own
	ValSeed       uint64    `yaml:"val_seed"`          // which images are held out
	ValSplit      string    `yaml:"val_split"`         // how val_fraction chooses images: hash, each by its own name, so adding or removing files moves no other image; shuffle, the rule of older versions, which moves others
	Folds         int       `yaml:"folds"`             // cross-validation: the training part is divided into so many folds, each with its share of every class, and one of them is held out for validation; 0 for none. The command kfold trains them all
	Fold          int       `yaml:"fold"`              // folds: which one is held out, from 1
	FoldGroups    string    `yaml:"fold_groups"`       // folds: a regular expression on the names of images; those in which it finds the same text, e.g. of one patient, go to one fold, as copies do; "" for no groups
	ImageSize     int       `yaml:"image_size"`
	MultiScale    string    `yaml:"multi_scale"` // 192_280: 192 px up to epoch 280, then image_size
	Interpolation string    `yaml:"interpolation"`
	Mean          []float64 `yaml:"mean,flow"` // of pixels in [0, 1], one a channel
	Std           []float64 `yaml:"std,flow"`
	Orientation   string    `yaml:"orientation"`     // exif: images are turned as their camera says; ignore: they stay as they are in the file, as the published recipes have it (TIFF images are turned in any case, as Pillow does)
	SixteenBit    string    `yaml:"sixteen_bit"`     // grey images of more than 8 bits: scale, as colours always are; clip to 255, as Pillow does
	TestCrop      string    `yaml:"test_crop"`       // of evaluation. center: resize, then crop; squash: resize the whole image to a square; auto: center, but squash from 384 px on, and up to 32 px images of about that size (28 to 32 px at 32) keep their scale
	TestCropRatio float64   `yaml:"test_crop_ratio"` // part of the shorter side that the crop shows; set without test_crop it means center
	OnBadImage    string    `yaml:"on_bad_image"`    // error, or skip: another image takes the place in training
	ScaledDecode  bool      `yaml:"scaled_decode"`   // JPEGs much larger than the crop needs are decoded at 1/2, 1/4 or 1/8 in training
	Sampling      string    `yaml:"sampling"`        // how often an epoch shows the training images of each class: instance, every image once; balanced, all classes equally often; sqrt, in proportion to the square root of their images. An epoch has the same length under each
	MaxPerClass   int       `yaml:"max_per_class"`   // training images of a class, drawn by the seed; 0 for all
	Workers       int       `yaml:"workers"`         // goroutines that load; 0 for one a processor
	Prefetch      int       `yaml:"prefetch"`        // batches loaded ahead
}

// Augment is what training does to images.
type Augment struct {
	Scale           []float64 `yaml:"scale,flow"`   // area of the random resized crop
	Ratio           []float64 `yaml:"ratio,flow"`   // its aspect ratio
	HFlip           float64   `yaml:"hflip"`        // probability
	Padding         int       `yaml:"padding"`      // of the random crop that images of about 32 px get instead, at image_size up to 32
	RandAugment     string    `yaml:"rand_augment"` // policy such as rand-m9-mstd0.5-inc1; "" for off
	ColorJitter     float64   `yaml:"color_jitter"` // strength of random brightness, contrast and saturation, in the place of rand_augment
	Extra           []Extra   `yaml:"extra"`        // more augmentations of the 8-bit image in their order, after rand_augment or color_jitter: names, or {name: solarize, prob: 0.2, threshold: 128}
	Erasing         Erasing   `yaml:"erasing"`
	Repeats         int       `yaml:"repeats"` // views of an image in a batch, each augmented again: repeated augmentation
	Mixup           float64   `yaml:"mixup"`   // alpha; 0 for off
	Cutmix          float64   `yaml:"cutmix"`  // alpha; 0 for off
	CutmixMinmax    []float64 `yaml:"cutmix_minmax,flow"`
	MixupProb       float64   `yaml:"mixup_prob"`
	MixupSwitchProb float64   `yaml:"mixup_switch_prob"`
	MixupMode       string    `yaml:"mixup_mode"`      // draws for a batch, a pair or an elem(ent)
	MixupOffEpoch   int       `yaml:"mixup_off_epoch"` // no mixup and cutmix from this epoch on, counted from 0; 0 for always
	Smoothing       float64   `yaml:"smoothing"`       // of the labels
}

// Checkpoint says what is kept on disk.
type Checkpoint struct {
	EveryEpochs int    `yaml:"every_epochs"` // of the last checkpoint; best ones are written when they are
	EverySteps  int    `yaml:"every_steps"`  // also within an epoch; 0 for not
	TopK        int    `yaml:"top_k"`        // best epochs kept next to best and last
	Monitor     string `yaml:"monitor"`      // what makes a checkpoint the best: top1 or loss; map or loss of task multilabel
}

// Log says what is written next to log.jsonl and summary.csv.
type Log struct {
	TensorBoard       bool `yaml:"tensorboard"`        // event files in the folder tensorboard of the run
	HistogramInterval int  `yaml:"histogram_interval"` // epochs between histograms of weights and gradients in them; 0 for none
}

// defaultFamily is the family of a file that names none.
const defaultFamily = "fasternet"

// Default is the configuration that a file without keys describes.
func Default() Config {
	return Config{
		Task: "classify", Precision: "fp32", RunDir: "runs", FromWeights: "auto",
		Model: DefaultModel(defaultFamily), MIM: DefaultMIM(),
		Data: Data{
			Name: "imagefolder", LabelKind: "auto", Sampling: InstanceSampling, ValSplit: HashSplit, Fold: 1, ImageSize: 224, Interpolation: "bicubic", OnBadImage: "error", ScaledDecode: true,
			Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225}, Prefetch: 2,
			Orientation: TurnByEXIF, SixteenBit: ScaleSixteenBit, TestCrop: AutoTestCrop, TestCropRatio: 0.9,
		},
		Augment: Augment{
			Scale: []float64{0.08, 1}, Ratio: []float64{0.75, 4.0 / 3}, HFlip: 0.5, Padding: 4,
			Erasing: DefaultErasing(), Repeats: 1, MixupProb: 1, MixupSwitchProb: 0.5, MixupMode: "batch", Smoothing: 0.1,
		},
		Loss:    DefaultLoss(),
		Distill: Distill{Type: "none", Weights: "auto", Alpha: 0.5, Tau: 1},
		Optim: Optim{
			Opt: "adamw", LR: 1e-3, WeightDecay: 0.05, WeightDecayOn: "all", LayerDecay: 1, Betas: []float64{0.9, 0.999}, Momentum: 0.9, Eps: 1e-8,
			ClipMode: "norm", MaxGradNorm: 1,
		},
		Sched: Sched{Form: "fasternet", WarmupEpochs: 5, WarmupLR: 1e-6, MinLR: 1e-5, DecayEpochs: 30, DecayRate: 0.1, Power: 1},
		EMA:   EMA{Gamma: 1, Power: 2.0 / 3},
		Train: Train{Epochs: 100, BatchSize: 128, AccumSteps: 1, ValBatchSize: 128, ValInterval: 1, LogInterval: 50, FrozenStages: -1, DistBN: "reduce"},
		Checkpoint: Checkpoint{
			EveryEpochs: 1, Monitor: "top1",
		},
		Log: Log{TensorBoard: true},
	}
}
