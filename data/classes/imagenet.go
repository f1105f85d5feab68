package classes

import (
	_ "embed" // the words
	"regexp"
	"strings"
	"sync"
)

// imagenet1k has a line for each class of ImageNet-1k, in order: the synset, which is the name
// of its folder in the data set, a tab, and its words in WordNet.
//
//go:embed imagenet1k.tsv
var imagenet1k string

// wordnetLicense must accompany the words wherever they go.
//
//go:embed imagenet1k.license
var wordnetLicense string

// WordNetLicense returns the license of the words that [Words] returns.
func WordNetLicense() string { return wordnetLicense }

var synset = regexp.MustCompile(`^n\d{8}$`)

// ImageNet1k is the number of classes of ImageNet-1k.
const ImageNet1k = 1000

// words returns the words of the classes, by number and by synset.
var words = sync.OnceValues(func() (byNumber []string, bySynset map[string]string) {
	bySynset = make(map[string]string, ImageNet1k)
	for line := range strings.Lines(imagenet1k) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
		byNumber = append(byNumber, text)
		bySynset[name] = text
	}
	return byNumber, bySynset
})

// Words returns what people call the classes of a model, by number, if this is known. Names
// that are synsets of ImageNet-1k become their words. A model of 1,000 outputs without names
// is assumed to be for ImageNet-1k; then assumed is true. Other names stay as they are.
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
			return names, false // another data set, even if one of its classes looks like a synset
		}
	}
	for _, name := range names {
		out = append(out, bySynset[name])
	}
	return out, false
}
