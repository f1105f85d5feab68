package model

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"fasternet/checkpoints"
	"fasternet/internal/disk"
	"fasternet/internal/printable"
)

// HubCardFile is the model card that the hub shows.
const HubCardFile = "README.md"

// cardMark marks the cards that this program writes. A card without it was written by a person.
const cardMark = "<!-- written by fasternet-train -->"

// writeCard writes the card of a model, unless a person has written one or changed the mark in it.
func writeCard(dir string, l *Loaded, f hubFile) error {
	if OwnCard(dir) {
		return nil
	}
	return checkpoints.WriteAtomic(filepath.Join(dir, HubCardFile), func(w io.Writer) error {
		_, err := io.WriteString(w, card(l, f))
		return err
	})
}

// OwnCard reports whether a folder has a card that a person has written: it is never replaced.
func OwnCard(dir string) bool {
	text, err := disk.ReadFile(filepath.Join(dir, HubCardFile))
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	return err != nil || !bytes.Contains(text, []byte(cardMark))
}

// HubFiles lists the files that [WriteHub] writes, in the order in which it replaces older ones.
func HubFiles() []string { return []string{HubWeightsFile, HubCardFile, HubConfigFile} }

// card describes a model and how to use it.
func card(l *Loaded, f hubFile) string {
	var b strings.Builder
	line := func(format string, args ...any) { printable.Fprintf(&b, format+"\n", args...) }
	p := f.Pretrained
	task := "image-classification"
	if f.NumClasses == 0 {
		task = "image-feature-extraction"
	}
	line("---\ntags:\n- %s\n- timm\nlibrary_name: timm\n---\n%s\n", task, cardMark)
	line("# %s\n", f.Architecture)
	line("A %s in the layout of [timm](https://github.com/huggingface/pytorch-image-models), "+
		"written by fasternet-train.\n",
		l.Config.Model.Title())
	line("| | |\n|---|---|")
	line("| parameters | %.2f M |", float64(l.Parameters())/1e6)
	switch {
	case f.NumClasses == 0:
		line("| classes | none: it gives features |")
	case len(f.LabelNames) > 0:
		line("| classes | %d, named in `config.json` |", f.NumClasses)
	default:
		line("| classes | %d |", f.NumClasses)
	}
	line("| features | %d |", f.NumFeatures)
	line("| images | %d × %d, %d channels |", p.InputSize[1], p.InputSize[2], p.InputSize[0])
	line("| mean, std | %v, %v |", p.Mean, p.Std)
	line("| resizing, crop | %s, %s, %.4g of the image |", p.Interpolation, p.CropMode, p.CropPct)
	if l.Average {
		line("| weights | averaged over training (EMA) |")
	} else if l.File != nil { // of a run, which may have both kinds
		line("| weights | of the last step |")
	}
	line("\n## Use\n\n```python\nimport timm\n")
	line("# or \"hf-hub:ORG/NAME\" after the upload")
	line("model = timm.create_model(\"local-dir:FOLDER\", pretrained=True).eval()")
	line("transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))\n```\n")
	if f.NumClasses == 0 {
		line("```sh\nfasternet-train features FOLDER photo.jpg --stage prelogits --out features.npy\n```")
	} else {
		line("```sh\nfasternet-train predict FOLDER photo.jpg\n```")
	}
	return b.String()
}
