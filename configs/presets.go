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

// mostBases is the largest number of files in a chain of base keys.
const mostBases = 10

// presetFolders hold the presets, in order of registration.
var presetFolders = []fs.FS{ours}

// RegisterPresets adds presets: the files NAME.yaml in the root of a file system, such as an embed.FS. Call
// it before any configuration is read. A preset can start from any other (base). config list shows the
// first comment line of each file. RegisterPresets panics if there are no files or a name is taken.
func RegisterPresets(files fs.FS) {
	names := presetsIn(files)
	if len(names) == 0 {
		panic("configs: RegisterPresets: no files NAME.yaml in the root of the file system")
	}
	for _, name := range names {
		if _, ok := presetText(name); ok {
			panic(fmt.Sprintf("configs: RegisterPresets: preset %q exists already", name))
		}
	}
	presetFolders = append(presetFolders, files)
}

// presetsIn lists the names of the presets in a folder.
func presetsIn(files fs.FS) (names []string) {
	paths, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil // only a wrong pattern gives an error
	}
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(p, ".yaml"))
	}
	return names
}

// presetText returns the YAML of a preset.
func presetText(name string) (text []byte, ok bool) {
	for _, files := range presetFolders {
		if text, err := fs.ReadFile(files, name+".yaml"); err == nil {
			return text, true
		}
	}
	return nil, false
}

// Presets lists the names of the registered presets in alphabetical order. It leaves out presets of
// unregistered families.
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

// presetFamily returns model.name of a preset, or of the one that it starts from.
func presetFamily(name string) string {
	for range mostBases + 1 {
		text, ok := presetText(name)
		var c struct {
			Base  string
			Model struct{ Name string }
		}
		switch {
		case !ok || yaml.Unmarshal(text, &c) != nil: // Load reports the error
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

// PresetAbout returns a line about a preset: the first comment of its file.
func PresetAbout(name string) (string, error) {
	text, err := PresetText(name)
	first, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
	return first, err
}

// PresetText returns the YAML of a preset with its comments.
func PresetText(name string) (string, error) {
	text, ok := presetText(name)
	if !ok {
		all := Presets() // reads all of them
		return "", fmt.Errorf("no preset is called %q%s; there are %s",
			name, suggest(name, all), strings.Join(all, ", "))
	}
	return string(text), nil
}
