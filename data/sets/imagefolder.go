package sets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/data"
	"fasternet/data/picture"
)

// ImageFolder is a dataset of image files in one folder per class.
type ImageFolder struct {
	data.Decoder
	root    string
	classes []string
	files   []string // relative to root
	labels  []int32
	left    []data.LeftOut
	faults  []data.Fault
	notes   []string
	links   bool // some files are symbolic links
	seen    []classFolder
}

// classFolder is a class folder as the file system knows it.
type classFolder struct {
	name string
	info fs.FileInfo
	link bool
}

// OpenImageFolder lists the images of root/<split>/<class>/**/*. A file is an image if it has
// a usual ending in any case, such as .jpg or .png; a file without an ending, if its content is
// an image. [data.Train] is in the folder train or training, [data.Val] in the first that exists
// of val, valid, validation, eval, evaluation and test, [data.Test] in test, or in the only folder
// with a similar name (see [FindSplit]). With split "" the class folders are directly in root.
//
// The index of a class is its position in the list of class folders, sorted by code point.
// Files are sorted by path within a class. Symbolic links are followed. Names that start with
// a dot and files outside the class folders are left out: see [data.LeftOutOf]. It is an error
// when a class folder has no images.
func OpenImageFolder(root string, split data.Split) (*ImageFolder, error) {
	if split != "" {
		var err error
		if root, err = FindSplit(root, split); err != nil {
			return nil, err
		}
	}
	return OpenClassFolders(root, nil)
}

// OpenClassFolders is [OpenImageFolder] for the class folders in root. With a class map the
// index of a class is its position there. Folders with other names are left out, and it is an
// error when a class has no folder.
func OpenClassFolders(root string, classes []string) (*ImageFolder, error) {
	d, err := InspectClassFolders(root, classes)
	if err != nil {
		return nil, err
	}
	return d, data.CheckFaults(d, false)
}

// InspectClassFolders is [OpenClassFolders], but does not stop at what is wrong. It keeps the
// faults for [data.FaultsOf]. A class without images is one of the classes.
func InspectClassFolders(root string, classes []string) (*ImageFolder, error) {
	return inspectFolders(root, classes, true)
}

// InspectValidationFolders is [InspectClassFolders] for images that are not for training. A
// class of the class map need not have images; without a class map, a folder without images is
// left out.
func InspectValidationFolders(root string, classes []string) (*ImageFolder, error) {
	return inspectFolders(root, classes, false)
}

