package configs

import (
	"path"
	"strings"
)

// chooseMultiLabel gives the keys that depend on whether images have several labels, and that
// nobody has set, the values for the task. What a preset says is for images with one label.
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

// chosen says whether a key was set elsewhere than in a preset.
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

// checkMultiLabel refuses what does not fit to images with one label, or with several.
func (c *Config) checkMultiLabel() *problem {
	several := c.Task == MultiLabelTask
	switch d, l := c.Data, c.Loss; {
	case several && !d.MultiLabel:
		return wrong("data.multi_label", "task multilabel is for images with any number of labels: want true, got false").with("task")
	case c.Task == "classify" && d.MultiLabel:
		return wrong("data.multi_label", "task classify is for images with one label: want false, or task: multilabel").with("task")
	case d.Separator != "" && !d.MultiLabel:
		return wrong("data.label_separator", "it is for images with several labels (task multilabel), got %q", d.Separator).with("task", "data.multi_label")
	case d.MultiLabel && d.MaxPerClass > 0:
		return wrong("data.max_per_class", "images with several labels are of no one class: want 0, got %d", d.MaxPerClass).with("task", "data.multi_label")
	case d.MultiLabel && d.ValFraction > 0 && d.ValSplit == ShuffleSplit:
		return wrong("data.val_split", "images with several labels are of no one class: want %s, got %s", HashSplit, ShuffleSplit).with("task", "data.multi_label")
	case several && l.Name == "ce":
		return wrong("loss.name", "softmax cross entropy is for images with one label: want bce, focal or asl for task multilabel, got ce").with("task")
	case several && l.LogitAdjustment != 0:
		return wrong("loss.logit_adjustment", "it is for images with one label; for task multilabel take loss.class_weights or loss.name asl").with("task")
	case several && c.Distill.Type != "none":
		return wrong("distill.type", "the teacher's softmax is for images with one label: want none for task multilabel, got %s", c.Distill.Type).with("task")
	case several && c.Checkpoint.Monitor == "top1":
		return wrong("checkpoint.monitor", "images with several labels have no top-1 accuracy: want map or loss, got top1").with("task")
	case !several && c.Checkpoint.Monitor == "map":
		return wrong("checkpoint.monitor", "mean average precision (map) is of task multilabel: want top1 or loss, got map").with("task")
	case !several && l.Name == "asl":
		return wrong("loss.name", "the asymmetric loss is of task multilabel: want ce, bce or focal, got asl").with("task")
	case !several && l.SumClasses && l.Name == "focal":
		return wrong("loss.sum_classes", "focal loss of images with one label is a softmax, which has no mean over the classes: want false").with("task", "loss.name")
	case !several && l.Alpha != 0:
		return wrong("loss.alpha", "it is of task multilabel: with one label an image, loss.class_weights say how much each class counts").with("task")
	}
	return nil
}
