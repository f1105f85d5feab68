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

// Paths maps each relative path of a configuration to its absolute form. A run keeps them, so that its data
// and its teacher are found from any folder.
type Paths map[string]string

// pathKeys are the settings with paths. All other paths are inside data.dir.
var pathKeys = []string{"data.dir", "from", "distill.teacher", "distill.config"}

// paths returns the values of pathKeys.
func (c *Config) paths() []*string {
	return []*string{&c.Data.Dir, &c.From, &c.Distill.Teacher, &c.Distill.Config}
}

// AbsolutePaths returns the absolute forms of the relative paths, from the working folder.
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

// Without leaves out paths that settings ("key.sub=value") name: these count from the working folder.
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

// Locate corrects the paths of a configuration that was written in another folder, perhaps on another
// machine. It looks for missing ones in the working folder; the notes say what it found. YAML still writes
// the original paths, so that a run resumed from another folder can be copied.
func (c *Config) Locate(p Paths) (notes []string) {
	for _, path := range c.paths() {
		here := *path
		if here == "" || slices.Contains(Presets(), here) || reference.IsReference(here) {
			continue
		}
		slashed := strings.ReplaceAll(here, `\`, "/") // a path from Windows
		switch there, known := p[here]; {
		case known && sameFile(here, there):
		case known && exists(there):
			c.move(path, there)
		case known && exists(here):
			notes = append(notes, fmt.Sprintf("%s no longer exists: using %s in this folder", there, here))
		case exists(here):
		case exists(slashed):
			*path = slashed
			notes = append(notes, fmt.Sprintf("%s does not exist: using %s in this folder", here, slashed))
		case known:
			c.move(path, there) // so that the error names it
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
