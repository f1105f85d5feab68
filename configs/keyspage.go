package configs

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// keysIntro is the beginning of docs/reference/keys.md.
const keysIntro = `# All keys

Look up every key of a configuration here: what it means, which values it takes, and its default.

- ` + "`fasternet-train config show my.yaml`" + ` prints the same explanations next to the values of your configuration.
- ` + "`fasternet-train config check my.yaml`" + ` finds misspelt keys and values that cannot work together.
- ` + "`fasternet-train config schema`" +
	` prints a JSON Schema, with which an editor completes keys and marks mistakes.
- ` + "`--set train.epochs=30`" + ` sets a key on the command line: the section, a dot, the key.

The default is the value without a ` + "`base`" + `. Presets have their own: ` + "`config show PRESET`" + ` prints
them. [Configuration](configuration.md) shows how the keys work together. This page is made from the program.

`

// KeysPage is docs/reference/keys.md: all keys of all registered families, formats and
// augmentations, with a table for each section. A key without an explanation is an error.
func KeysPage() (string, error) {
	notes, err := readComments()
	if err != nil {
		return "", err
	}
	w := keysWriter{notes: notes, domains: allDomains()}
	c := Default()
	top := fieldsBelow("", "", reflect.ValueOf(&c).Elem())
	w.table("Top level", "", withoutSection(top))
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Type.Kind() == reflect.Struct && f.IsExported() && keyOf(f) != "-" {
			w.section(keyOf(f), v.Field(i))
		}
	}
	page := keysIntro + w.contents() + w.text.String()
	if w.unexplained != nil {
		err = fmt.Errorf("configs: nothing explains %s: want a comment at the field, or a tag doc",
			strings.Join(w.unexplained, ", "))
	}
	return strings.TrimRight(page, "\n") + "\n", err
}

// keysWriter writes the tables of the page of all keys.
type keysWriter struct {
	notes       comments
	domains     map[string]Domain
	text        strings.Builder
	headings    []string
	unexplained []string
}

func (w *keysWriter) contents() string {
	var b strings.Builder
	for i, h := range w.headings {
		if i > 0 {
			b.WriteString(" ·\n")
		}
		name := strings.NewReplacer("`", "", ".", "", ":", "").Replace(h)
		fmt.Fprintf(&b, "[%s](#%s)", h, strings.ReplaceAll(strings.ToLower(name), " ", "-"))
	}
	return b.String() + "\n\n"
}

// section writes the tables of a section and of its parts.
func (w *keysWriter) section(name string, v reflect.Value) {
	var own []keyField
	for _, f := range fieldsBelow(name, "", v) {
		if !strings.Contains(strings.TrimPrefix(f.key, name+"."), ".") && !isFamilyKey(name, f.key) {
			own = append(own, f)
		}
	}
	w.table("`"+name+"`", aboutSection.ReplaceAllString(w.notes[v.Type().Name()], ""), own)
	switch v.Type() {
	case reflect.TypeFor[Model]():
		w.families()
	case reflect.TypeFor[Data]():
		w.kinds("Formats of `data.name`", "data.options", formatKinds())
	case reflect.TypeFor[Augment]():
		w.kinds("Augmentations of `augment.extra`", "augment.extra", Augmentations())
	}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Type.Kind() == reflect.Struct {
			w.section(join(name, keyOf(f)), v.Field(i))
		}
	}
}

// aboutSection is how the comment of a section's struct begins.
var aboutSection = regexp.MustCompile(`^\w+ (is|says) `)

// isFamilyKey reports whether only some families have a key of the section model.
func isFamilyKey(section, key string) bool {
	return section == "model" && !slices.Contains(keysOf(reflect.TypeFor[Model]()), strings.TrimPrefix(key, "model."))
}

// withoutSection returns the keys at the top level.
func withoutSection(fields []keyField) []keyField {
	return slices.DeleteFunc(slices.Clone(fields), func(f keyField) bool { return strings.Contains(f.key, ".") })
}

func formatKinds() (kinds []Kind) {
	for _, f := range DataFormats() {
		kinds = append(kinds, f.Kind)
	}
	return kinds
}

