package classes

import (
	_ "embed" // the words
	"regexp"
	"strings"
	"sync"
)

// imagenet1k has a line for each class of ImageNet-1k, in their order: the synset, which the
// folders of the data set are called by, a tab, and its words in WordNet.
//
//go:embed imagenet1k.tsv
var imagenet1k string

// wordnetLicense belongs to the words wherever they are.
//
//go:embed imagenet1k.license
var wordnetLicense string

// WordNetLicense is the license of what [Words] says.
func WordNetLicense() string { return wordnetLicense }

var synset = regexp.MustCompile(`^n\d{8}$`)

// ImageNet1k is the number of its classes.
const ImageNet1k = 1000

// words are the words of the classes, by number and by synset.
var words = sync.OnceValues(func() (byNumber []string, bySynset map[string]string) {
	bySynset = make(map[string]string, ImageNet1k)
	for line := range strings.Lines(imagenet1k) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
		byNumber = append(byNumber, text)
		bySynset[name] = text
	}
	return byNumber, bySynset
})

// Words are what people call the classes of a model with so many outputs, by their number, as
// far as that is known. Names that are synsets of ImageNet-1k are replaced by their words. A
// model of 1,000 outputs without names is taken for one of ImageNet-1k: assumed says so. Other
// names stay as they are.
func Words(names []string, outputs int) (out []string, assumed bool) {
	byNumber, bySynset := words()
	if len(names) == 0 {
		if outputs == ImageNet1k {
			return byNumber, true
		}
		return names, false
	}
	for _, name := range names {
		if !synset.MatchString(name) || bySynset[name] == "" {
			return names, false // a data set of its own, of which one class may be called so
		}
	}
	for _, name := range names {
		out = append(out, bySynset[name])
	}
	return out, false
}
