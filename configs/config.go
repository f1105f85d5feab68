package configs

// Config is the configuration of a run. The yaml tags are the keys; every key has a default.
type Config struct {
	// preset or YAML file that this file starts from
	Base string `yaml:"base,omitempty"`
	// classify: an image has one class; multilabel: an image has any number of classes; localmim: pre-training
	// without labels
	Task string `yaml:"task"`
	// seed of everything that is drawn at random
	Seed uint64 `yaml:"seed"`
	// threads that compute; 0: one per processor
	Threads int `yaml:"threads"`
	// precision of matrix products: fp32, bf16, or auto: bf16 if the processor has it
	Precision string `yaml:"precision"`
	// folder in which each run gets its own folder
	RunDir string `yaml:"run_dir"`
	// weights to start from: a run, a checkpoint, a file, hf://ORG/NAME or a URL; "": random weights
	From string `yaml:"from"`
	// which weights of from to take: auto takes the averaged ones (EMA) if there are any, as timm does; plain takes
	// the weights of the last step; ema takes the averaged ones, which must be there
	FromWeights string `yaml:"from_weights"`
	// which set of weights of from to take, if a PyTorch file has several, e.g. model_ema; "": look for it
	FromStateKey string `yaml:"from_state_key"`
	// go on if from lacks tensors, which then start with random values, or has tensors that the model lacks
	FromAllowMissing bool `yaml:"from_allow_missing"`
	// go on if weights of from are NaN or infinite
	FromAllowNaN bool       `yaml:"from_allow_nan"`
	Model        Model      `yaml:"model"`
	MIM          MIM        `yaml:"mim,omitempty"` // of task localmim
	Data         Data       `yaml:"data"`
	Augment      Augment    `yaml:"augment"`
	Loss         Loss       `yaml:"loss"`
	Distill      Distill    `yaml:"distill"`
	Optim        Optim      `yaml:"optim"`
	Sched        Sched      `yaml:"sched"`
	EMA          EMA        `yaml:"ema"`
	Train        Train      `yaml:"train"`
	Checkpoint   Checkpoint `yaml:"checkpoint"`
	Log          Log        `yaml:"log"`

	// Notes say what Load found possible but unlikely to be meant.
	Notes []string `yaml:"-"`

	rateNote string `yaml:"-"` // the note on the learning rate, also in Notes

	written map[string]string `yaml:"-"` // path that Locate has set → path in the file
}

// Model is a backbone with its classifier. Its family has more keys.
type Model struct {
	// family of the model
	Name string `yaml:"name"`
	Arch Arch   `yaml:",inline"`
	// stochastic depth: probability that an image skips the last block in training; it rises from 0 over the
	// blocks
	DropPathRate float64 `yaml:"drop_path_rate"`
	// standard deviation of the random initial weights
	InitStd float64 `yaml:"init_std"`
	// channels of an image: 1 (grey) or 3 (RGB)
	InChans int `yaml:"in_chans"`
	// number of classes; 0: as many as the data set has
	NumClasses int `yaml:"num_classes"`
}

