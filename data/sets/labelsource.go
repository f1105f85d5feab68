package sets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// sampleLabel collects everything that tells the class of one sample: members of a shard, keys
// of a JSON object, columns of a table. They must agree.
type sampleLabel struct {
	class class
	has   bool   // there is a label
	from  string // where it comes from
	text  string
	doubt error // why something that may not be meant as a label is none
}

// add adds what one place says; from is "" if there is only one. A firm place exists only for
// the label, so that any other content is an error. Other places, such as a text, may also be a
// caption; they count only if they are a label or a number.
func (s *sampleLabel) add(r *labelReader, from, text string, firm bool) error {
	c, err := r.parse(text)
	if err != nil {
		_, isNumber := wholeNumber(strings.TrimSpace(text))
		return s.fail(from, err, firm || isNumber && r.Kind != LabelName)
	}
	if !s.has {
		*s = sampleLabel{c, true, from, strings.TrimSpace(text), nil}
		return nil
	}
	both, ok := s.class.meet(c)
	if !ok {
		hint := ""
		if r.Key == "" {
			hint = "; data.label_key says which counts"
		}
		return fmt.Errorf("two labels that disagree: %.40s in %s, %.40s in %s%s",
			s.text, s.from, strings.TrimSpace(text), from, hint)
	}
	s.class = both
	return nil
}

// fail records that a place has no label.
func (s *sampleLabel) fail(from string, err error, firm bool) error {
	if from != "" {
		err = fmt.Errorf("%s: %w", from, err)
	}
	if firm {
		return err
	}
	if s.doubt == nil && !s.has {
		s.doubt = err
	}
	return nil
}

// found reports whether there is a label. If there is only something that could be one, the
// error says why it is none.
func (s *sampleLabel) found() (bool, error) { return s.has, s.doubt }

// labelNames are usual names for a column or a JSON key with a label: one of labelWords, alone
// or with one of labelEndings.
var (
	labelWords   = []string{"label", "class", "cls", "target", "category"}
	labelEndings = []string{"", "id", "idx", "index", "name", "number", "num"}
	labelNames   = func() map[string]bool {
		names := map[string]bool{}
		for _, word := range labelWords {
			for _, ending := range labelEndings {
				names[word+ending] = true
			}
		}
		return names
	}()
)

// joints are the characters between the words of a key, which may also be missing.
var joints = strings.NewReplacer("_", "", "-", "", " ", "")

// plainKey returns the name of a key or a column in lower case and without joints.
func plainKey(key string) string { return strings.ToLower(joints.Replace(key)) }

// isLabelKey reports whether a column or a JSON key has a label; want is the one that the user
// has named, if any.
func isLabelKey(key, want string) bool {
	if want != "" {
		return plainKey(key) == plainKey(want)
	}
	return labelNames[plainKey(key)]
}

// addJSON adds a JSON text: an object with a label under one of the usual keys, or a label by
// itself. Other objects are ignored.
func (s *sampleLabel) addJSON(r *labelReader, from string, text []byte) error {
	if t := bytes.TrimSpace(text); len(t) > 0 && t[0] != '{' {
		return s.addValue(r, from, text, false)
	}
	object, err := readObject(text)
	if err != nil {
		return s.fail(from, fmt.Errorf("want a JSON object with a label: %w", err), false)
	}
	want := r.Key
	if want == "json" { // it names the member, not a key
		want = ""
	}
	for _, f := range object {
		if !isLabelKey(f.key, want) {
			continue
		}
		if err := s.addValue(r, fmt.Sprintf("%s, key %q", from, f.key), f.value, r.Key != ""); err != nil {
			return err
		}
	}
	return nil
}

// field is a key of a JSON object with its value.
type field struct {
	key   string
	value json.RawMessage
}

// readObject reads a JSON object, sorted by its keys. A key may occur twice.
func readObject(text []byte) (fields []field, err error) {
	if err := json.Unmarshal(text, &struct{}{}); err != nil { // also finds extra text after the object
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		f := field{key: fmt.Sprint(key)}
		if err := d.Decode(&f.value); err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.key, b.key) })
	return fields, nil
}

// addValue adds a JSON value.
func (s *sampleLabel) addValue(r *labelReader, from string, value []byte, firm bool) error {
	var v any
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return s.fail(from, fmt.Errorf("want a JSON object with a label: %w", err), firm)
	}
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return s.add(r, from, v, firm)
	case json.Number:
		return s.addNumber(r, from, v.String(), firm)
	case []any:
		return s.fail(from, fmt.Errorf("a list of %d labels; want one label of each image", len(v)), firm)
	}
	return s.fail(from, fmt.Errorf("want a number or a name, got %.40s", value), firm)
}

// addNumber adds a JSON number, which cannot be the name of a class.
func (s *sampleLabel) addNumber(r *labelReader, from, text string, firm bool) error {
	if r.Kind != LabelName {
		kind := r.Kind
		r.Kind = LabelNumber
		defer func() { r.Kind = kind }()
	}
	return s.add(r, from, text, firm)
}
