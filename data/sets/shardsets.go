package sets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"fasternet/data"
)

// How surely a member of a shard is for the labels of its sample.
const (
	mayBeLabels = 1 + iota // a text, which may also be a caption
	jsonLabels             // a key of a JSON object
	sureLabels             // a member with a usual name for labels
)

// labelsOf reads what a member says about the labels of a sample that may have any number of
// them. Of several members the most reliable counts.
func (x *shardIndex) labelsOf(s *shardSample, m shardMember, key string) error {
	trust := x.trust(key)
	if trust <= s.trust {
		return nil
	}
	from := "." + key
	if m.size > maxMember {
		return fmt.Errorf("%s: %d bytes; want labels in up to %d", from, m.size, maxMember)
	}
	content, err := io.ReadAll(m.text)
	if err != nil {
		return err
	}
	text, err := decodeText(content)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	var texts []string
	switch {
	case trust == jsonLabels:
		var found bool
		if texts, found, err = x.jsonLabels([]byte(text)); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		if !found {
			return nil
		}
	case strings.HasPrefix(strings.TrimSpace(text), "["):
		if texts, err = x.listed([]byte(text)); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	default:
		texts = x.sets.split(text)
	}
	s.texts, s.trust, s.from = texts, trust, m.name
	return nil
}

// trust returns how surely a member with this key is for labels; 0 if it is not.
func (x *shardIndex) trust(key string) int {
	want := strings.ToLower(x.sets.Key)
	stem := strings.TrimSuffix(key, ".txt")
	switch {
	case key == "json":
		return jsonLabels
	case want == key && want != "":
		return sureLabels
	case want != "":
		return 0
	case key == "txt":
		return mayBeLabels
	case stem == "cls" || isLabelsKey(stem, ""):
		return sureLabels
	}
	return 0
}

// jsonLabels reads the labels in a JSON text: a list, or an object with a key for them.
func (x *shardIndex) jsonLabels(text []byte) (texts []string, found bool, err error) {
	if t := bytes.TrimSpace(text); len(t) > 0 && t[0] == '[' {
		texts, err = x.listed(t)
		return texts, true, err
	}
	object, err := readObject(text)
	if err != nil {
		return nil, false, fmt.Errorf("want a JSON object with labels: %w", err)
	}
	want := x.sets.Key
	if want == "json" {
		want = ""
	}
	from := ""
	for _, f := range object {
		if !isLabelsKey(f.key, want) {
			continue
		}
		if found {
			return nil, false, fmt.Errorf("keys %q and %q may both have the labels; say which with data.label_key",
				from, f.key)
		}
		if texts, err = x.listed(f.value); err != nil {
			return nil, false, fmt.Errorf("key %q: %w", f.key, err)
		}
		found, from = true, f.key
	}
	return texts, found, nil
}

// listed reads a JSON value: a list of names or numbers, a single one, a text with several, or
// null for none.
func (x *shardIndex) listed(value []byte) (texts []string, err error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("want a list of labels: %w", err)
	}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return x.sets.split(v), nil
	case json.Number:
		return []string{v.String()}, nil
	case []any:
		for _, e := range v {
			switch e := e.(type) {
			case string:
				if e = strings.TrimSpace(e); e == "" {
					return nil, errors.New("an empty label")
				}
				texts = append(texts, e)
			case json.Number:
				texts = append(texts, e.String())
			default:
				return nil, fmt.Errorf("want names or numbers of classes, got %.40q", fmt.Sprint(e))
			}
		}
		return texts, nil
	}
	return nil, fmt.Errorf("want a list of labels, got %.40s", value)
}

// finishSets gives the samples their labels.
func (x *shardIndex) finishSets(unlabelled data.FaultList) error {
	d := x.set
	if x.sets.Key == LabelFolder {
		return fmt.Errorf("data: %s: data.label_key: a folder is one label of a sample; "+
			"several are in its members, which are %s", d.files[0], d.found)
	}
	d.sets, d.classes, d.kind = x.sets.settle(func(i int, err error) { d.faults.Add("%s: %w", d.Name(i), err) })
	for i := range d.samples {
		d.samples[i].label = -1
	}
	if x.labelled == 0 {
		d.classes, d.unlabelled = []string{""}, "the members are "+d.found
		d.sets = slices.Repeat([][]int32{nil}, len(d.samples))
		return nil
	}
	d.faults.Join(unlabelled)
	d.notes = append(d.notes, describeSets(x.sets.Labels, d.classes, &d.faults, d.files[0])...)
	return nil
}

var _ data.MultiLabelled = (*Shards)(nil)
