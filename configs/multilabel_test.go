package configs_test

import (
	"strings"
	"testing"

	"fasternet/configs"
)

const several = "task: multilabel\ndata: {name: annotations, dir: photos}\n"

// Missing keys get values for images with several labels; keys in the file stay.
func TestMultiLabelDefaults(t *testing.T) {
	c, err := load(t, several)
	if err != nil {
		t.Fatal(err)
	}
	if c.Loss.Name != "bce" || c.Augment.Smoothing != 0 || c.Checkpoint.Monitor != "map" || !c.Data.MultiLabel {
		t.Errorf("loss %s, smoothing %v, monitor %s, multi_label %v",
			c.Loss.Name, c.Augment.Smoothing, c.Checkpoint.Monitor, c.Data.MultiLabel)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := configs.Parse("again", string(text))
	if err != nil || again.Loss.Name != "bce" || again.Checkpoint.Monitor != "map" {
		t.Errorf("%+v, %v", again, err)
	}
	c, err = load(t, several+"loss: {name: asl, gamma_neg: 2}\naugment: {smoothing: 0.05}", "checkpoint.monitor=loss")
	if err != nil {
		t.Fatal(err)
	}
	if c.Loss.Name != "asl" || c.Augment.Smoothing != 0.05 || c.Checkpoint.Monitor != "loss" {
		t.Errorf("loss %s, smoothing %v, monitor %s", c.Loss.Name, c.Augment.Smoothing, c.Checkpoint.Monitor)
	}
	c, err = load(t, "")
	if err != nil ||
		c.Loss.Name != "ce" ||
		c.Augment.Smoothing != 0.1 ||
		c.Checkpoint.Monitor != "top1" ||
		c.Data.MultiLabel {
		t.Errorf("of task classify: %+v, %v", c, err)
	}
}

func TestMultiLabelErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{
			"softmax", several + "loss: {name: ce}",
			"mine.yaml:4: loss.name: softmax cross entropy needs one label per image: want bce, focal or asl",
		},
		{
			"adjusted", several + "loss: {logit_adjustment: 1}",
			"mine.yaml:4: loss.logit_adjustment: needs loss.name ce and focal, got bce",
		},
		{
			"adjusted focal",
			several + "loss: {name: focal, logit_adjustment: 1}",
			"mine.yaml:4: loss.logit_adjustment: needs one label per image",
		},
		{
			"a teacher",
			several + "distill: {type: soft, teacher: runs/a}",
			"mine.yaml:4: distill.type: the teacher's softmax needs one label per image",
		},
		{
			"top-1", several + "checkpoint: {monitor: top1}",
			"mine.yaml:4: checkpoint.monitor: images with several labels have no top-1 accuracy",
		},
		{"a few of each class", several + "data: {}", "the key appears twice"},
		{
			"max_per_class",
			"task: multilabel\ndata: {name: annotations, max_per_class: 5}",
			"mine.yaml:3: data.max_per_class: images with several labels have no single class",
		},
		{
			"the old split",
			"task: multilabel\ndata: {name: annotations, val_fraction: 0.2, val_split: shuffle}",
			"mine.yaml:3: data.val_split: images with several labels have no single class: " +
				"want grouped or hash, got shuffle",
		},
		{
			"folders", "task: multilabel\ndata: {name: imagefolder}",
			"mine.yaml:3: data.name: data sets of name imagefolder have one label per image: " +
				"for task multilabel want one of annotations and shards",
		},
		{
			"said otherwise",
			"task: multilabel\ndata: {name: annotations, multi_label: false}",
			"mine.yaml:3: data.multi_label: want true for task multilabel",
		},
		{
			"of task classify",
			"data: {name: annotations, multi_label: true}",
			"mine.yaml:2: data.multi_label: want false for task classify",
		},
		{
			"map of task classify", "checkpoint: {monitor: map}",
			"mine.yaml:2: checkpoint.monitor: mean average precision (map) needs task multilabel",
		},
		{
			"asl of task classify", "loss: {name: asl}",
			"mine.yaml:2: loss.name: the asymmetric loss needs task multilabel",
		},
		{
			"alpha of task classify", "loss: {name: focal, alpha: 0.25}",
			"mine.yaml:2: loss.alpha: needs task multilabel",
		},
		{
			"a separator of task classify",
			"data: {name: annotations, label_separator: \",\"}",
			"mine.yaml:2: data.label_separator: needs task multilabel",
		},
		{
			"clip of another loss", several + "loss: {clip: 0.1}",
			"mine.yaml:4: loss.clip: needs loss.name asl, got bce",
		},
		{
			"unknown task", "task: multilabels",
			`mine.yaml:2: task: want classify or multilabel or localmim, got "multilabels", did you mean multilabel?`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := load(t, c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