// Data is where the images come from and how they become tensors.
type Data struct {
	// format of the data set
	Name string `yaml:"name"`
	// folder of the data set
	Dir string `yaml:"dir"`
	// folder or file of the training part, relative to dir; "": the usual name
	Train string `yaml:"train"`
	// folder or file of the validation part, relative to dir; "": the usual name
	Val string `yaml:"val"`
	// name idx: file of the training labels
	TrainLabels string `yaml:"train_labels"`
	// name idx: file of the validation labels
	ValLabels string `yaml:"val_labels"`
	// file with one class name per line, relative to dir; "": the names that the data set has
	Classes string `yaml:"classes"`
	// lists and shards: a label is the number or the name of a class; auto: what it looks like
	LabelKind string `yaml:"label_kind"`
	// where the label is: the column of a table; the member of a shard, its key in json, or folder; "": the usual
	// places
	LabelKey string `yaml:"label_key"`
	// an image has any number of labels; true with task multilabel
	MultiLabel bool `yaml:"multi_label"`
	// lists and shards with multi_label: text between the labels of an image; "": ; or |
	Separator string `yaml:"label_separator"`
	// options of this format alone; config show lists them
	Options Options `yaml:"options,omitempty"`
	// share of the training images that are held out for validation; 0: the data set has a validation part
	ValFraction float64 `yaml:"val_fraction"`
	// another number holds out other images
	ValSeed uint64 `yaml:"val_seed"`
	// how val_fraction chooses images: grouped decides by the name of each image, so that adding or removing files
	// moves no other image, and keeps copies of a file under other names in one part; hash decides by the name alone;
	// shuffle is the rule of older versions, under which others move
	ValSplit string `yaml:"val_split"`
	// cross-validation: divide the training images into this many folds, each with its share of every class, and
	// hold one out for validation; 0: no folds. The command kfold trains them all
	Folds int `yaml:"folds"`
	// fold that is held out, from 1
	Fold int `yaml:"fold"`
	// regular expression on image names; images in which it matches the same text, e.g. one patient, go to one
	// fold, and so do copies; "": no groups
	FoldGroups string `yaml:"fold_groups"`
	// side of the images that the model gets, in pixels
	ImageSize int `yaml:"image_size"`
	// train on smaller images first: 192_280 is 192 pixels until epoch 280, then image_size; "": always image_size
	MultiScale string `yaml:"multi_scale"`
	// filter of resizing: bilinear, bicubic or lanczos
	Interpolation string `yaml:"interpolation"`
	// mean of the pixels in [0, 1], one number per channel
	Mean []float64 `yaml:"mean,flow"`
	// standard deviation of the pixels in [0, 1], one number per channel
	Std []float64 `yaml:"std,flow"`
	// exif: turn images as their camera says; ignore: leave them as they are in the file, as the published recipes
	// do (TIFF images are turned in any case, as Pillow does)
	Orientation string `yaml:"orientation"`
	// grey images with more than 8 bits: scale brings them to 8 bits, as always for colour images; clip cuts values
	// at 255, as Pillow does
	SixteenBit string `yaml:"sixteen_bit"`
	// crop in evaluation: center resizes, then crops; squash resizes the whole image to a square; auto is center
	// below 384 px and squash from there on, and at 32 px or less images of about that size keep their scale (28 to
	// 32 px at 32)
	TestCrop string `yaml:"test_crop"`
	// share of the shorter side that the crop shows; set without test_crop it means center
	TestCropRatio float64 `yaml:"test_crop_ratio"`
	// an image that cannot be read: error stops; skip trains on another image instead
	OnBadImage string `yaml:"on_bad_image"`
	// decode JPEGs in training at 1/2, 1/4 or 1/8 if they are much larger than the crop needs
	ScaledDecode bool `yaml:"scaled_decode"`
	// how often an epoch shows the images of each class: instance shows every image once; balanced shows all
	// classes equally often; sqrt, in proportion to the square root of their images. An epoch always has the same
	// length
	Sampling string `yaml:"sampling"`
	// training images per class, drawn by the seed; 0: all
	MaxPerClass int `yaml:"max_per_class"`
	// goroutines that load images; 0: one per processor
	Workers int `yaml:"workers"`
	// batches that are loaded ahead
	Prefetch int `yaml:"prefetch"`
}

// Augment is what training does to images.
type Augment struct {
	// area of the random resized crop, smallest and largest, as a share of the image
	Scale []float64 `yaml:"scale,flow"`
	// aspect ratio of the random resized crop, smallest and largest
	Ratio []float64 `yaml:"ratio,flow"`
	// probability of a horizontal flip
	HFlip float64 `yaml:"hflip"`
	// pixels around the image before the random crop that images of about 32 px get instead, if image_size is at
	// most 32
	Padding int `yaml:"padding"`
	// policy such as rand-m9-mstd0.5-inc1; "": off
	RandAugment string `yaml:"rand_augment"`
	// strength of random brightness, contrast and saturation, instead of rand_augment; 0: off
	ColorJitter float64 `yaml:"color_jitter"`
	// more augmentations of the 8-bit image in their order, after rand_augment or color_jitter: names, or {name:
	// solarize, prob: 0.2, threshold: 128}
	Extra   []Extra `yaml:"extra"`
	Erasing Erasing `yaml:"erasing"`
	// views of each image in a batch, augmented independently (repeated augmentation)
	Repeats int `yaml:"repeats"`
	// alpha of mixup; 0: off
	Mixup float64 `yaml:"mixup"`
	// alpha of CutMix; 0: off
	Cutmix float64 `yaml:"cutmix"`
	// sides of the CutMix rectangle, smallest and largest, as a share of the image, instead of alpha; []: off
	CutmixMinmax []float64 `yaml:"cutmix_minmax,flow"`
	// probability that a batch, pair or image is mixed (mixup_mode)
	MixupProb float64 `yaml:"mixup_prob"`
	// probability of CutMix instead of mixup if both are on
	MixupSwitchProb float64 `yaml:"mixup_switch_prob"`
	// draw once for each batch, pair or elem(ent)
	MixupMode string `yaml:"mixup_mode"`
	// no mixup and CutMix from this epoch on, counted from 0; 0: never off
	MixupOffEpoch int `yaml:"mixup_off_epoch"`
	// label smoothing
	Smoothing float64 `yaml:"smoothing"`
}

