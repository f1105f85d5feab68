package configs

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed *.yaml
var ours embed.FS

// mostBases is how many files one can start from, one from the other (base).
const mostBases = 10

// presetFolders are where presets are, in the order in which they were registered.
var presetFolders = []fs.FS{ours}

// RegisterPresets adds presets, before any configuration is read: the files NAME.yaml in the
// root of a file system, such as an embed.FS. A preset can start from any other one (base). The
// first comment line of a file is what config list says of it. It panics if there are none, or
// if a name is taken.
func RegisterPresets(files fs.FS) {
	names := presetsIn(files)
	if len(names) == 0 {
		panic("configs: RegisterPresets: want files NAME.yaml in the root of the file system")
	}
	for _, name := range names {
		if _, ok := presetText(name); ok {
			panic(fmt.Sprintf("configs: RegisterPresets: there is a preset %q", name))
		}
	}
	presetFolders = append(presetFolders, files)
}

// presetsIn lists the names of the presets in a folder.
func presetsIn(files fs.FS) (names []string) {
	paths, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil // of a wrong pattern only
	}
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(p, ".yaml"))
	}
	return names
}

// presetText is the YAML of a preset.
func presetText(name string) (text []byte, ok bool) {
	for _, files := range presetFolders {
		if text, err := fs.ReadFile(files, name+".yaml"); err == nil {
			return text, true
		}
	}
	return nil, false
}

// Presets lists the names of the configurations that come with the program, in the order of
// the alphabet. Presets of families that the program has not registered are left out.
func Presets() (names []string) {
	for _, files := range presetFolders {
		for _, name := range presetsIn(files) {
			if _, ok := FamilyOf(presetFamily(name)); ok || len(families) == 0 {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// presetFamily is the value of model.name of a preset, or of what it starts from.
func presetFamily(name string) string {
	for range mostBases + 1 {
		text, ok := presetText(name)
		var c struct {
			Base  string
			Model struct{ Name string }
		}
		switch {
		case !ok || yaml.Unmarshal(text, &c) != nil: // its error is told where it is read
			return defaultFamily
		case c.Model.Name != "":
			return c.Model.Name
		case c.Base == "":
			return defaultFamily
		}
		name = c.Base
	}
	return defaultFamily
}

// PresetAbout is what a preset is, in a line: the first comment of its file.
func PresetAbout(name string) (string, error) {
	text, err := PresetText(name)
	first, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
	return first, err
}

// PresetText is the YAML of a preset with its comments.
func PresetText(name string) (string, error) {
	text, ok := presetText(name)
	if !ok {
		all := Presets() // which reads all of them
		return "", fmt.Errorf("no preset is called %q%s; there are %s", name, suggest(name, all), strings.Join(all, ", "))
	}
	return string(text), nil
}
