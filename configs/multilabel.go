package configs

import (
	"path"
	"strings"
)

// chooseMultiLabel sets keys that depend on the number of labels per image to the values for the task, unless
// the user has set them. The values of presets are for images with one label.
func (l *loader) chooseMultiLabel() {
	c := l.config
	if c.Task != MultiLabelTask {
		return
	}
	if !l.chosen("data.multi_label") {
		c.Data.MultiLabel = true
	}
	if !l.chosen("loss.name") {
		c.Loss.Name = "bce"
	}
	if !l.chosen("augment.smoothing") {
		c.Augment.Smoothing = 0
	}
	if !l.chosen("checkpoint.monitor") {
		c.Checkpoint.Monitor = "map"
	}
}

// chosen reports whether a key was set outside a preset.
func (l *loader) chosen(key string) bool {
	where := l.origin[key]
	if where == "" {
		return false
	}
	for _, preset := range Presets() {
		if strings.HasPrefix(where, path.Join("configs", preset+".yaml")+":") {
			return false
		}
	}
	return true
}

// checkMultiLabel refuses keys that do not fit images with one label, or with several.
func (c *Config) checkMultiLabel() *problem {
	several := c.Task == MultiLabelTask
	switch d, l := c.Data, c.Loss; {
	case several && !d.MultiLabel:
		return wrong("data.multi_label", "want true for task multilabel, got false").with("task")
	case c.Task == "classify" && d.MultiLabel:
		return wrong("data.multi_label", "want false for task classify, or set task: multilabel").with("task")
	case d.Separator != "" && !d.MultiLabel:
		return wrong("data.label_separator", "needs task multilabel, got %q", d.Separator).
			with("task", "data.multi_label")
	case d.MultiLabel && d.MaxPerClass > 0:
		return wrong("data.max_per_class", "images with several labels have no single class: want 0, got %d",
			d.MaxPerClass).
			with("task", "data.multi_label")
	case d.MultiLabel && d.ValFraction > 0 && d.ValSplit == ShuffleSplit:
		return wrong("data.val_split", "images with several labels have no single class: want %s or %s, got %s",
			GroupedSplit, HashSplit, ShuffleSplit).
			with("task", "data.multi_label")
	case several && l.Name == "ce":
		return wrong("loss.name",
			"softmax cross entropy needs one label per image: want bce, focal or asl for task multilabel, got ce").
			with("task")
	case several && l.LogitAdjustment != 0:
		return wrong("loss.logit_adjustment",
			"needs one label per image; for task multilabel set loss.class_weights or loss.name asl").
			with("task")
	case several && c.Distill.Type != "none":
		return wrong("distill.type",
			"the teacher's softmax needs one label per image: want none for task multilabel, got %s",
			c.Distill.Type).
			with("task")
	case several && c.Checkpoint.Monitor == "top1":
		return wrong("checkpoint.monitor",
			"images with several labels have no top-1 accuracy: want map or loss, got top1").
			with("task")
	case !several && c.Checkpoint.Monitor == "map":
		return wrong("checkpoint.monitor",
			"mean average precision (map) needs task multilabel: want top1 or loss, got map").
			with("task")
	case !several && l.Name == "asl":
		return wrong("loss.name", "the asymmetric loss needs task multilabel: want ce, bce or focal, got asl").
			with("task")
	case !several && l.SumClasses && l.Name == "focal":
		return wrong("loss.sum_classes",
			"focal loss with one label per image is a softmax, without a mean over the classes: want false").
			with("task", "loss.name")
	case !several && l.Alpha != 0:
		return wrong("loss.alpha", "needs task multilabel: with one label per image, set loss.class_weights").
			with("task")
	}
	return nil
}