// inspectFolders lists the class folders in root. With all, every class must have images.
func inspectFolders(root string, classes []string, all bool) (*ImageFolder, error) {
	top, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if !top.IsDir() {
		return nil, needsFolder(root)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	d := &ImageFolder{root: root, classes: classes}
	folders := d.folders(entries, classes != nil)
	if classes != nil {
		d.mapped(folders, all, top)
	} else {
		for _, name := range folders {
			if why := d.class(name, len(d.classes), all, top); why != "" {
				d.leave(name, why)
			} else {
				d.classes = append(d.classes, name)
			}
		}
	}
	if classes == nil {
		d.checkNames()
	}
	if len(d.classes) == 0 {
		return nil, fmt.Errorf("data: %s: no class folders; put the images of each class into their own folder"+
			" (a pre-training needs no classes: put all images into one)", root)
	}
	if len(d.files) == 0 && len(d.faults) == 0 {
		return nil, fmt.Errorf("data: %s: no images (%s by name) in the class folders", root, picture.ImageNames)
	}
	return d, nil
}

// folders lists the class folders among the entries of the root, which are sorted by name. All
// other entries are left out.
func (d *ImageFolder) folders(entries []fs.DirEntry, mapped bool) (names []string) {
	for _, e := range entries {
		if hidden(e.Name()) {
			d.leave(e.Name(), data.Hidden)
			continue
		}
		info, err := os.Stat(filepath.Join(d.root, e.Name()))
		switch {
		case err != nil && mapped: // mapped reports it if the class map has it
			d.leave(e.Name(), data.BrokenLink)
		case err != nil || info.IsDir(): // skipping a broken link would shift the class indices
			names = append(names, e.Name())
		case !info.Mode().IsRegular():
			d.leave(e.Name(), data.Special)
		default:
			d.leave(e.Name(), d.reason(e.Name(), data.Outside))
		}
	}
	return names
}

// mapped lists the images in the folders of a class map.
func (d *ImageFolder) mapped(folders []string, all bool, top fs.FileInfo) {
	there, known := classIndex(folders), classIndex(d.classes)
	for c, name := range d.classes {
		if at, ok := there[sameName(name)]; ok {
			d.class(folders[at], c, all, top)
		} else if all {
			d.fault("%s: no folder of class %d, %q, which data.classes has%s",
				d.root, c, name, nearFolder(name, folders))
		}
	}
	var meant []string
	for _, name := range folders {
		if _, ok := known[sameName(name)]; ok {
			meant = append(meant, name)
		} else {
			d.leave(name, data.OtherClass)
		}
	}
	if _, wrong := wrongName(meant); wrong != "" { // two folders for one class
		d.fault("%s: %s", d.root, wrong)
	}
}

// checkNames finds class folders that are the parts of a data set, and class names that are
// wrong or may be a mistake.
func (d *ImageFolder) checkNames() {
	switch _, wrong := wrongName(d.classes); {
	case wrong != "":
		d.fault("%s: %s", d.root, wrong)
	case areParts(d.classes):
		parts := partNames(d.classes)
		d.fault("%s: the folders %s look like parts of a data set, not like classes; "+
			"name the folder of the training images with data.train, e.g. data.train=%s",
			d.root, ListNames(parts), parts[slices.IndexFunc(parts, isTraining)])
	default:
		d.notes = nameNotes(d.classes)
		if hint := d.deeperHint(); hint != "" && len(d.classes) == 1 {
			d.notes = append(d.notes, fmt.Sprintf("%s has one class, %q; %s", d.root, d.classes[0], hint))
		}
	}
}

// nearFolder hints at a folder whose name differs only in case or white space.
func nearFolder(class string, folders []string) string {
	for _, name := range folders {
		if foldedName(name) == foldedName(class) {
			return fmt.Sprintf("; there is one called %q", name)
		}
	}
	return ""
}

// class appends the images of a class folder. It returns why the folder is no class, or "". A
// folder without images is none, but with all it is a class with a fault. A folder with nothing
// but training runs is never one.
func (d *ImageFolder) class(name string, label int, all bool, top fs.FileInfo) data.Reason {
	first, faults, left := len(d.files), len(d.faults), len(d.left)
	d.distinct(name)
	d.list(name, []fs.FileInfo{top})
	if len(d.files) == first && len(d.faults) == faults {
		isRun := func(l data.LeftOut) bool { return l.Reason == data.RunFolder }
		switch {
		case slices.ContainsFunc(d.left[left:], isRun):
			d.left = d.left[:left]
			return data.RunFolder
		case !all:
			return data.NoImages
		}
		d.fault("%s: no images (%s by name) in this class folder%s; remove it or add images",
			filepath.Join(d.root, name), picture.ImageNames, data.UnreadHint(d.left[left:]))
	}
	slices.Sort(d.files[first:])
	for range d.files[first:] {
		d.labels = append(d.labels, int32(label))
	}
	return ""
}

// distinct finds class folders that are the same folder by a symbolic link.
func (d *ImageFolder) distinct(name string) {
	path := filepath.Join(d.root, name)
	info, err := os.Stat(path)
	entry, also := os.Lstat(path)
	if err != nil || also != nil {
		return // list reports it
	}
	this := classFolder{name, info, entry.Mode()&fs.ModeSymlink != 0}
	for _, other := range d.seen {
		if (this.link || other.link) && os.SameFile(other.info, info) {
			d.fault("%s and %s are the same folder, by a symbolic link, and cannot be two classes; remove one of them",
				filepath.Join(d.root, other.name), path)
		}
	}
	d.seen = append(d.seen, this)
}

// LabelHint says how to give the images labels.
func (d *ImageFolder) LabelHint() string {
	if hint := d.deeperHint(); hint != "" {
		return hint
	}
	return fmt.Sprintf("put the images of each class into their own folder in %s", d.root)
}

// deeperHint names the folder with the class folders, if it seems to lie deeper; else it returns "".
func (d *ImageFolder) deeperHint() string {
	path, names := onlyFolder(d.root)
	if path == "" {
		return ""
	}
	return fmt.Sprintf("perhaps you mean the folder %s, which has the folders %s", path, ListNames(names))
}

// fault records something that is wrong.
func (d *ImageFolder) fault(format string, args ...any) {
	d.faults = append(d.faults, data.Fault{Err: fmt.Errorf("data: "+format, args...)})
}

// leave records a file that is left out, by its path below the root.
func (d *ImageFolder) leave(rel string, why data.Reason) {
	d.left = append(d.left, data.LeftOut{Path: filepath.Join(d.root, rel), Reason: why})
}

// list appends the images in the folder rel and below. above are the folders above it: a
// symbolic link may lead back to one of them.
func (d *ImageFolder) list(rel string, above []fs.FileInfo) {
	path := filepath.Join(d.root, rel)
	info, err := os.Stat(path)
	if err != nil {
		d.fault("%w; remove or repair it", err)
		return
	}
	for _, a := range above {
		if os.SameFile(a, info) {
			d.fault("%s: this symbolic link leads back to a folder above it; remove it", path)
			return
		}
	}
	above = append(slices.Clip(above), info)
	entries, err := os.ReadDir(path)
	if err != nil {
		d.fault("%w", err)
	}
	if rel != "" && isRunFolder(entries) {
		d.leave(rel, data.RunFolder)
		return
	}
	unclear := looks(path, entries)
	for i, e := range entries {
		seen, ok := unclear[i]
		if !ok {
			seen = look{mode: e.Type(), image: picture.HasImageName(e.Name())}
		}
		d.entry(filepath.Join(rel, e.Name()), e, seen, above)
	}
}

// isRunFolder reports whether a folder with these entries belongs to a training run. A run may lie
// in the folder of its images; its files are no images of the data set.
func isRunFolder(entries []fs.DirEntry) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name })
	}
	return has("checkpoints") && (has("config.yaml") || has("run.lock"))
}