// Checkpoint says what is kept on disk.
type Checkpoint struct {
	// epochs between writes of the last checkpoint; a best one is written as soon as there is one
	EveryEpochs int `yaml:"every_epochs"`
	// steps between more checkpoints within an epoch; 0: none
	EverySteps int `yaml:"every_steps"`
	// best epochs to keep besides best and last
	TopK int `yaml:"top_k"`
	// what makes a checkpoint the best: top1 or loss; with task multilabel map or loss
	Monitor string `yaml:"monitor"`
}

// Log says what is written next to log.jsonl and summary.csv.
type Log struct {
	// write event files to the folder tensorboard of the run
	TensorBoard bool `yaml:"tensorboard"`
	// epochs between histograms of weights and gradients in TensorBoard; 0: none
	HistogramInterval int `yaml:"histogram_interval"`
}

// defaultFamily is the family of a file without model.name.
const defaultFamily = "fasternet"

// Default returns the configuration of a file without keys.
func Default() Config {
	return Config{
		Task: "classify", Precision: "fp32", RunDir: "runs", FromWeights: "auto",
		Model: DefaultModel(defaultFamily), MIM: DefaultMIM(),
		Data: Data{
			Name:          "imagefolder",
			LabelKind:     "auto",
			Sampling:      InstanceSampling,
			ValSplit:      GroupedSplit,
			Fold:          1,
			ImageSize:     224,
			Interpolation: "bicubic",
			OnBadImage:    "error",
			ScaledDecode:  true,
			Mean:          []float64{0.485, 0.456, 0.406},
			Std:           []float64{0.229, 0.224, 0.225},
			Prefetch:      2,
			Orientation:   TurnByEXIF,
			SixteenBit:    ScaleSixteenBit,
			TestCrop:      AutoTestCrop,
			TestCropRatio: 0.9,
		},
		Augment: Augment{
			Scale:           []float64{0.08, 1},
			Ratio:           []float64{0.75, 4.0 / 3},
			HFlip:           0.5,
			Padding:         4,
			Erasing:         DefaultErasing(),
			Repeats:         1,
			MixupProb:       1,
			MixupSwitchProb: 0.5,
			MixupMode:       "batch",
			Smoothing:       0.1,
		},
		Loss:    DefaultLoss(),
		Distill: Distill{Type: "none", Weights: "auto", Alpha: 0.5, Tau: 1},
		Optim: Optim{
			Opt:           "adamw",
			LR:            1e-3,
			WeightDecay:   0.05,
			WeightDecayOn: "all",
			LayerDecay:    1,
			Betas:         []float64{0.9, 0.999},
			Momentum:      0.9,
			Eps:           1e-8,
			ClipMode:      "norm",
			MaxGradNorm:   1,
		},
		Sched: Sched{
			Form:         "fasternet",
			WarmupEpochs: 5,
			WarmupLR:     1e-6,
			MinLR:        1e-5,
			DecayEpochs:  30,
			DecayRate:    0.1,
			Power:        1,
		},
		EMA: EMA{Gamma: 1, Power: 2.0 / 3},
		Train: Train{
			Epochs:       100,
			BatchSize:    128,
			AccumSteps:   1,
			ValBatchSize: 128,
			ValInterval:  1,
			LogInterval:  50,
			FrozenStages: -1,
			DistBN:       "reduce",
		},
		Checkpoint: Checkpoint{
			EveryEpochs: 1, Monitor: "top1",
		},
		Log: Log{TensorBoard: true},
	}
}
