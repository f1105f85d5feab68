package model

import (
	"errors"
	"fmt"
	"strconv"

	"fasternet/graph"
	"fasternet/layers"
)

// TemperatureKey is the key in the metadata of an exported model for the temperature of its logits. The
// weights of the classifier are divided by it already.
const TemperatureKey = "temperature"

// Temper divides the logits of a model by a number, in its classifier, until undo is called. It returns
// an error if the model has no such classifier.
func (l *Loaded) Temper(temperature float64) (undo func(), err error) {
	if !(temperature > 0) {
		return nil, fmt.Errorf("model: a temperature of %v: want a number above 0", temperature)
	}
	if graph.IsInt8(l.Model) {
		return nil, errors.New("the model is int8: export the float32 model with both --temperature and --int8")
	}
	var kept [][]float32
	var parts []layers.Entry
	for _, name := range classifier {
		e, ok := l.Model.Store().Lookup(name)
		switch {
		case ok && e.Param != nil:
			parts = append(parts, e)
		case name == "head.weight":
			return nil, fmt.Errorf("model: a temperature changes head.weight of the classifier, which this model lacks")
		}
	}
	before := l.Temperature
	for _, e := range parts {
		values := e.Param.Data()
		kept = append(kept, append([]float32(nil), values...))
		for i, v := range values {
			values[i] = float32(float64(v) / temperature)
		}
		e.Param.Changed()
	}
	if l.Temperature == 0 {
		l.Temperature = 1
	}
	l.Temperature *= temperature
	return func() {
		for i, e := range parts {
			copy(e.Param.Data(), kept[i])
			e.Param.Changed()
		}
		l.Temperature = before
	}, nil
}

// Meta returns the metadata that describe the model in a checkpoint.
func (l *Loaded) Meta() (map[string]string, error) {
	meta, err := Meta(l.Config, append([]string{}, l.Classes...))
	if err == nil {
		l.describeTemperature(meta)
	}
	return meta, err
}

// describeTemperature adds the temperature to the metadata of a file.
func (l *Loaded) describeTemperature(meta map[string]string) {
	if l.Temperature != 0 {
		meta[TemperatureKey] = strconv.FormatFloat(l.Temperature, 'g', -1, 64)
	}
}

// temperatureOf returns the temperature in a file; 0 if there is none.
func temperatureOf(meta map[string]string) (float64, error) {
	text, ok := meta[TemperatureKey]
	if !ok {
		return 0, nil
	}
	t, err := strconv.ParseFloat(text, 64)
	if err != nil || !(t > 0 && t < 1e9) {
		return 0, fmt.Errorf("its temperature: want a number above 0, got %q", text)
	}
	return t, nil
}
