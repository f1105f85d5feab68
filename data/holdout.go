package data

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"fasternet/internal/rng"

	"golang.org/x/text/unicode/norm"
)

// HoldOut splits a dataset into training and validation by the names of its samples. A
// sample is held out if its [Score] is below the fraction. So adding or removing a sample
// moves no other one, and the parts are the same on every machine. On average a class
// loses this fraction; a small class may lose nothing.
//
// One rule comes first: a class never loses its last training sample, even if samples have
// several labels. If all its samples would be held out, the sample with the largest score
// stays. Only this sample can move later, when a sample with a larger score joins its class.
//
// Samples with the same name, such as an image that a list has in two classes, go to the
// same part. The samples keep their order. It is an error when nothing would be held out.
func HoldOut(ds Dataset, fraction float64, seed uint64) (train, val Dataset, err error) {
	if err := checkHoldOut(ds, fraction); err != nil {
		return nil, nil, err
	}
	names, scores := make([]string, ds.Len()), make([]float64, ds.Len())
	for i := range names {
		names[i] = Key(ds, i)
		scores[i] = Score(names[i], seed)
	}
	stays := staying(ds, fraction, names, scores)
	return takeApart(ds, fraction, func(i int) bool { return scores[i] < fraction && !stays[names[i]] },
		"each is held out by its name with that probability: use a larger fraction, or another data.val_seed")
}

// staying has the groups of samples that are not held out although their scores are below the
// fraction, because a class would have no other training sample.
func staying[Group comparable](ds Dataset, fraction float64, of []Group, scores []float64) map[Group]bool {
	classes := len(ds.Classes())
	last := make([]int, classes) // for each class the sample with the largest score
	for c := range last {
		last[c] = -1
	}
	trains := make([]bool, classes)
	for i := range of {
		for _, l := range LabelSet(ds, i) {
			if scores[i] >= fraction {
				trains[l] = true
			}
			if at := last[l]; at < 0 || scores[i] > scores[at] {
				last[l] = i
			}
		}
	}
	stays := map[Group]bool{}
	for c, at := range last {
		if at >= 0 && !trains[c] {
			stays[of[at]] = true
		}
	}
	return stays
}

// Score maps the name of a sample to a number in [0, 1): the first 8 bytes of the SHA-256
// of "<seed>/<name>" as a big-endian number, divided by 2^64. The name is the [Key] of the
// sample in the Unicode form NFC, because file systems store an é in different ways.
func Score(name string, seed uint64) float64 {
	sum := sha256.Sum256([]byte(strconv.FormatUint(seed, 10) + "/" + norm.NFC.String(name)))
	// Keep the 53 bits that a float64 holds: rounding up would turn the largest number into 1.
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// HoldOutShuffled splits a dataset by the rule of older versions, to go on with their runs:
// it holds out the given fraction of each class, rounded, drawn by the seed. Adding or
// removing a sample moves others.
func HoldOutShuffled(ds Dataset, fraction float64, seed uint64) (train, val Dataset, err error) {
	if err := checkHoldOut(ds, fraction); err != nil {
		return nil, nil, err
	}
	if IsMultiLabel(ds) {
		return nil, nil, errors.New("data: images with several labels cannot be held out " +
			"by the rule of older versions (shuffle): use hash")
	}
	byClass := make([][]int, len(ds.Classes()))
	for i := range ds.Len() {
		byClass[ds.Label(i)] = append(byClass[ds.Label(i)], i)
	}
	out := make([]bool, ds.Len())
	for c, rows := range byClass {
		order := rng.New(seed, rng.HoldOut, uint64(c)).Perm(len(rows))
		for _, k := range order[:int(math.Round(fraction*float64(len(rows))))] {
			out[rows[k]] = true
		}
	}
	return takeApart(ds, fraction, func(i int) bool { return out[i] }, "use another fraction")
}

// checkHoldOut returns an error unless the fraction and the labels are valid.
func checkHoldOut(ds Dataset, fraction float64) error {
	if !(fraction > 0 && fraction < 1) {
		return fmt.Errorf("data: cannot hold out a fraction of %v; use a number between 0 and 1", fraction)
	}
	if ds.Len() == 0 {
		return errors.New("data: there are no images: put the images of each class into a folder with its name")
	}
	for i := range ds.Len() {
		if _, err := checkLabelSet(ds, i); err != nil {
			return err
		}
	}
	return nil
}

// takeApart makes the two parts of a dataset: out says which samples are held out.
func takeApart(ds Dataset, fraction float64, out func(i int) bool, hint string) (train, val Dataset, err error) {
	var kept, held []int
	for i := range ds.Len() {
		if out(i) {
			held = append(held, i)
		} else {
			kept = append(kept, i)
		}
	}
	if len(kept) == 0 || len(held) == 0 {
		return nil, nil, fmt.Errorf(
			"data: a fraction of %v of %d images leaves %d for training and %d for validation; %s",
			fraction, ds.Len(), len(kept), len(held), hint)
	}
	return Subset(ds, kept), Subset(ds, held), nil
}
