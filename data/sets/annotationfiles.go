package sets

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/data"
)

// manyFiles is the number of files in a folder from which on the folder is listed, instead of
// asking for each file: on a network disk each request takes its time.
const manyFiles = 32

// missingFiles returns the positions of files that do not exist, or are folders. It skips
// empty paths. It changes paths with backslashes that exist with slashes: lists are written
// on Windows, too.
func missingFiles(root string, files []string) (missing []int) {
	folders := map[string][]int{}
	for i, f := range files {
		if f != "" {
			dir := filepath.Dir(f)
			folders[dir] = append(folders[dir], i)
		}
	}
	for dir, members := range folders {
		there := map[string]bool{}
		if len(members) >= manyFiles {
			entries, _ := os.ReadDir(inFolder(root, dir)) // if this fails, ask for each file
			for _, e := range entries {
				if e.Type().IsRegular() {
					there[e.Name()] = true
				}
			}
		}
		for _, i := range members {
			if there[filepath.Base(files[i])] || isFile(inFolder(root, files[i])) {
				continue
			}
			slashed := strings.ReplaceAll(files[i], `\`, "/")
			if slashed != files[i] && isFile(inFolder(root, slashed)) {
				files[i] = slashed
				continue
			}
			missing = append(missing, i)
		}
	}
	slices.Sort(missing)
	return missing
}

// isFile reports whether a path is a file, or something that may be read like one.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&fs.ModeDir == 0
}

var annotationsFormat = Format{
	Name: "annotations",
	Doc: "lists: text files or tables with a path and a label in each line, " +
		"or annotations in the form of COCO (.json)",
	Keys:       []string{"train", "val", "classes", "label_kind", "label_key", "label_separator"},
	Example:    "train.txt",
	MultiLabel: true,
	Signs:      []string{"train.txt"},
	Open: func(p *Part) (data.Dataset, error) {
		labels, err := p.Labels()
		if err != nil {
			return nil, err
		}
		ds, err := inspectList(p.Path(p.File, usualList(p)), p.Config.Dir, string(p.Split), labels)
		return orNil(ds, p.called(err))
	},
	Unused: func(d configs.Data) string { return firstFound(d, "val.txt") },
}

// usualList returns the list of a part for which none is named: a text, a table, or
// annotations in the form of COCO.
func usualList(p *Part) string {
	for _, ending := range []string{".txt", ".csv", ".tsv", ".json"} {
		if name := string(p.Split) + ending; isFile(p.Path(name, "")) {
			return name
		}
	}
	return string(p.Split) + ".txt"
}