// families writes the table of the keys of each family.
func (w *keysWriter) families() {
	for _, name := range FamilyNames() {
		f, _ := FamilyOf(name)
		notes := comments{}
		if err := notes.parse(name+".go", []byte(f.Source), name+"."); err != nil {
			w.unexplained = append(w.unexplained, "the keys of "+name)
			continue
		}
		domains := familyDomains(name)
		arch := reflect.ValueOf(DefaultModel(name).Arch)
		w.heading(fmt.Sprintf("`model` with `name: %s`", name), "Keys that a "+f.Title+" has besides the keys above.")
		for _, k := range fieldsBelow("model", name+".", arch) {
			w.row(k, cmp.Or(notes[k.note], k.field.Tag.Get("doc")), domains)
		}
		w.text.WriteString("\n")
	}
}

// kinds writes what a key can name, and the options of each.
func (w *keysWriter) kinds(title, key string, kinds []Kind) {
	if kinds == nil {
		return
	}
	w.headings = append(w.headings, title)
	fmt.Fprintf(&w.text, "## %s\n\n| name | meaning | options |\n|---|---|---|\n", title)
	for _, k := range kinds {
		if k.Doc == "" {
			w.unexplained = append(w.unexplained, key+" "+k.Name)
		}
		var options []string
		if o := k.options(); o != nil {
			v := reflect.ValueOf(o).Elem()
			for i := range v.NumField() {
				f := v.Type().Field(i)
				doc := f.Tag.Get("doc")
				if doc == "" {
					w.unexplained = append(w.unexplained, key+" "+k.Name+": "+keyOf(f))
				}
				options = append(options, fmt.Sprintf("`%s: %s`: %s", keyOf(f), plainValue(v.Field(i)), doc))
			}
		}
		fmt.Fprintf(&w.text, "| `%s` | %s | %s |\n", k.Name, cell(k.Doc), cell(strings.Join(options, "; ")))
	}
	w.text.WriteString("\n")
}

func (w *keysWriter) heading(title, about string) {
	w.headings = append(w.headings, title)
	fmt.Fprintf(&w.text, "## %s\n\n", title)
	if about != "" {
		fmt.Fprintf(&w.text, "%s\n\n", strings.ToUpper(about[:1])+about[1:])
	}
	w.text.WriteString("| key | values | default | meaning |\n|---|---|---|---|\n")
}

// table writes a table of keys.
func (w *keysWriter) table(title, about string, fields []keyField) {
	w.heading(title, about)
	for _, f := range fields {
		w.row(f, cmp.Or(w.notes[f.note], f.field.Tag.Get("doc")), w.domains)
	}
	w.text.WriteString("\n")
}

// row writes the line of a key.
func (w *keysWriter) row(f keyField, meaning string, domains map[string]Domain) {
	if meaning == "" {
		w.unexplained = append(w.unexplained, f.key)
	}
	d, ok := domains[f.key]
	if !ok {
		d = anyNumber()
	}
	name := f.key[strings.LastIndexByte(f.key, '.')+1:]
	fmt.Fprintf(&w.text, "| `%s` | %s | %s | %s |\n", name, cell(valuesOf(f, d)), cell(defaultOf(f)), cell(meaning))
}

// valuesOf says in words which values a key takes.
func valuesOf(f keyField, d Domain) string {
	most := mostOfField(f.key, f.field)
	switch t := f.field.Type; {
	case t == reflect.TypeFor[Options]():
		return "mapping"
	case t == reflect.TypeFor[[]Extra]():
		return "list of names or mappings"
	case t == reflect.TypeFor[*ClassWeights]():
		return quoted(weightRules) + ", list of numbers, or mapping"
	case f.key == "base":
		return "preset or path"
	case f.key == "model.name":
		return quoted(FamilyNames())
	case f.key == "data.name":
		return quoted(dataNames())
	case t.Kind() == reflect.Slice:
		list := "list of " + scalarWords(t.Elem().Kind(), d, most, true)
		if d.Longest > 0 && d.Fewest == d.Longest {
			list = strings.Replace(list, "list of", fmt.Sprintf("list of %d", d.Longest), 1)
		}
		if t == reflect.TypeFor[Heads]() {
			return scalarWords(t.Elem().Kind(), d, most, false) + ", or a list"
		}
		return list
	default:
		return scalarWords(t.Kind(), d, most, false)
	}
}