// entry handles an entry of a folder: it is an image, a folder, or left out.
func (d *ImageFolder) entry(name string, e fs.DirEntry, seen look, above []fs.FileInfo) {
	if hidden(e.Name()) {
		d.leave(name, data.Hidden)
		return
	}
	if e.Type()&fs.ModeSymlink != 0 {
		d.links = true
		switch err := seen.linkErr; {
		case err == nil:
		case picture.HasImageName(name): // a sample that cannot be read
			d.files = append(d.files, name)
			err = fmt.Errorf("data: following a symbolic link: %w", err)
			d.faults = append(d.faults, data.Fault{Err: err, Image: true})
			return
		case errors.Is(err, fs.ErrNotExist):
			d.leave(name, data.BrokenLink)
			return
		default: // it may be a folder of images
			d.fault("following a symbolic link: %w", err)
			return
		}
	}
	switch {
	case seen.mode.IsDir():
		d.list(name, above)
	case !seen.mode.IsRegular():
		d.leave(name, data.Special)
	case seen.err != nil:
		d.leave(name, data.Unreadable)
	case !seen.image:
		d.leave(name, data.OtherEnding)
	default:
		d.files = append(d.files, name)
	}
}

// reason says why a regular file is left out: it is not an image, or, for an image, the given
// reason.
func (d *ImageFolder) reason(name string, image data.Reason) data.Reason {
	is, err := picture.IsImageFile(filepath.Join(d.root, name))
	switch {
	case err != nil:
		return data.Unreadable
	case is:
		return image
	}
	return data.OtherEnding
}

// hidden reports whether a name starts with a dot, or is a folder that a system or a program
// keeps for itself. Such a folder may have images, such as the thumbnails of a network drive.
func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains(systemFolders, name)
}

// systemFolders are folders of macOS archives, of Synology and QNAP drives, of Windows, of Linux
// file systems, and of Python.
var systemFolders = []string{
	"__MACOSX",
	"@eaDir", "#recycle", "@Recycle", "@Recently-Snapshot", "#snapshot",
	"$RECYCLE.BIN", "System Volume Information",
	"lost+found",
	"__pycache__",
}

// LeftOut lists the files below the root that are not samples.
func (d *ImageFolder) LeftOut() []data.LeftOut { return d.left }

// Faults lists what is wrong with the folders.
func (d *ImageFolder) Faults() []data.Fault { return d.faults }

// Notes says what is allowed, but may be a mistake.
func (d *ImageFolder) Notes() []string { return d.notes }

// Len returns the number of images.
func (d *ImageFolder) Len() int { return len(d.files) }

// Classes lists the names of the class folders.
func (d *ImageFolder) Classes() []string { return d.classes }

// Label returns the class index of image i.
func (d *ImageFolder) Label(i int) int { return int(d.labels[i]) }

// Image decodes image i, see [data.DecodeAs].
func (d *ImageFolder) Image(i int) (*picture.Image, error) { return d.Decoding().ReadImage(d.Name(i)) }

// Encoded returns the content of the file of sample i.
func (d *ImageFolder) Encoded(i int, buf []byte) (content []byte, ok bool, err error) {
	content, err = picture.ReadFile(d.Name(i), buf)
	return content, true, err
}

// EncodedRange returns a part of the file of sample i.
func (d *ImageFolder) EncodedRange(i int, offset, size int64, buf []byte) ([]byte, error) {
	return picture.ReadPart(d.Name(i), offset, size, buf)
}

// Name returns the path of image i.
func (d *ImageFolder) Name(i int) string { return filepath.Join(d.root, d.files[i]) }

// Key returns the name of sample i within the dataset.
func (d *ImageFolder) Key(i int) string { return filepath.ToSlash(d.files[i]) }

// StampSize returns the size of the file of sample i in bytes.
func (d *ImageFolder) StampSize(i int) uint64 { return fileSize(d.Name(i)) }

// Stamp returns the size of the file of sample i in bytes, and when it was last changed.
func (d *ImageFolder) Stamp(i int) (size uint64, changed int64) { return fileStamp(d.Name(i)) }

// Place returns the file of sample i; for a link, the file that it leads to.
func (d *ImageFolder) Place(i int) (file, within string) {
	file = d.Name(i)
	if d.links && picture.IsLink(file) {
		if target, err := filepath.EvalSymlinks(file); err == nil {
			file = target
		}
	}
	return file, ""
}
