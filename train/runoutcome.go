package train

import (
	"fasternet/checkpoints"
	"fasternet/eval"
)

// Outcome is the result of a run.
type Outcome struct {
	eval.Result        // of the best checkpoint
	Epoch       int    `json:"epoch"` // of the best checkpoint, from 1; 0 if there is none
	Checkpoint  string `json:"checkpoint"`
	Last        Score  `json:"last"`   // its epoch also counts from 1
	Epochs      int    `json:"epochs"` // trained epochs
	RunDir      string `json:"run_dir"`
	EMA         bool   `json:"ema,omitempty"`           // the result is for averaged weights
	Early       bool   `json:"stopped_early,omitempty"` // train.patience ended it
}

// Pretraining is the result of a run without labels: a loss, no accuracy.
type Pretraining struct {
	Loss       float64 `json:"loss"`  // of the best checkpoint on the validation images
	Count      int     `json:"count"` // validation images
	Epoch      int     `json:"epoch"` // of the best checkpoint, from 1
	Checkpoint string  `json:"checkpoint"`
	LastLoss   float64 `json:"last_loss"`
	Epochs     int     `json:"epochs"`
	RunDir     string  `json:"run_dir"`
}

// MultiLabel is the result of a run with any number of labels per image.
type MultiLabel struct {
	MAP        float64 `json:"map"`       // mean average precision over the labels, of the best checkpoint, percent
	MicroMAP   float64 `json:"map_micro"` // percent
	F1         float64 `json:"f1_macro"`  // percent, with the thresholds
	Loss       float64 `json:"loss"`
	Count      int     `json:"count"`
	Epoch      int     `json:"epoch"` // of the best checkpoint, from 1
	Checkpoint string  `json:"checkpoint"`
	LastMAP    float64 `json:"last_map"`
	Epochs     int     `json:"epochs"`
	RunDir     string  `json:"run_dir"`
	EMA        bool    `json:"ema,omitempty"`
	Early      bool    `json:"stopped_early,omitempty"`
}

// MultiLabel returns the result of a run of task multilabel.
func (o Outcome) MultiLabel() MultiLabel {
	return MultiLabel{
		o.MAP, o.MicroMAP, o.F1, o.Loss, o.Count, o.Epoch, o.Checkpoint, o.Last.MAP, o.Epochs, o.RunDir, o.EMA,
		o.Early,
	}
}

// Pretraining returns the result of a run of task localmim.
func (o Outcome) Pretraining() Pretraining {
	return Pretraining{o.Loss, o.Count, o.Epoch, o.Checkpoint, o.Last.Loss, o.Epochs, o.RunDir}
}

func (t *trainer) outcome() Outcome {
	o := Outcome{Last: t.progress.Last, Epochs: t.progress.Epoch, RunDir: t.dir, EMA: t.ema != nil, Early: t.stale()}
	if b := t.progress.Best; b != nil {
		o.Last.Epoch++
		o.Result, o.Epoch, o.Checkpoint = b.Result, b.Epoch+1, Checkpoints(t.dir).Path(checkpoints.Best)
	}
	return o
}