// scalarWords names a value, or several, in words: "number from 0 to below 1".
func scalarWords(kind reflect.Kind, d Domain, most int, several bool) string {
	word := "number"
	switch kind {
	case reflect.String:
		word = "text"
	case reflect.Int, reflect.Uint64:
		word = "integer"
	}
	switch {
	case kind == reflect.Bool:
		return "`false`, `true`"
	case d.Options != nil:
		return quoted(d.Options)
	case d.Numbers != nil:
		var numbers []string
		for _, n := range d.Numbers {
			numbers = append(numbers, strconv.Itoa(n))
		}
		return quoted(numbers)
	}
	if several {
		word += "s"
	}
	if kind == reflect.String {
		return word
	}
	if kind == reflect.Uint64 {
		d.Least = 0
	}
	if most > 0 && float64(most) < d.Most {
		d.Most, d.Below = float64(most), false
	}
	least, largest := !math.IsInf(d.Least, -1), d.Most < math.MaxFloat64
	if least && d.Above {
		word += " above " + shortNumber(d.Least)
	} else if least {
		word += " from " + shortNumber(d.Least)
	}
	switch {
	case largest && d.Below:
		word += " to below " + shortNumber(d.Most)
	case largest && least:
		word += " to " + shortNumber(d.Most)
	case largest:
		word += " up to " + shortNumber(d.Most)
	case least && !d.Above:
		word += " on"
	}
	return word
}

// defaultOf returns the default of a key, with what other tasks and families have.
func defaultOf(f keyField) string {
	if strings.HasPrefix(f.key, "mim.") {
		return pretrainingDefault(f.key)
	}
	usual := code(plainValue(f.value))
	text := usual
	for _, task := range Tasks {
		if f.key == "task" || strings.HasPrefix(f.key, "model.") {
			break
		}
		c := Default()
		l := newLoader()
		c.Task, l.config = task, &c
		l.chooseMultiLabel()
		if task == "localmim" {
			c.Checkpoint.Monitor = "loss"
		}
		if v, ok := valueAt(&c, f.key); ok && code(plainValue(v)) != usual {
			text += fmt.Sprintf("; task %s: %s", task, code(plainValue(v)))
		}
	}
	return text
}

// pretrainingDefault returns the default of a key of the section mim: of all families, or of each.
func pretrainingDefault(key string) string {
	var texts, names []string
	for _, family := range FamilyNames() {
		for _, c := range defaultsOf(family) {
			v, ok := valueAt(c, key)
			if c.Task != "localmim" || !ok {
				continue
			}
			text := code(plainValue(v))
			if i := slices.Index(texts, text); i >= 0 {
				names[i] += ", " + family
			} else {
				texts, names = append(texts, text), append(names, family)
			}
		}
	}
	if len(texts) == 1 {
		return texts[0]
	}
	for i := range texts {
		texts[i] = names[i] + ": " + texts[i]
	}
	return strings.Join(texts, "; ")
}

// valueAt returns the value of a key.
func valueAt(c *Config, key string) (v reflect.Value, ok bool) {
	for _, f := range fieldsOf(c) {
		if f.key == key {
			return f.value, true
		}
	}
	return v, false
}

// plainValue returns a value as the YAML has it, in a line.
func plainValue(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Float64:
		return shortNumber(v.Float())
	case v.Kind() == reflect.Slice && v.Type() != reflect.TypeFor[Options]():
		var parts []string
		for i := range v.Len() {
			parts = append(parts, plainValue(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case v.Kind() == reflect.Map:
		return "{}"
	}
	text, err := yaml.Marshal(v.Interface())
	if err != nil {
		return fmt.Sprint(v.Interface())
	}
	return strings.TrimSpace(string(text))
}

// shortNumber has four digits, and a comma between thousands of a whole number.
func shortNumber(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) >= 10_000 && math.Abs(x) < 1e15 {
		text := strconv.FormatFloat(math.Abs(x), 'f', 0, 64)
		for i := len(text) - 3; i > 0; i -= 3 {
			text = text[:i] + "," + text[i:]
		}
		if x < 0 {
			text = "-" + text
		}
		return text
	}
	text := strconv.FormatFloat(x, 'g', 4, 64)
	return strings.NewReplacer("e-0", "e-", "e+0", "e").Replace(text)
}

// quoted lists values that are written as they are.
func quoted(values []string) string {
	var all []string
	for _, v := range values {
		all = append(all, code(v))
	}
	return strings.Join(all, ", ")
}

func code(text string) string { return "`" + text + "`" }

// cell escapes a text for a cell of a Markdown table: bars, and the beginnings of tags.
func cell(text string) string { return strings.NewReplacer("|", `\|`, "<", `\<`).Replace(text) }
