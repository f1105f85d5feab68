package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fasternet/checkpoints"
	"fasternet/configs"
	"fasternet/formats"
	"fasternet/layers"
)

// featuresTask is the value of TaskKey in the file of an encoder.
const featuresTask = "features"

// Features names what the model computes before the classifier: [layers.PreLogits], the input of the last
// linear layer, or [layers.Pooled], the mean of the last map, if the layers between the two are not trained.
func (l *Loaded) Features() string {
	if len(l.Untrained) > 0 {
		return layers.Pooled
	}
	return layers.PreLogits
}

// HasFeatures returns an error if the features of that name have passed layers with random values.
func (l *Loaded) HasFeatures(name string) error {
	if name != layers.PreLogits || len(l.Untrained) == 0 {
		return nil
	}
	return fmt.Errorf("%s has no weights of %s, which come before %s: take %s, or the number of a stage",
		l.Path, strings.Join(l.Untrained, ", "), layers.PreLogits, layers.Pooled)
}

// ErrUntrained says that a format needs layers that the pre-training has not trained.
var ErrUntrained = errors.New("the pre-training has not trained")

// needsAll returns an error that wraps ErrUntrained if layers before the classifier are not trained.
func (l *Loaded) needsAll(what string) error {
	if len(l.Untrained) == 0 {
		return nil
	}
	return fmt.Errorf("%s computes its features with %s, which %w: write only the encoder, "+
		"with export --out FILE.safetensors, or with convert --naming timm FILE.safetensors",
		what, strings.Join(l.Untrained, ", "), ErrUntrained)
}

// lacks reports whether files of the model lack a tensor: the classifier of an encoder, and what comes
// before it with random values.
func (l *Loaded) lacks(name string) bool {
	return l.Headless && (slices.Contains(classifier, name) || slices.Contains(l.Untrained, name))
}

// State returns the tensors of the model for an exported file. The state of an encoder ends before the
// classifier.
func (l *Loaded) State() []formats.Tensor {
	return slices.DeleteFunc(ExportTensors(l.Model), func(t formats.Tensor) bool { return l.lacks(t.Name) })
}

// Parameters counts the learned values in such a file.
func (l *Loaded) Parameters() int {
	n := l.Model.Store().Parameters()
	for _, e := range l.Model.Store().Entries {
		if e.Param != nil && l.lacks(e.Name) {
			n -= e.Param.Size()
		}
	}
	return n
}

// describeEncoder writes to the metadata that there is no classifier.
func (l *Loaded) describeEncoder(meta map[string]string) {
	if !l.Headless {
		return
	}
	meta[TaskKey], meta[FeaturesKey] = featuresTask, l.Features()
	if l.pretraining {
		meta[PretrainingKey] = "localmim"
	}
}

// isEncoder reports whether a file of ours is the export of an encoder.
func isEncoder(f *checkpoints.File) bool { return f != nil && f.Meta[FeaturesKey] != "" }

// encoderFile reports whether the source is such a file.
func (s *source) encoderFile() bool { return isEncoder(s.own) }

// ofPretraining reports whether LocalMIM has trained the weights: the state of a pre-training, or the export
// of its encoder.
func (s *source) ofPretraining() bool {
	return s.pretrained() || s.encoderFile() && s.own.Meta[PretrainingKey] == "localmim"
}

// betweenEncoderAndHead returns the tensors before the classifier that begin with random values.
func betweenEncoderAndHead(fresh []Row) (names []string) {
	for _, r := range fresh {
		norm := strings.HasPrefix(r.Name, "norm.") || strings.HasPrefix(r.Name, "fc_norm.")
		if !norm && !slices.Contains(classifier, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names
}

// fitsEncoder verifies the tensors of an encoder's file, which lacks what comes after the encoder.
func fitsEncoder(store *layers.Store, f *checkpoints.File, c *configs.Config) error {
	after := afterEncoder(c.Model.Name)
	_, err := importTensors(store, f.Tensors, false, "", func(name string) bool {
		return slices.Contains(classifier, name) || after(name)
	})
	return err
}
