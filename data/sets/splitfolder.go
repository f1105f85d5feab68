package sets

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/data"
)

// splitFolders are the names to look for, for the folder of a split.
var splitFolders = map[data.Split][]string{
	data.Train: {"train", "training"},
	data.Val:   {"val", "valid", "validation", "eval", "evaluation", "test"},
	data.Test:  {"test"},
}

// FindSplit returns the folder of a split in root, by its usual names, in any case: Train as
// well as train. If there is none, it takes the only folder whose name looks like the split, such
// as training_set or val-images.
func FindSplit(root string, split data.Split) (string, error) {
	names := splitFolders[split]
	if names == nil {
		return "", fmt.Errorf("data: unknown split %q; use %s, %s or %s",
			string(split), data.Train, data.Val, data.Test)
	}
	there, err := foldersIn(root)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		found := slices.DeleteFunc(slices.Clone(there), func(f string) bool { return !strings.EqualFold(f, name) })
		switch {
		case slices.Contains(found, name):
			return filepath.Join(root, name), nil
		case len(found) > 1:
			return "", fmt.Errorf("data: %s: which of %s is the %s split? Name it with data.%s",
				root, ListNames(found), split, split)
		case len(found) == 1:
			return filepath.Join(root, found[0]), nil
		}
	}
	if like := likeSplit(there, split); len(like) == 1 {
		return filepath.Join(root, like[0]), nil
	}
	hint := "put the images of a class into " + filepath.Join(root, names[0], "<class>")
	if split != data.Test {
		other := func(name string) bool { return isTraining(name) != (split == data.Train) }
		parts := slices.DeleteFunc(partNames(there), other)
		if len(parts) > 0 {
			hint = fmt.Sprintf("there is %s: name the folder with data.%s", ListNames(parts), split)
		}
		hint += ", or let data.val_fraction hold images out, e.g. 0.1"
	}
	return "", fmt.Errorf("data: %s: no folder of the %s split; looked for %s: %s",
		root, split, strings.Join(names, ", "), hint)
}

// likeSplit returns the folders that look like a split by their names: see [partName]. For validation
// these are the first that exist of val…, eval…, dev… and test….
func likeSplit(folders []string, split data.Split) []string {
	parts := partNames(folders)
	for _, word := range map[data.Split][]string{
		data.Train: {"train"},
		data.Val:   {"val", "eval", "dev", "test"},
		data.Test:  {"test"},
	}[split] {
		like := slices.DeleteFunc(slices.Clone(parts), func(name string) bool {
			return !strings.HasPrefix(strings.ToLower(name), word)
		})
		if len(like) > 0 {
			return like
		}
	}
	return nil
}

// foldersIn lists the names of the folders in a folder, and of links to folders.
func foldersIn(root string) (names []string, err error) {
	entries, err := os.ReadDir(root)
	switch info, missing := os.Stat(root); {
	case missing != nil:
		return nil, fmt.Errorf("data: %s: no such folder", root)
	case !info.IsDir():
		return nil, needsFolder(root)
	case err != nil:
		return nil, fmt.Errorf("data: %w", err)
	}
	for _, e := range entries {
		if isFolder(filepath.Join(root, e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// needsFolder is the error of a file that is named where a folder is needed.
func needsFolder(path string) error {
	return fmt.Errorf("data: %s is a file; a folder is needed%s", path, UnpackHint(path))
}

// UnpackHint says what to do with an archive that is named where the folder of a data set is needed; "" for other
// files.
func UnpackHint(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".zip", ".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst":
		return ": unpack the archive first"
	}
	return ""
}

// partName matches names of folders of parts, such as training_set, Val or test-images.
var partName = regexp.MustCompile(
	`(?i)^(train|training|val|valid|validation|eval|evaluation|test|testing|dev)` +
		`([ _-]?(set|data|images|imgs|part|split|[0-9]+))*$`)

// partNames returns the names that look like parts.
func partNames(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !partName.MatchString(name) })
}

// areParts reports whether class folders are really the parts of a data set: one has the
// training images and another one does not. One of them alone may be a class, such as train
// next to bus and car.
func areParts(names []string) bool {
	training := 0
	parts := partNames(names)
	for _, name := range parts {
		if isTraining(name) {
			training++
		}
	}
	return training > 0 && training < len(parts)
}

// isTraining reports whether the folder of a part has the training images.
func isTraining(part string) bool {
	return strings.HasPrefix(strings.ToLower(part), string(data.Train))
}

// Undivided says whether the folder of a data set has no part for validation, and whether the folders
// of its classes lie directly in it.
func Undivided(dir string) (noValidation, direct bool) {
	there, err := foldersIn(dir)
	if err != nil {
		return false, false
	}
	if _, err := FindSplit(dir, data.Val); err == nil {
		return false, false
	}
	if train, err := FindSplit(dir, data.Train); err == nil && HasFolders(train) {
		return len(partNames(there)) == 1, false // another part has an unusual name, which the error says
	}
	direct = HasFolders(dir) && !areParts(there)
	return direct, direct
}

// HasFolders reports whether there are folders in a folder that are not hidden.
func HasFolders(path string) bool {
	names, _ := foldersIn(path)
	return slices.ContainsFunc(names, func(name string) bool { return !hidden(name) })
}

// onlyFolder follows folders that have one folder and no more, as archives often pack a folder into a folder. It
// returns the first one with several folders, and their names; "" if the folder itself has several, or if there is
// none.
func onlyFolder(dir string) (path string, names []string) {
	const most = 10 // a link may lead back
	for range most {
		below, _ := foldersIn(dir) // what cannot be read has none
		below = slices.DeleteFunc(below, hidden)
		switch {
		case len(below) == 1:
			dir = filepath.Join(dir, below[0])
			path = dir
		case path == "" || len(below) == 0:
			return "", nil
		default:
			return path, below
		}
	}
	return "", nil
}

// isFolder reports whether path is a folder or a symbolic link to one.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

var imageFolderFormat = Format{
	Name:    "imagefolder",
	Doc:     "images in dir/train/<class>/… and dir/val/<class>/…",
	Keys:    []string{"train", "val", "classes"},
	Example: "train",
	Open: func(p *Part) (data.Dataset, error) {
		labels, err := p.OwnLabels()
		if err != nil {
			return nil, err
		}
		root, err := classFolders(p)
		if err != nil {
			return nil, err
		}
		if p.Train() {
			return InspectClassFolders(root, labels.Classes)
		}
		return InspectValidationFolders(root, labels.Classes)
	},
	Unused: func(d configs.Data) string {
		if train, err := FindSplit(d.Dir, data.Train); err != nil || !HasFolders(train) {
			return "" // the classes are in the folder itself
		}
		there, err := foldersIn(d.Dir)
		path, none := FindSplit(d.Dir, data.Val)
		if like := likeSplit(there, data.Val); none != nil && len(like) > 0 { // there are several
			path = filepath.Join(d.Dir, like[0])
		}
		isTest := strings.HasPrefix(strings.ToLower(filepath.Base(path)), string(data.Test)) // it may be for later
		if err != nil || path == "" || isTest {
			return ""
		}
		return path
	},
}

// classFolders returns the folder that has the class folders of a part. If the validation part
// is held out, this may be the folder of the data set itself.
func classFolders(p *Part) (string, error) {
	if p.File != "" {
		return p.Path(p.File, ""), nil
	}
	root, err := FindSplit(p.Config.Dir, p.Split)
	if p.Config.HoldsOut() && (err != nil || !HasFolders(root)) { // train may be a class
		return p.Config.Dir, nil //nolint:nilerr // there are no parts to be found
	}
	return root, err
}
