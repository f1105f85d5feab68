package train

import (
	"fmt"
	"slices"

	"fasternet/configs"
	"fasternet/data"
	"fasternet/data/classes"
	"fasternet/formats/torch"
	"fasternet/graph"
	"fasternet/kernels"
	"fasternet/model"
)

// teacher is a model that a student learns from. It is frozen, in evaluation form, and part of no optimizer and
// no checkpoint.
type teacher struct {
	path    string
	average bool // its weights are averaged
	runner  *graph.Runner
	// These convert images normalised for the student to the teacher's normalisation; nil if it is the
	// same.
	scale, shift []float32
	images       []float32
	answers      []float32
	order        []int  // the teacher's output for each output of the student; nil if the order is the same
	note         string // about its classes; may be empty
}

// openTeacher opens the teacher of a configuration, to run in the student's memory; nil if there is none. It
// returns an error if the teacher does not fit the student.
func openTeacher(c *configs.Config, student *graph.Runner, names []string) (*teacher, error) {
	if c.Distill.Type == "none" {
		return nil, nil
	}
	l, err := model.Open(c.Distill.Teacher, model.LoadOptions{
		Config: c.Distill.Config, Weights: torch.Choice(c.Distill.Weights), StateKey: c.Distill.StateKey,
		Remedies: &model.Remedies{
			Weights: "distill.weights", StateKey: "distill.state_key",
			Setting: "add distill.config, a file with %s", Config: "describe the model with distill.config",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("distill.teacher: %w", err)
	}
	wrong := func(format string, args ...any) (*teacher, error) {
		return nil, fmt.Errorf("distill.teacher: %s %s", l.Path, fmt.Sprintf(format, args...))
	}
	match := classes.Compare(names, l.Classes)
	note, err := match.Judge("the data set", "the teacher")
	if err != nil {
		return nil, fmt.Errorf("distill.teacher: %s: %w", l.Path, err)
	}
	if have, want := l.Model.Classes(), student.Model.Classes(); have != want {
		return wrong("has %d classes, the student has %d", have, want)
	}
	order, err := match.Permutation(student.Model.Classes())
	if err != nil {
		return nil, fmt.Errorf("distill.teacher: %s: %w", l.Path, err)
	}
	if have, want := l.Model.Channels(), student.Model.Channels(); have != want {
		return wrong("takes images with %d channels, the student takes %d", have, want)
	}
	net, err := graph.ForInference(l.Model)
	if err != nil {
		return nil, fmt.Errorf("distill.teacher: %w", err)
	}
	t := &teacher{path: l.Path, average: l.Average, runner: student.Beside(net), order: order, note: note}
	own, his := c.Data, l.Config.Data
	if !slices.Equal(own.Mean, his.Mean) || !slices.Equal(own.Std, his.Std) {
		for i := range own.Mean {
			t.scale = append(t.scale, float32(own.Std[i]/his.Std[i]))
			t.shift = append(t.shift, float32((own.Mean[i]-his.Mean[i])/his.Std[i]))
		}
	}
	return t, nil
}

// prepare compiles the programs for this many images, if there is a teacher.
func (t *teacher) prepare(c *configs.Config, batch int) error {
	if t == nil {
		return nil
	}
	for _, size := range []int{c.Data.Scale(0), c.Data.ImageSize} {
		if _, err := t.runner.Program(graph.Shape{Batch: batch, Height: size, Width: size}); err != nil {
			return fmt.Errorf("distill.teacher: %s: %w", t.path, err)
		}
	}
	return nil
}

// logits returns the teacher's logits for a batch, valid until the next call.
func (t *teacher) logits(b *data.Batch) ([]float32, error) {
	program, err := t.runner.Program(graph.Shape{Batch: b.Size, Height: b.Height, Width: b.Width})
	if err != nil {
		return nil, fmt.Errorf("distill.teacher: %w", err)
	}
	images := b.Images
	if t.scale != nil {
		if len(t.images) != len(images) {
			t.images = kernels.Aligned(len(images))
		}
		pixels := len(images) / b.Channels
		t.runner.Pool().Kernels().
			Affine(
				kernels.NewMatrix(t.images, pixels, b.Channels),
				kernels.NewMatrix(images, pixels, b.Channels),
				t.scale,
				t.shift,
				kernels.Identity,
			)
		images = t.images
	}
	logits, err := program.Forward(images)
	if err != nil {
		return nil, fmt.Errorf("distill.teacher: %w", err)
	}
	// The student uses the same memory.
	if len(t.answers) != len(logits) {
		t.answers = make([]float32, len(logits))
	}
	if t.order == nil {
		copy(t.answers, logits)
		return t.answers, nil
	}
	for first := 0; first < len(logits); first += len(t.order) {
		row := logits[first : first+len(t.order)]
		for i, at := range t.order {
			t.answers[first+i] = row[at]
		}
	}
	return t.answers, nil
}
