package configs

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/internal/reference"

	"gopkg.in/yaml.v3"
)

// Paths has the absolute form of each relative path of a configuration, by what the
// configuration says. A run keeps them, so that its data and its teacher are found from
// any folder.
type Paths map[string]string

// pathKeys are the settings that lead to files or folders; what else does is below data.dir.
var pathKeys = []string{"data.dir", "from", "distill.teacher", "distill.config"}

// paths are the values of pathKeys.
func (c *Config) paths() []*string {
	return []*string{&c.Data.Dir, &c.From, &c.Distill.Teacher, &c.Distill.Config}
}

// AbsolutePaths are the absolute forms of the relative paths, from the working folder.
func (c *Config) AbsolutePaths() (Paths, error) {
	p := Paths{}
	for _, path := range c.paths() {
		if as, ok := c.written[*path]; ok {
			p[as] = *path
			continue
		}
		if *path == "" || filepath.IsAbs(*path) || slices.Contains(Presets(), *path) || reference.IsReference(*path) {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return nil, fmt.Errorf("the absolute form of %s: %w", *path, err)
		}
		p[*path] = absolute
	}
	return p, nil
}

// Without leaves out the paths that settings ("key.sub=value") name: these are meant from
// the working folder.
func (p Paths) Without(settings []string) Paths {
	left := maps.Clone(p)
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		var text string
		if slices.Contains(pathKeys, key) && yaml.Unmarshal([]byte(value), &text) == nil {
			delete(left, text)
		}
	}
	return left
}

// Locate makes the paths of a configuration that was written in another folder, maybe on
// another machine, lead to where they led there. What is not there any more is looked for
// from the working folder; the notes say what was found. YAML goes on to say what was
// written, so that a run which is resumed from another folder can still be copied.
func (c *Config) Locate(p Paths) (notes []string) {
	for _, path := range c.paths() {
		here := *path
		if here == "" || slices.Contains(Presets(), here) || reference.IsReference(here) {
			continue
		}
		slashed := strings.ReplaceAll(here, `\`, "/") // of a path of Windows
		switch there, known := p[here]; {
		case known && sameFile(here, there):
		case known && exists(there):
			c.move(path, there)
		case known && exists(here):
			notes = append(notes, fmt.Sprintf("%s is not there any more: %s of this folder is taken", there, here))
		case exists(here):
		case exists(slashed):
			*path = slashed
			notes = append(notes, fmt.Sprintf("%s is not there: %s of this folder is taken", here, slashed))
		case known:
			c.move(path, there) // for the error
		}
	}
	return notes
}

func (c *Config) move(path *string, to string) {
	if c.written == nil {
		c.written = map[string]string{}
	}
	c.written[to] = *path
	*path = to
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}
