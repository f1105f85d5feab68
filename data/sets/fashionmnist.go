package sets

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"fasternet/data"
)

// debianFashionMNIST is where the Debian package dataset-fashion-mnist puts its files.
const debianFashionMNIST = "/usr/share/datasets/fashion-mnist"

var fashionMNISTClasses = []string{
	"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
	"Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
}

// OpenFashionMNIST reads the training or the test part of Fashion-MNIST (Xiao, Rasul and
// Vollgraf, 2017): 60,000 or 10,000 grey images of 28×28 pixels in 10 classes. The files in dir
// have their usual names, such as train-images-idx3-ubyte, with or without .gz.
//
// With dir "" it looks in [FashionMNISTCache], and then in the folder of the Debian package
// dataset-fashion-mnist.
func OpenFashionMNIST(dir string, train bool) (*IDX, error) {
	if dir == "" {
		cache, err := FashionMNISTCache()
		if err != nil {
			return nil, err
		}
		if dir, err = firstWithFashionMNIST(cache, debianFashionMNIST); err != nil {
			return nil, err
		}
	}
	part := "t10k"
	if train {
		part = "train"
	}
	images, err := findIDX(dir, part+"-images-idx3-ubyte")
	if err != nil {
		return nil, err
	}
	labels, err := findIDX(dir, part+"-labels-idx1-ubyte")
	if err != nil {
		return nil, err
	}
	return OpenIDX(images, labels, slices.Clone(fashionMNISTClasses))
}

// FashionMNISTCache returns the folder in the user's cache where [FetchFashionMNIST] puts the
// files by default.
func FashionMNISTCache() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("data: no cache folder for Fashion-MNIST: %w; give a folder instead", err)
	}
	return filepath.Join(cache, "fasternet", "fashion-mnist"), nil
}

// firstWithFashionMNIST returns the first of the folders that has all four files.
func firstWithFashionMNIST(folders ...string) (string, error) {
	for _, dir := range folders {
		complete := true
		for _, f := range fashionMNISTFiles {
			if _, err := findIDX(dir, f.name); err != nil {
				complete = false
			}
		}
		if complete {
			return dir, nil
		}
	}
	return "", fmt.Errorf("data: none of %q has Fashion-MNIST; run fasternet-train data fetch fashion-mnist, "+
		"or apt-get install dataset-fashion-mnist, or name a folder that has the four files", folders)
}

// findIDX returns the path of a file in dir, with .gz or without. The compressed one comes
// first: [FetchFashionMNIST] writes it to replace a damaged file.
func findIDX(dir, name string) (string, error) {
	for _, suffix := range []string{".gz", ""} {
		path := filepath.Join(dir, name+suffix)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("data: %s: no file %s or %s.gz; run fasternet-train data fetch fashion-mnist, "+
		"or apt-get install dataset-fashion-mnist", dir, name, name)
}

var fashionMNISTFormat = Format{
	Name: "fashion-mnist", Doc: "Fashion-MNIST, in dir or where data fetch puts it",
	NoDir: true,
	Open: func(p *Part) (data.Dataset, error) {
		ds, err := OpenFashionMNIST(p.Config.Dir, p.Train())
		return orNil(ds, err)
	},
}
