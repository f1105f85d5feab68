package masking

import (
	"fasternet/data"
	"fasternet/internal/rng"
)

// pyramidImage is what belongs to one image until the batch is complete.
type pyramidImage struct {
	windows [][2][]Window // of each stage: plain and shifted
}

func (p *Pyramid) allocate(b *Batch, size int) {
	b.keep, b.mask = make([]int32, size*p.Kept()), make([]float32, size*p.units.Size())
	for k := range p.Taps {
		b.restore = append(b.restore, make([]int32, size*p.TokenGrid(k).Size()))
	}
	b.images = make([]pyramidImage, size)
	b.Windows = make([][2][]Window, p.Stages)
}

func (p *Pyramid) sample(b *Batch, at data.Position) error {
	if p.PerSample {
		p.draw(b, at.Place, at.Seed, at.Epoch, at.Index)
	}
	return nil
}

// draw makes the mask of an image and all that follows from it.
func (p *Pyramid) draw(b *Batch, place int, seed uint64, epoch, index int) {
	units := p.units.Size()
	mask := b.mask[place*units:][:units]
	p.Mask(mask, rng.New(seed, rng.Mask, uint64(epoch), uint64(index)).Perm(units))
	p.lay(b, place)
	image := &b.images[place]
	image.windows = image.windows[:0]
	for s := range p.Stages {
		w := [2][]Window{p.WindowsOf(mask, s, 0)}
		w[1] = w[0]
		if shift := p.Shift(s); shift > 0 {
			w[1] = p.WindowsOf(mask, s, shift)
		}
		image.windows = append(image.windows, w)
	}
}

// lay writes the indices and weights of the mask of an image.
func (p *Pyramid) lay(b *Batch, place int) {
	mask := b.mask[place*p.units.Size():][:p.units.Size()]
	keep := b.keep[place*p.Kept():][:0]
	raster := p.RasterOf(p.Unit)
	for i, v := range p.VisibleTokens(mask, p.Unit) {
		if v == 1 {
			keep = append(keep, raster[i])
		}
	}
	for k, s := range p.Taps {
		side := p.outSide(s)
		n := p.ScaleGrid(k).Size()
		restore, weights := b.restore[k][place*n:][:n], b.weights[k][place*n:][:n]
		rows, visible := p.RestoreOf(mask, side), p.VisibleTokens(mask, side)
		for i, at := range p.RasterOf(side) {
			restore[at], weights[at] = rows[i], 1-visible[i]
		}
	}
}

func (p *Pyramid) complete(b *Batch, at data.Position) error {
	if !p.PerSample {
		p.draw(b, 0, at.Seed, at.Epoch, at.Step)
		for i := 1; i < at.Size; i++ {
			repeat(b.mask, i, p.units.Size())
			repeat(b.keep, i, p.Kept())
			for k := range p.Taps {
				n := p.ScaleGrid(k).Size()
				repeat(b.restore[k], i, n)
				repeat(b.weights[k], i, n)
			}
		}
	}
	for s := range b.Windows {
		shifted := p.Shift(s) > 0
		for form := range b.Windows[s] {
			if form == 1 && !shifted {
				b.Windows[s][1] = b.Windows[s][0]
				break
			}
			list := b.Windows[s][form][:0]
			for i := range at.Size {
				from := i
				if !p.PerSample {
					from = 0
				}
				list = moved(list, b.images[from].windows[s][form], i*p.StageTokens(s))
			}
			b.Windows[s][form] = list
		}
	}
	return nil
}

// repeat copies the part of the first image, n values, to that of image i.
func repeat[T any](x []T, i, n int) { copy(x[i*n:(i+1)*n], x[:n]) }
